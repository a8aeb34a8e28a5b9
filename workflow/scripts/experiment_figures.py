import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "figures"):
        from ham.reporting.experiment_figures import write_figures
        from ham.reporting.results import accepted_splits
        from ham.reporting.settings import ReportingSettings

        splits = accepted_splits(snakemake.params.plans)  # variants in the order configured
        stem = Path(snakemake.output.roc).parent / snakemake.wildcards.experiment
        write_figures(splits, stem, ReportingSettings.of(snakemake.params.settings))
