# scores -> tables, pictures, report
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


rule experiment_figures:
    input:
        of_experiment(
            "metrics.json",
            "curves.json",
            "classification.csv",
            "localization.csv",
            "floors.csv",
            "history.csv",
            "resamples.npz",
        ),
    output:
        roc=report(
            "results/{dataset}/figures/{experiment}-roc.svg",
            caption="../report/roc.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "ROC"},
        ),
        t_iou=report(
            "results/{dataset}/figures/{experiment}-t-iou.svg",
            caption="../report/thresholds.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "T(IoU)"},
        ),
        t_ior=report(
            "results/{dataset}/figures/{experiment}-t-ior.svg",
            caption="../report/thresholds.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "T(IoR)"},
        ),
        precision_recall=report(
            "results/{dataset}/figures/{experiment}-precision-recall.svg",
            caption="../report/precision_recall.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "precision and recall"},
        ),
        iou=report(
            "results/{dataset}/figures/{experiment}-iou.svg",
            caption="../report/iou.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "IoU"},
        ),
        area=report(
            "results/{dataset}/figures/{experiment}-area.svg",
            caption="../report/area.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "box area and IoU"},
        ),
        co_occurrence=report(
            "results/{dataset}/figures/{experiment}-co-occurrence.svg",
            caption="../report/co_occurrence.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "co-occurrence"},
        ),
        training=report(
            "results/{dataset}/figures/{experiment}-training.svg",
            caption="../report/training.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "training"},
        ),
        calibration=report(
            "results/{dataset}/figures/{experiment}-calibration.svg",
            caption="../report/calibration.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "calibration"},
        ),
        png=[
            f"results/{{dataset}}/figures/{{experiment}}-{figure}.png"
            for figure in FIGURES
            if figure not in ("differences", "subgroups", "leakage")
        ],
    log:
        "results/{dataset}/logs/figures/{experiment}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="1h",
    params:
        settings=CONFIG.reporting.plain(),
        plans=lambda wildcards: result_plans(CONFIG, [wildcards.experiment], CONFIG.variants),
        order=list(CONFIG.variants),
        code=digest("figures"),
        shipped=SHIPPED,
    message:
        "Figures of {wildcards.experiment}"
    script:
        "../scripts/experiment_figures.py"


rule differences_figure:
    input:
        csv="results/{dataset}/tables/differences/{experiment}.csv",
    output:
        svg=report(
            "results/{dataset}/figures/{experiment}-differences.svg",
            caption="../report/differences.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "paired differences"},
        ),
        png="results/{dataset}/figures/{experiment}-differences.png",
    log:
        "results/{dataset}/logs/figures/{experiment}-differences.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="1h",
    params:
        settings=CONFIG.reporting.plain(),
        code=digest("differences_figure"),
    message:
        "Paired differences of {wildcards.experiment}"
    script:
        "../scripts/differences_figure.py"


rule leakage_figure:
    input:
        csv="results/{dataset}/tables/leakage/{experiment}.csv",
    output:
        svg=report(
            "results/{dataset}/figures/{experiment}-leakage.svg",
            caption="../report/leakage.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "leakage"},
        ),
        png="results/{dataset}/figures/{experiment}-leakage.png",
    log:
        "results/{dataset}/logs/figures/{experiment}-leakage.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="1h",
    params:
        code=digest("leakage_figure"),
    message:
        "What was seen of the test before, {wildcards.experiment}"
    script:
        "../scripts/leakage_figure.py"


rule subgroups_figure:
    input:
        table="results/{dataset}/tables/{experiment}.csv",
        subgroups="results/{dataset}/tables/subgroups/{experiment}.csv",
    output:
        svg=report(
            "results/{dataset}/figures/{experiment}-subgroups.svg",
            caption="../report/subgroups.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "subgroups"},
        ),
        png="results/{dataset}/figures/{experiment}-subgroups.png",
    log:
        "results/{dataset}/logs/figures/{experiment}-subgroups.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="1h",
    params:
        settings=CONFIG.reporting.plain(),
        code=digest("subgroups_figure"),
    message:
        "Subgroups of {wildcards.experiment}"
    script:
        "../scripts/subgroups_figure.py"


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


use rule differences_figure as ablation_figure with:
    input:
        csv="results/{dataset}/tables/ablations/differences/{experiment}.csv",
    output:
        svg="results/{dataset}/figures/ablations/{experiment}-differences.svg",
        png="results/{dataset}/figures/ablations/{experiment}-differences.png",
    log:
        "results/{dataset}/logs/figures/ablations/{experiment}-differences.log",
    message:
        "Paired differences of the ablations of {wildcards.experiment}"


rule experiment_gallery:
    input:
        of_variant("metrics.json", "run.json", "localization.csv", "maps.npz"),
        dataset=f"{FOLDER}/dataset.json",
    output:
        sheet=report(
            "results/{dataset}/gallery/{experiment}/{variant}.png",
            caption="../report/gallery.rst",
            category="Attention maps",
            labels={"experiment": "{experiment}", "variant": "{variant}"},
        ),
    log:
        "results/{dataset}/logs/gallery/{experiment}-{variant}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(8000),
        runtime="1h",
    params:
        settings=CONFIG.reporting.plain(),
        plans=lambda wildcards: result_plans(CONFIG, [wildcards.experiment], [wildcards.variant]),
        code=digest("gallery"),
    message:
        "Attention maps of {wildcards.experiment}, {wildcards.variant}"
    script:
        "../scripts/experiment_gallery.py"


rule gallery_page:
    input:
        of_variant("metrics.json", "run.json", "localization.csv", "maps.npz"),
        dataset=f"{FOLDER}/dataset.json",
    output:
        page="results/{dataset}/gallery/{experiment}/{variant}/index.html",
        pictures=directory("results/{dataset}/gallery/{experiment}/{variant}/pictures"),
    log:
        "results/{dataset}/logs/gallery/{experiment}-{variant}-page.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="2h",
    params:
        plans=lambda wildcards: result_plans(CONFIG, [wildcards.experiment], [wildcards.variant]),
        code=digest("gallery_page"),
        shipped=SHIPPED,
    message:
        "Every test pair of {wildcards.experiment}, {wildcards.variant}"
    script:
        "../scripts/gallery_page.py"


rule model_card:
    input:
        of_split("metrics.json", "run.json", "localization.csv"),
        weights=f"{SPLIT}/model.safetensors",
        dataset=f"{FOLDER}/dataset.json",
        leakage="results/{dataset}/tables/leakage/{experiment}.csv",
    output:
        card="results/{dataset}/cards/{experiment}/{variant}/{split}.md",
    log:
        "results/{dataset}/logs/cards/{experiment}-{variant}-{split}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="1h",
    params:
        settings=CONFIG.reporting.plain(),
        plans=lambda wildcards: {SPLIT.format(**wildcards): result_plan(CONFIG, *wildcards[1:])},
        code=digest("model_card"),
    message:
        "Model card of {wildcards.experiment}, {wildcards.variant}, {wildcards.split}"
    script:
        "../scripts/model_card.py"


rule report_page:
    input:
        dataset=f"{TOLD}/dataset.json",
        restored=RECORD,
        metrics=of_splits("metrics.json"),
        runs=of_splits("run.json"),
        tables=products("tables"),
        differences=products("differences"),
        cuts=products("cuts"),
        subgroups=products("subgroups"),
        leakage=products("leakage"),
        figures=products("figures"),
        galleries=products("gallery"),
    output:
        page=report(
            "results/{dataset}/report.html",
            caption="../report/page.rst",
            category="Report",
            labels={"page": "report"},
        ),
    log:
        "results/{dataset}/logs/report_page.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="1h",
    params:
        settings=CONFIG.reporting.plain(),
        plans=result_plans(CONFIG, CONFIG.experiments, CONFIG.variants),
        order=[*CONFIG.experiments, *CONFIG.variants],
        code=digest("report_page"),
        shipped=SHIPPED,
    message:
        "Report of {wildcards.dataset}"
    script:
        "../scripts/report_page.py"


# Targets name what lies between as well: Snakemake does not ask for a deleted file whose descendants are there.
rule datasets:
    input:
        f"{FOLDER}/dataset.json",
        DATASET_FILES,
    message:
        f"The data set is in {FOLDER}; summary.csv says what there is for each part of each fold"


rule trainings:
    input:
        DATASET_FILES if CONFIG.restore is None else [],
        of_splits("run.json"),
        of_splits("model.safetensors", variants=[name for name in CONFIG.variants if name in TRAINED]),
    message:
        f"Networks are trained: model.safetensors of each split below results/{CONFIG.dataset}"


rule tables:
    input:
        BETWEEN,
        products("tables"),
        products("differences"),
        products("cuts"),
        products("subgroups"),
        products("seeds"),
        products("leakage"),
    message:
        f"Tables are in results/{CONFIG.dataset}/tables"


rule figures:
    input:
        BETWEEN,
        products("figures"),
    message:
        f"Figures are in results/{CONFIG.dataset}/figures"


rule gallery:
    input:
        BETWEEN,
        products("gallery"),
    message:
        f"Attention maps are in results/{CONFIG.dataset}/gallery"


rule cards:
    input:
        BETWEEN,
        products("cards"),
    message:
        f"A model card of each network is in results/{CONFIG.dataset}/cards"


rule report:
    input:
        BETWEEN,
        f"results/{CONFIG.dataset}/report.html",
    message:
        f"The report is results/{CONFIG.dataset}/report.html"


rule ablations:
    input:
        of_splits("metrics.json", variants=TRAINED),
        products("ablations"),
    message:
        f"Every variant is scored and compared with ham: results/{CONFIG.dataset}/tables/ablations, figures/ablations"
