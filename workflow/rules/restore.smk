# a package of results -> what training, testing and scoring would have made


# Fetched and restored files carry no digest of their source: they are verified by checksum.
if CONFIG.restore.address:

    localrules:
        fetch_package,

    rule fetch_package:
        output:
            PACKAGE,
        log:
            f"results/{CONFIG.dataset}/logs/fetch_package.log",
        conda:
            "../../envs/environment.yaml"
        params:
            settings=CONFIG.restore.plain(),
        message:
            "Fetching and verifying a package of results"
        script:
            "../scripts/fetch_package.py"


rule restore:
    input:
        package=PACKAGE if CONFIG.restore.address else literal(PACKAGE),
    output:
        [*RESTORED],
        record=RECORD,
    log:
        f"results/{CONFIG.dataset}/logs/restore.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="2h",
    params:
        settings=CONFIG.restore.plain(),
        package=CONFIG.restore.sha256 or DIGESTS.of(PACKAGE),
        request={
            "key": CONFIG.dataset,
            "files": RESTORED,
            "splits": plans.result_settings(CONFIG),
            "data": plans.data_settings(CONFIG, DATASET),
        },
    message:
        "Restoring results from a package in place of training"
    script:
        "../scripts/restore.py"
