import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "exchange"):
        from ham.reporting.results import accepted_splits
        from ham.scoring.exchange import write_exchange
        from ham.scoring.settings import ScoringSettings

        dataset = Path(snakemake.input.dataset).parent
        splits = accepted_splits(snakemake.params.plans, dataset)
        settings = ScoringSettings.of(snakemake.params.settings)
        write_exchange(dataset, splits, Path(snakemake.output[0]).parent, settings)
