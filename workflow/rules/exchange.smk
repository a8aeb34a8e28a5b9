# scores -> forms that other people's programs read


rule exchange_files:
    input:
        of_variant("metrics.json", "predictions.csv", "localization.csv", "maps.npz"),
        dataset=f"{TOLD if DATASET.redistributable else FOLDER}/dataset.json",
    output:
        files=[f"results/{{dataset}}/exchange/{{experiment}}/{{variant}}/{file}" for file in EXCHANGED],
    log:
        "results/{dataset}/logs/exchange/{experiment}-{variant}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="4h",
    params:
        settings=CONFIG.scoring.plain(),
        plans=lambda wildcards: result_plans(CONFIG, [wildcards.experiment], [wildcards.variant]),
        code=digest("exchange"),
    message:
        "Files for other programs of {wildcards.experiment}, {wildcards.variant}"
    script:
        "../scripts/exchange_files.py"


rule exchange:
    input:
        BETWEEN,
        products("exchange"),
    message:
        f"COCO's and CheXlocalize's files are in results/{CONFIG.dataset}/exchange"
