# scores -> tables
SCORED = ("metrics.json", "run.json", "localization.csv", "floors.csv", "cuts.csv", "resamples.npz")  # tables read them


rule table:
    input:
        of_experiment(*SCORED),
    output:
        csv=report(
            "results/{dataset}/tables/{experiment}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"experiment": "{experiment}"},
        ),
        md="results/{dataset}/tables/{experiment}.md",
        tex="results/{dataset}/tables/{experiment}.tex",
        differences=report(
            "results/{dataset}/tables/differences/{experiment}.csv",
            caption="../report/differences.rst",
            category="Tables",
            labels={"experiment": "paired differences of {experiment}"},
        ),
        cuts="results/{dataset}/tables/cuts/{experiment}.csv",
        subgroups="results/{dataset}/tables/subgroups/{experiment}.csv",
        seeds="results/{dataset}/tables/seeds/{experiment}.csv",
    log:
        "results/{dataset}/logs/table/{experiment}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="1h",
    params:
        settings=CONFIG.reporting.plain(),
        plans=lambda wildcards: result_plans(CONFIG, [wildcards.experiment], CONFIG.variants),
        order=list(CONFIG.variants),  # inputs are compared as a set
        code=digest("table"),
        shipped=SHIPPED,
    message:
        "Tables of {wildcards.experiment}"
    script:
        "../scripts/table.py"


# Where the data set may not be passed on, a package has the audits themselves.
if CONFIG.restore is None or DATASET.redistributable:

    rule leakage:
        input:
            dataset=f"{TOLD}/dataset.json",
        output:
            csv=report(
                "results/{dataset}/tables/leakage/{experiment}.csv",
                caption="../report/leakage.rst",
                category="Tables",
                labels={"experiment": "leakage audit of {experiment}"},
            ),
        log:
            "results/{dataset}/logs/leakage/{experiment}.log",
        conda:
            "../../envs/environment.yaml"
        resources:
            mem_mb=memory(4000),
            runtime="1h",
        params:
            splits=lambda wildcards: CONFIG.runs(wildcards.experiment),
            code=digest("leakage"),
        message:
            "Counting what training has seen of the test images of {wildcards.experiment}"
        script:
            "../scripts/leakage.py"


# The same of every variant that is trained, whichever the configuration names: what the paper's ablations compare.
use rule table as ablation_table with:
    input:
        lambda wildcards: [path for file in SCORED for path in of_splits(file, [wildcards.experiment], TRAINED)],
    output:
        csv="results/{dataset}/tables/ablations/{experiment}.csv",
        md="results/{dataset}/tables/ablations/{experiment}.md",
        tex="results/{dataset}/tables/ablations/{experiment}.tex",
        differences="results/{dataset}/tables/ablations/differences/{experiment}.csv",
        cuts="results/{dataset}/tables/ablations/cuts/{experiment}.csv",
        subgroups="results/{dataset}/tables/ablations/subgroups/{experiment}.csv",
        seeds="results/{dataset}/tables/ablations/seeds/{experiment}.csv",
    log:
        "results/{dataset}/logs/table/ablations/{experiment}.log",
    params:
        settings=CONFIG.reporting.plain(),
        plans=lambda wildcards: result_plans(CONFIG, [wildcards.experiment], TRAINED),
        order=TRAINED,
        code=digest("table"),
        shipped=SHIPPED,
    message:
        "Ablations of {wildcards.experiment}"
