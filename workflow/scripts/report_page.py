import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "report_page"):
        from ham.reporting.page import ReportFiles, write_page
        from ham.reporting.results import accepted_splits
        from ham.reporting.settings import ReportingSettings

        given = snakemake.input
        write_page(
            Path(given.dataset).parent,
            ReportFiles(
                accepted_splits(snakemake.params.plans),
                [Path(path) for path in given.tables if path.endswith(".csv")],
                [Path(path) for path in given.figures if path.endswith(".svg")],
                [Path(path) for path in given.galleries if path.endswith(".png")],
                [Path(path) for path in given.leakage],
                [Path(path) for path in given.differences],
                [Path(path) for path in given.cuts],
                [Path(path) for path in given.subgroups],
                Path(given.restored) if given.restored else None,
            ),
            Path(snakemake.output.page),
            ReportingSettings.of(snakemake.params.settings),
        )
