# dataset -> image store, where one is configured


if CONFIG.data.store:

    rule store:
        input:
            dataset=f"{FOLDER}/dataset.json",
        output:
            store=STORE,
            files=[f"{FOLDER}/store/{CONFIG.data.store}.{ending}" for ending in ("npy", "txt")],
        log:
            f"results/{CONFIG.dataset}/logs/store.log",
        conda:
            "../../envs/environment.yaml"
        threads: 16
        resources:
            mem_mb=memory(16000),
            runtime="8h",
        params:
            side=CONFIG.data.store,
            code=digest("store"),
        message:
            f"Decoding and resizing the images of {CONFIG.dataset} once"
        script:
            "../scripts/store.py"
