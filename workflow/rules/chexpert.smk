# CheXpert, as the user has it -> dataset; in place of data.smk where the description's source is chexpert

if DATASET.drawn:

    # The images are no outputs: SHA256SUMS, written last, names them all.
    rule draw_chexpert_phantom:
        output:
            [f"{DRAWN}/{name}" for name in ("train.csv", "valid.csv", *DATASET.table_names, "SHA256SUMS")],
        log:
            f"results/{CONFIG.dataset}/logs/draw_chexpert_phantom.log",
        conda:
            "../../envs/environment.yaml"
        threads: 16
        params:
            settings=CONFIG.data.phantom.plain(),
            code=digest("draw_chexpert_phantom"),
        message:
            "Drawing a phantom in CheXpert's layout"
        script:
            "../scripts/draw_chexpert_phantom.py"


if DATASET.table_names:

    rule fetch_boxes:
        input:
            [path for name in DATASET.table_names for path in [drawn(name)] if path],
        output:
            [f"{SOURCES}/{name}" for name in DATASET.table_names],
        log:
            f"results/{CONFIG.dataset}/logs/fetch_boxes.log",
        conda:
            "../../envs/environment.yaml"
        params:
            entries=entries(DATASET.table_names),
            # A function of the output is not tracked: the file is verified, whatever mirror it comes from.
            mirror=lambda wildcards, output: CONFIG.data.mirror,
        message:
            "Fetching and verifying the authors' boxes"
        script:
            "../scripts/fetch.py"


# validation.csv is written too and no declared output: Snakemake deletes those of a job that fails, when it is needed most.
# The user's files are no inputs: once converted, scores and reports can be made where the images are not at hand.
rule convert_chexpert:
    input:
        [f"{SOURCES}/{name}" for name in DATASET.table_names],
        drawn("SHA256SUMS"),
    output:
        [
            f"{FOLDER}/{name}"
            for name in (
                "images.csv",
                "missing.csv",
                "present.csv",
                "Annotations/Tags.json",
                "Annotations/BBoxes.json",
                *(f"ImageSets/{name}.txt" for name in (*DATASET.made_lists, *CONFIG.data.folds.list_names)),
            )
        ],
        dataset=f"{FOLDER}/dataset.json",
    log:
        f"results/{CONFIG.dataset}/logs/convert_chexpert.log",
    conda:
        "../../envs/environment.yaml"
    params:
        description=DATASET.plain(),
        data=CONFIG.data.model_dump(mode="json", include={"folder", "uncertain", "partial", "folds"}),
        code=digest("convert_chexpert"),
    message:
        f"Converting {CONFIG.dataset}: tables, boxes, image sizes"
    script:
        "../scripts/convert_chexpert.py"


# Not asked of a plan, which needs no file of the user.
onstart:
    if not DATASET.drawn and any(job.rule.name == "convert_chexpert" for job in workflow.dag.needrun_jobs()):
        if problem := DATASET.lacks(CONFIG.data.folder):
            raise WorkflowError(problem)
