import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "table"):
        from ham.reporting.results import refuse_other_plans
        from ham.reporting.settings import ReportingSettings
        from ham.reporting.tables import write_tables

        splits = [Path(path).parent for path in snakemake.input]  # variants in the order configured
        settings = ReportingSettings.of(snakemake.params.settings)
        refuse_other_plans(snakemake.params.plans)
        write_tables(splits, Path(snakemake.output.csv), settings)
