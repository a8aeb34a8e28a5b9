import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "ham.training.loop"):
        from ham.training.loop import Lists, train
        from ham.training.settings import TrainingSettings

        train(
            Path(snakemake.input.dataset).parent,
            Lists(**snakemake.params.lists),
            TrainingSettings.of(snakemake.params.settings),
            Path(snakemake.output.model).parent,
            snakemake.params.code,
            refined=Path(snakemake.input.refined) if snakemake.input.refined else None,
            store=Path(snakemake.input.store) if snakemake.input.store else None,
            gpus=snakemake.resources.gpu,
            threads=snakemake.threads,
        )
