# results -> one archive, ready to be published


def packed(wildcards):
    """Input of the package: everything that `all` makes, and the data set's lists."""
    if CONFIG.restore is not None:
        raise WorkflowError("These results were restored from a package: hand that on, it is what was published.")
    return [f"{FOLDER}/{name}" for name in plans.packaged_dataset_files(CONFIG, DATASET)]


rule package:
    input:
        rules.all.input,
        packed,
    output:
        package=f"results/{CONFIG.dataset}/package/{CONFIG.dataset}.zip",
        digest=f"results/{CONFIG.dataset}/package/{CONFIG.dataset}.zip.sha256",
    log:
        f"results/{CONFIG.dataset}/logs/package.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="2h",
    params:
        request={
            "key": CONFIG.dataset,
            "name": DATASET.name,
            "dataset_files": [f"{FOLDER}/{name}" for name in plans.packaged_dataset_files(CONFIG, DATASET)],
            "redistributable": DATASET.redistributable,
            "splits": {
                folder: {"plan": plan, "settings": plans.result_settings(CONFIG)[folder]}
                for folder, plan in result_plans(CONFIG, CONFIG.experiments, CONFIG.variants).items()
            },
            "data": plans.data_settings(CONFIG, DATASET),
            "configuration": CONFIG.plain(),
            "description": None if (ROOT / f"config/datasets/{CONFIG.dataset}.yaml").is_file() else DATASET.plain(),
            "licence": DATASET.licence,
            "attribution": DATASET.attribution,
        },
        code=digest("package"),
    message:
        f"Packing the results of {CONFIG.dataset}: results/{CONFIG.dataset}/package/{CONFIG.dataset}.zip"
    script:
        "../scripts/package.py"
