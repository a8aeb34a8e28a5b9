# what a user asks for by name


# Targets name what lies between as well: Snakemake does not ask for a deleted file whose descendants are there.
rule datasets:
    input:
        f"{FOLDER}/dataset.json",
        DATASET_FILES,
    message:
        f"The data set is in {FOLDER}; summary.csv says what there is for each part of each fold"


rule trainings:
    input:
        DATASET_FILES if CONFIG.restore is None else [],
        of_splits("run.json"),
        of_splits("model.safetensors", variants=[name for name in CONFIG.variants if name in TRAINED]),
    message:
        f"Networks are trained: model.safetensors of each split below results/{CONFIG.dataset}"


rule tables:
    input:
        BETWEEN,
        products("tables"),
        products("differences"),
        products("cuts"),
        products("subgroups"),
        products("seeds"),
        products("leakage"),
    message:
        f"Tables are in results/{CONFIG.dataset}/tables"


rule figures:
    input:
        BETWEEN,
        products("figures"),
    message:
        f"Figures are in results/{CONFIG.dataset}/figures"


rule gallery:
    input:
        BETWEEN,
        products("gallery"),
    message:
        f"Attention maps are in results/{CONFIG.dataset}/gallery"


rule cards:
    input:
        BETWEEN,
        products("cards"),
    message:
        f"A model card of each network is in results/{CONFIG.dataset}/cards"


rule report:
    input:
        BETWEEN,
        f"results/{CONFIG.dataset}/report.html",
    message:
        f"The report is results/{CONFIG.dataset}/report.html"


rule ablations:
    input:
        of_splits("metrics.json", variants=TRAINED),
        products("ablations"),
    message:
        f"Every variant is scored and compared with ham: results/{CONFIG.dataset}/tables/ablations, figures/ablations"
