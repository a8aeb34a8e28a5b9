# scores and maps -> pictures of test pairs


rule experiment_gallery:
    input:
        of_variant("metrics.json", "run.json", "localization.csv", "maps.npz"),
        dataset=f"{FOLDER}/dataset.json",
    output:
        sheet=report(
            "results/{dataset}/gallery/{experiment}/{variant}.png",
            caption="../report/gallery.rst",
            category="Attention maps",
            labels={"experiment": "{experiment}", "variant": "{variant}"},
        ),
    log:
        "results/{dataset}/logs/gallery/{experiment}-{variant}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(8000),
        runtime="1h",
    params:
        settings=CONFIG.reporting.plain(),
        plans=lambda wildcards: result_plans(CONFIG, [wildcards.experiment], [wildcards.variant]),
        code=digest("gallery"),
    message:
        "Attention maps of {wildcards.experiment}, {wildcards.variant}"
    script:
        "../scripts/experiment_gallery.py"


rule gallery_page:
    input:
        of_variant("metrics.json", "run.json", "localization.csv", "maps.npz"),
        dataset=f"{FOLDER}/dataset.json",
    output:
        page="results/{dataset}/gallery/{experiment}/{variant}/index.html",
        pictures=directory("results/{dataset}/gallery/{experiment}/{variant}/pictures"),
    log:
        "results/{dataset}/logs/gallery/{experiment}-{variant}-page.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory(4000),
        runtime="2h",
    params:
        plans=lambda wildcards: result_plans(CONFIG, [wildcards.experiment], [wildcards.variant]),
        code=digest("gallery_page"),
        shipped=SHIPPED,
    message:
        "Every test pair of {wildcards.experiment}, {wildcards.variant}"
    script:
        "../scripts/gallery_page.py"
