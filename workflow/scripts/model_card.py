import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "model_card"):
        from ham.reporting.model_card import write_model_card
        from ham.reporting.results import refuse_other_plans
        from ham.reporting.settings import ReportingSettings

        given = snakemake.input
        refuse_other_plans(snakemake.params.plans)
        write_model_card(
            Path(given.dataset).parent,
            Path(given.weights).parent,
            Path(given.leakage),
            Path(snakemake.output.card),
            ReportingSettings.of(snakemake.params.settings),
        )
