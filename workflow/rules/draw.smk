# nothing -> what a user would fetch or bring; a rule for each phantom that a description may ask for

if DATASET.drawn == "phantom":

    rule draw_phantom:
        output:
            [
                f"{DRAWN}/{name}"
                for name in (*DATASET.archive_names, *DATASET.table_names, *DATASET.list_names, "SHA256SUMS")
            ],
        log:
            f"results/{CONFIG.dataset}/logs/draw_phantom.log",
        conda:
            "../../envs/environment.yaml"
        threads: 16
        resources:
            mem_mb=memory(8000),
            runtime="2h",
        params:
            settings=CONFIG.data.phantom.plain(),
            code=digest("draw_phantom"),
        message:
            "Drawing the phantom data set"
        script:
            "../scripts/draw_phantom.py"


if DATASET.drawn == "chexpert_phantom":

    # The images are no outputs: SHA256SUMS, written last, names them all.
    rule draw_chexpert_phantom:
        output:
            [f"{DRAWN}/{name}" for name in ("train.csv", "valid.csv", *DATASET.table_names, "SHA256SUMS")],
        log:
            f"results/{CONFIG.dataset}/logs/draw_chexpert_phantom.log",
        conda:
            "../../envs/environment.yaml"
        threads: 16
        resources:
            mem_mb=memory(8000),
            runtime="2h",
        params:
            settings=CONFIG.data.phantom.plain(),
            code=digest("draw_chexpert_phantom"),
        message:
            "Drawing a phantom in CheXpert's layout"
        script:
            "../scripts/draw_chexpert_phantom.py"
