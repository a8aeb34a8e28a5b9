import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "store"):
        from ham.datasets.image_store import write_store

        write_store(
            Path(snakemake.input.dataset).parent,
            Path(snakemake.output.store),
            snakemake.params.side,
            workers=snakemake.threads,
        )
