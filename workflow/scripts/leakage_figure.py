import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "leakage_figure"):
        from ham.reporting.leakage_figure import write_leakage

        stem = Path(snakemake.output.svg).with_suffix("")
        write_leakage(Path(snakemake.input.csv), stem)
