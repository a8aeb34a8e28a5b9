import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "check_images"):
        from ham.datasets.acquire.check import check_images

        record, checks = Path(snakemake.input.record), Path(snakemake.output.checks)
        check_images(record.parents[1] / "images", record, checks, snakemake.threads)
