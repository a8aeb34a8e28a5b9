# model -> predictions; nothing here knows the truth


rule predict:
    input:
        dataset=f"{FOLDER}/dataset.json",
        store=STORE,
        model=f"{SPLIT}/model.safetensors",
    output:
        predictions=f"{SPLIT}/predictions.csv",
        maps=f"{SPLIT}/maps.npz",
        validation=f"{SPLIT}/validation-predictions.csv",
    log:
        f"{SPLIT}/logs/predict.log",
    conda:
        "../../envs/environment.yaml"
    threads: 4
    resources:
        mem_mb=memory(16000),
        runtime="8h",
        gpu=1,
    params:
        settings=CONFIG.prediction.plain(),
        lists=lists("test", "test_boxes", "validation"),
        training=lambda wildcards: training_plan(CONFIG, wildcards.experiment, wildcards.variant, wildcards.split),
        code=digest("predict"),
    message:
        "Testing {wildcards.experiment}, {wildcards.variant}, {wildcards.split}"
    script:
        "../scripts/predict.py"
