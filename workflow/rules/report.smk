# scores and tables -> what is read: a card of each network, one page of all


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
