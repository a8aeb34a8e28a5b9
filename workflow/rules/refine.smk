# dataset -> masks


rule refine:
    input:
        dataset=f"{FOLDER}/dataset.json",
    output:
        masks="results/{dataset}/refined.npz",
    log:
        "results/{dataset}/logs/refine.log",
    conda:
        "../../envs/environment.yaml"
    threads: 16
    resources:
        mem_mb=memory(8000),
        runtime="2h",
    params:
        settings=CONFIG.refinement.plain(),
        code=digest("refine"),
    message:
        "Refining the training boxes of {wildcards.dataset} by dense CRF"
    script:
        "../scripts/refine.py"
