import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "gallery"):
        from ham.reporting.gallery import write_gallery
        from ham.reporting.results import accepted_splits
        from ham.reporting.settings import ReportingSettings

        dataset = Path(snakemake.input.dataset).parent
        splits = accepted_splits(snakemake.params.plans, dataset)
        settings = ReportingSettings.of(snakemake.params.settings)
        write_gallery(dataset, splits, Path(snakemake.output.sheet), settings)
