# dataset and masks -> model


rule train:
    input:
        dataset=f"{FOLDER}/dataset.json",
        refined=refined_boxes,
        store=STORE,
        pretrained=pretrained_file,
    output:
        model=ensure(f"{SPLIT}/model.safetensors", non_empty=True),
        checkpoints=[f"{SPLIT}/{name}" for name in CHECKPOINTS],
        history=f"{SPLIT}/history.csv",
        run=f"{SPLIT}/run.json",
    log:
        f"{SPLIT}/logs/train.log",
    benchmark:
        f"{SPLIT}/logs/train.tsv"
    wildcard_constraints:
        variant=one_of(TRAINED),
    conda:
        "../../envs/environment.yaml"
    threads: 4
    resources:
        mem_mb=memory(24000),
        runtime="48h",
        slurm_extra="--signal=TERM@60",  # a minute before the time is up; other executors do not look at it
        gpu=1,
    params:
        settings=training_settings,
        lists=lists("train", "train_boxes", "validation", "validation_boxes"),
        pretrained=lambda wildcards: DIGESTS.of_all([path for path in [pretrained_file(wildcards)] if path]),
        code=digest("train"),
    message:
        "Training {wildcards.experiment}, {wildcards.variant}, {wildcards.split}"
    script:
        "../scripts/train.py"
