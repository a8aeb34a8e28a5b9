import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake):
        from ham.datasets.acquire.unpack import unpack

        record = Path(snakemake.output.record)
        unpack(Path(snakemake.input.archive), record.parents[1] / "images", record, snakemake.params.images)
