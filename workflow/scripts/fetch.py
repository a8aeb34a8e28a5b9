import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake):
        from ham.datasets.acquire.disk_space import need_space_for_all
        from ham.datasets.acquire.download import fetch
        from ham.datasets.description import FileEntry

        room, folder = snakemake.params.get("room"), snakemake.params.get("folder")
        drawn = str(snakemake.input[0]).split("/.drawn/")[0] + "/.drawn" if snakemake.input else None
        mirror = drawn or snakemake.params.mirror
        if room:
            archives = [FileEntry.of(given) for given in room["archives"]]
            need_space_for_all(Path(snakemake.output[0]).parents[1], archives, mirror, room["keep"])
        for given, target in zip(snakemake.params.entries, snakemake.output, strict=True):
            fetch(FileEntry.of(given), Path(target), mirror, folder)
