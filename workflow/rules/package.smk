# results -> one archive, ready to be published


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
        request=lambda wildcards: plans.package_request(CONFIG, DATASET, shipped=DESCRIBED),
        code=digest("package"),
    message:
        f"Packing the results of {CONFIG.dataset}: results/{CONFIG.dataset}/package/{CONFIG.dataset}.zip"
    script:
        "../scripts/package.py"
