# scores and tables -> figures


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
