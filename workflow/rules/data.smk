# archives, or files that the user has -> dataset


# Transfers and unpacking carry no digest of their source: what they leave is verified by checksum, and a changed progress
# bar must not fetch 45 GB again.
rule fetch_archive:
    input:
        lambda wildcards: drawn(ARCHIVES[wildcards.archive]),
    output:
        archive_file(f"{SOURCES}/{{archive}}.tar.gz"),
    log:
        f"results/{CONFIG.dataset}/logs/fetch_archive/{{archive}}.log",
    conda:
        "../../envs/environment.yaml"
    params:
        entries=lambda wildcards: entries([ARCHIVES[wildcards.archive]]),
        # A function of the output is not tracked: files are verified, so another mirror must not fetch 45 GB again.
        mirror=lambda wildcards, output: CONFIG.data.mirror,
        room=lambda wildcards, output: {"archives": entries(ARCHIVES.values()), "keep": CONFIG.data.keep_archives},
    message:
        "Fetching and verifying {wildcards.archive}"
    script:
        "../scripts/fetch.py"


rule fetch_tables:
    input:
        [path for name in (*DATASET.table_names, *DATASET.list_names) for path in [drawn(name)] if path],
    output:
        [f"{SOURCES}/{name}" for name in (*DATASET.table_names, *DATASET.list_names)],
    log:
        f"results/{CONFIG.dataset}/logs/fetch_tables.log",
    conda:
        "../../envs/environment.yaml"
    params:
        entries=entries((*DATASET.table_names, *DATASET.list_names)),
        # A function of the output is not tracked: files are verified, so another mirror must not fetch 45 GB again.
        mirror=lambda wildcards, output: CONFIG.data.mirror,
        folder=lambda wildcards, output: CONFIG.data.folder,
    message:
        "Fetching and verifying tables and lists"
    script:
        "../scripts/fetch.py"


rule unpack:
    input:
        archive=f"{SOURCES}/{{archive}}.tar.gz",
    output:
        record=f"{FOLDER}/.unpacked/{{archive}}.csv",
    log:
        f"results/{CONFIG.dataset}/logs/unpack/{{archive}}.log",
    priority: 1  # before further transfers: where archives are deleted, that makes room
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(2000),
        runtime="4h",
    params:
        # A function of the output is not tracked: the archive itself decides, and is verified.
        entry=lambda wildcards, output: DATASET.file(ARCHIVES[wildcards.archive]).plain(),
        places=lambda wildcards: mirrored(ARCHIVES[wildcards.archive]),
    message:
        "Unpacking {wildcards.archive}"
    script:
        "../scripts/unpack.py"


rule link_images:
    input:
        [literal(path) for path in DATASET.own_tables[:1]],
    output:
        record=f"{FOLDER}/.unpacked/linked.csv",
    log:
        f"results/{CONFIG.dataset}/logs/link_images.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="4h",
    params:
        folder=lambda wildcards: DATASET.images or CONFIG.data.folder,
        by_path=DATASET.images is not None,
        images=lambda wildcards: DIGESTS.folder(Path(DATASET.images or CONFIG.data.folder or "").expanduser()),
    message:
        "Linking the images of {params.folder}"
    script:
        "../scripts/link_images.py"


rule check_images:
    input:
        record=f"{FOLDER}/.unpacked/{{record}}.csv",
    output:
        checks=f"{FOLDER}/.checked/{{record}}.csv",
    log:
        f"results/{CONFIG.dataset}/logs/check_images/{{record}}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 4 if ARCHIVES else 16
    resources:
        mem_mb=memory(8000),
        runtime="6h",
    params:
        code=digest("check_images"),
    message:
        "Checking the images of {wildcards.record}"
    script:
        "../scripts/check_images.py"


# validation.csv is written too and no declared output: Snakemake deletes those of a job that fails, when it is needed most.
# A folder that the user brings is no input: once converted, scores and reports can be made where it is not at hand.
rule convert:
    input:
        [literal(path) for path in DATASET.own_tables],
        sources=[f"{SOURCES}/{name}" for name in (*DATASET.table_names, *DATASET.list_names)],
        checks=[f"{FOLDER}/.checked/{record}.csv" for record in RECORDS],
        drawn=drawn("SHA256SUMS") if DATASET.brought else [],
    output:
        [
            f"{FOLDER}/{name}"
            for name in (
                "images.csv",
                "missing.csv",
                "present.csv",
                "Annotations/Tags.json",
                "Annotations/BBoxes.json",
                *plans.list_files(CONFIG, DATASET),
            )
        ],
        dataset=f"{FOLDER}/dataset.json",
    log:
        f"results/{CONFIG.dataset}/logs/convert.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(8000),
        runtime="4h",
    params:
        description=DATASET.plain(),
        data=CONFIG.data.plain_for_conversion(DATASET),
        tables=DIGESTS.of_all([*DATASET.own_tables, *brought_tables()]),
        places=mirrored(*DATASET.table_names, *DATASET.list_names),
        images=DIGESTS.folder(Path(CONFIG.data.folder).expanduser()) if DATASET.brought and CONFIG.data.folder else "",
        code=digest(f"convert_{DATASET.source}"),
    message:
        f"Converting tables and lists of {CONFIG.dataset}"
    script:
        "../scripts/convert.py"


rule summarize:
    input:
        dataset=f"{FOLDER}/dataset.json",
    output:
        csv=f"{FOLDER}/summary.csv",
    log:
        f"results/{CONFIG.dataset}/logs/summarize.log",
    priority: 2  # before the night: a fold without boxes is seen before its training
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="1h",
    params:
        splits=[
            {key: split[key] for key in ("experiment", "split", "lists")}
            for name in CONFIG.experiments
            for split in CONFIG.runs(name)
        ],
        code=digest("summarize"),
    message:
        f"Counting what {CONFIG.dataset} has for each part of each fold"
    script:
        "../scripts/summarize.py"
