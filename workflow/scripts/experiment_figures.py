import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "figures"):
        from ham.reporting.experiment_figures import write_figures
        from ham.reporting.results import refuse_other_plans
        from ham.reporting.settings import ReportingSettings

        refuse_other_plans(snakemake.params.plans)
        splits = list(dict.fromkeys(Path(path).parent for path in snakemake.input))  # variants in the order configured
        stem = Path(snakemake.output.roc).parent / snakemake.wildcards.experiment
        write_figures(splits, stem, ReportingSettings.of(snakemake.params.settings))
