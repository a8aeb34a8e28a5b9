import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake):
        from ham.datasets.acquire.google_drive import fetch

        fetch(snakemake.wildcards.drive, Path(snakemake.output[0]))
