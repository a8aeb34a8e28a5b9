import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "leakage"):
        from ham.scoring.leakage import write_leakage

        write_leakage(Path(snakemake.input.dataset).parent, snakemake.params.splits, Path(snakemake.output.csv))
