import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.jobs import job

if __name__ == "__main__":
    with job(snakemake):
        from ham.datasets.download import fetch
        from ham.datasets.settings import FileEntry

        for given, target in zip(snakemake.params.entries, snakemake.output, strict=True):
            entry = FileEntry.model_validate(given)
            drawn = str(snakemake.input[0]).split("/.drawn/")[0] + "/.drawn" if snakemake.input else None
            fetch(entry, Path(target), drawn or snakemake.params.mirror)
