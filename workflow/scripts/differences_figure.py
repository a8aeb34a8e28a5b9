import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "differences_figure"):
        from ham.reporting.forest import write_forest
        from ham.reporting.settings import ReportingSettings

        stem = Path(snakemake.output.svg).with_suffix("")
        write_forest(Path(snakemake.input.csv), stem, ReportingSettings.of(snakemake.params.settings))
