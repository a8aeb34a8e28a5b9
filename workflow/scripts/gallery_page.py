import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "gallery_page"):
        from ham.reporting.gallery_page import write_gallery_page
        from ham.reporting.results import accepted_splits

        dataset = Path(snakemake.input.dataset).parent
        splits = accepted_splits(snakemake.params.plans, dataset)
        write_gallery_page(dataset, splits, Path(snakemake.output.page))
