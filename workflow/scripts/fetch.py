import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake):
        from ham.datasets.acquire.disk_space import need_space_for_all
        from ham.datasets.acquire.download import fetch
        from ham.datasets.acquire.mirror import fetch_texts, refuse_lacking
        from ham.datasets.description import FileEntry

        room, folder = snakemake.params.get("room"), snakemake.params.get("folder")
        drawn = str(snakemake.input[0]).split("/.drawn/")[0] + "/.drawn" if snakemake.input else None
        mirror = drawn or snakemake.params.mirror
        entries = [FileEntry.of(given) for given in snakemake.params.entries]
        targets = [Path(target) for target in snakemake.output]
        if room:
            archives = [FileEntry.of(given) for given in room["archives"]]
            refuse_lacking(archives, mirror)
            need_space_for_all(targets[0].parents[1], archives, mirror, room["keep"])
            fetch(entries[0], targets[0], mirror)
        else:
            fetch_texts(entries, targets, mirror, folder)
