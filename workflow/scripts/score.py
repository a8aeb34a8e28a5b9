import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "score"):
        from ham.scoring.run import ScoredFiles, ScoredLists, score
        from ham.scoring.settings import ScoringSettings

        given = snakemake.input
        score(
            {**dict(snakemake.wildcards.items()), **snakemake.params.seed, "plan": snakemake.params.plan},
            Path(given.dataset).parent,
            ScoredFiles(Path(given.model), Path(given.predictions), Path(given.maps), Path(given.validation)),
            ScoredLists(**snakemake.params.lists),
            ScoringSettings.of(snakemake.params.settings),
            Path(snakemake.output.metrics).parent,
        )
