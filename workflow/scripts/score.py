import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "score"):
        from ham.scoring.run import score
        from ham.scoring.settings import ScoringSettings

        score(
            dict(snakemake.wildcards.items()),
            Path(snakemake.input.dataset).parent,
            Path(snakemake.input.model),
            Path(snakemake.input.predictions),
            Path(snakemake.input.maps),
            settings=ScoringSettings.of(snakemake.params.settings),
            output=Path(snakemake.output.metrics).parent,
            **snakemake.params.lists,
        )
