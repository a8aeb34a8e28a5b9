import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "table"):
        from ham.reporting.results import accepted_splits
        from ham.reporting.settings import ReportingSettings
        from ham.reporting.tables import write_tables

        splits = accepted_splits(snakemake.params.plans)  # variants in the order configured
        settings = ReportingSettings.of(snakemake.params.settings)
        write_tables(splits, Path(snakemake.output.csv), settings)
