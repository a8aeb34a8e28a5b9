import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job, log_attempt

if __name__ == "__main__":
    with job(snakemake, "train"):
        from ham.runtime.stages import code_of
        from ham.training.batches import Lists, Sources
        from ham.training.run import train
        from ham.training.settings import TrainingSettings
        from ham.training.state import Resume

        given = snakemake.input
        output = Path(snakemake.output.model).parent
        log_attempt(Resume.of_output(output).folder / "train.log")
        train(
            Sources(
                Path(given.dataset).parent,
                Lists(**snakemake.params.lists),
                refined=Path(given.refined) if given.refined else None,
                store=Path(given.store) if given.store else None,
            ),
            TrainingSettings.of(snakemake.params.settings),
            output,
            code_of("train"),
            gpus=snakemake.resources.gpu,
            threads=snakemake.threads,
            processes=snakemake.resources.get("processes", 1),
        )
