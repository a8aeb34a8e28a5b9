import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake):
        from ham.datasets.acquire.link_images import link_images

        record = Path(snakemake.output.record)
        given = snakemake.params
        link_images(Path(given.folder), record.parents[1] / "images", record, given.by_path)
