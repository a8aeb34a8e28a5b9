import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "model_card"):
        from ham.reporting.model_card import write_model_card
        from ham.reporting.results import accepted_splits
        from ham.reporting.settings import ReportingSettings

        given = snakemake.input
        (split,) = accepted_splits(snakemake.params.plans)
        write_model_card(
            Path(given.dataset).parent,
            split,
            Path(given.leakage),
            Path(snakemake.output.card),
            ReportingSettings.of(snakemake.params.settings),
        )
