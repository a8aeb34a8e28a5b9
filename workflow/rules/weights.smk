# weights trained elsewhere -> model, in place of a training


localrules:
    fetch_weights,


rule fetch_weights:
    output:
        "weights/{drive}.pth",
    log:
        f"results/{CONFIG.dataset}/logs/fetch_weights/{{drive}}.log",
    conda:
        "../../envs/environment.yaml"
    message:
        "Fetching published weights from Google Drive"
    script:
        "../scripts/fetch_weights.py"


rule import_weights:
    input:
        weights=weights_source,
        dataset=f"{FOLDER}/dataset.json",
    output:
        model=ensure(f"{SPLIT}/model.safetensors", non_empty=True),
    log:
        f"{SPLIT}/logs/import_weights.log",
    wildcard_constraints:
        variant=one_of(GIVEN),
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="1h",
    params:
        settings=training_settings,
        weights=lambda wildcards: DIGESTS.of(weights_source(wildcards)),
        code=digest("import_weights"),
    message:
        "Reading the weights of {wildcards.experiment}, {wildcards.variant}, {wildcards.split}"
    script:
        "../scripts/import_weights.py"
