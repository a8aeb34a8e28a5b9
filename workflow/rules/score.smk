# predictions -> scores


rule score:
    input:
        dataset=f"{FOLDER}/dataset.json",
        model=f"{SPLIT}/model.safetensors",
        predictions=f"{SPLIT}/predictions.csv",
        maps=f"{SPLIT}/maps.npz",
        validation=f"{SPLIT}/validation-predictions.csv",
    output:
        metrics=f"{SPLIT}/metrics.json",
        classification=f"{SPLIT}/classification.csv",
        localization=f"{SPLIT}/localization.csv",
        floors=f"{SPLIT}/floors.csv",
        cuts=f"{SPLIT}/cuts.csv",
        curves=f"{SPLIT}/curves.json",
        resamples=f"{SPLIT}/resamples.npz",
    log:
        f"{SPLIT}/logs/score.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(16000),
        runtime="4h",
    params:
        settings=CONFIG.scoring.plain(),
        lists=lists("test", "test_boxes", "train_boxes", "validation"),
        seed=lambda wildcards: CONFIG.seed_of(wildcards.experiment, wildcards.variant),
        plan=lambda wildcards: result_plan(CONFIG, wildcards.experiment, wildcards.variant, wildcards.split),
        code=digest("score"),
    message:
        "Scoring {wildcards.experiment}, {wildcards.variant}, {wildcards.split}"
    script:
        "../scripts/score.py"
