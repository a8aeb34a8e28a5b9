import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake):
        from ham.datasets.acquire.download import verify_linked
        from ham.datasets.acquire.unpack import unpack
        from ham.datasets.description import FileEntry

        archive, record = Path(snakemake.input.archive), Path(snakemake.output.record)
        entry = FileEntry.of(snakemake.params.entry)
        verify_linked(entry, archive)
        unpack(archive, record.parents[1] / "images", record, entry.images)
