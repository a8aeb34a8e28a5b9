import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "report_page"):
        from ham.reporting.page import write_page
        from ham.reporting.settings import ReportingSettings

        page, given = Path(snakemake.output.page), snakemake.input
        write_page(
            page.parent,
            Path(given.dataset).parent,
            [Path(path).parent for path in given.metrics],
            [Path(path) for path in given.tables if path.endswith(".csv")],
            [Path(path) for path in given.figures if path.endswith(".svg")],
            [Path(path) for path in given.galleries],
            page,
            ReportingSettings.of(snakemake.params.settings),
            Path(given.leakage),
        )
