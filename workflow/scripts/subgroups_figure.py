import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "subgroups_figure"):
        from ham.reporting.settings import ReportingSettings
        from ham.reporting.subgroups_figure import write_subgroups

        stem = Path(snakemake.output.svg).with_suffix("")
        settings = ReportingSettings.of(snakemake.params.settings)
        write_subgroups(Path(snakemake.input.table), Path(snakemake.input.subgroups), stem, settings)
