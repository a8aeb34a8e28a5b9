import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "predict"):
        from ham.predicting.run import predict
        from ham.predicting.settings import PredictionSettings

        predict(
            Path(snakemake.input.model),
            Path(snakemake.input.dataset).parent,
            settings=PredictionSettings.of(snakemake.params.settings),
            predictions=Path(snakemake.output.predictions),
            maps=Path(snakemake.output.maps),
            gpus=snakemake.resources.gpu,
            threads=snakemake.threads,
            store=Path(snakemake.input.store) if snakemake.input.store else None,
            **snakemake.params.lists,
        )
