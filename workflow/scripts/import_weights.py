import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "import_weights"):
        from ham.datasets.dataset import Dataset
        from ham.model.published_weights import import_weights
        from ham.training.settings import TrainingSettings

        import_weights(
            Path(snakemake.input.weights),
            Path(snakemake.output.model),
            TrainingSettings.of(snakemake.params.settings),
            Dataset.open(Path(snakemake.input.dataset).parent).findings,
        )
