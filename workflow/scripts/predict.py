import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "predict"):
        from ham.predicting.run import PredictedImages, predict
        from ham.predicting.settings import PredictionSettings

        predict(
            Path(snakemake.input.model),
            PredictedImages(
                Path(snakemake.input.dataset).parent,
                **snakemake.params.lists,
                store=Path(snakemake.input.store) if snakemake.input.store else None,
            ),
            PredictionSettings.of(snakemake.params.settings),
            Path(snakemake.output.predictions).parent,
            gpus=snakemake.resources.gpu,
            threads=snakemake.threads,
        )
