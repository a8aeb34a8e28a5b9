import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "summarize"):
        from ham.datasets.summary import write_summary

        dataset = Path(snakemake.input.dataset).parent
        write_summary(dataset, snakemake.params.splits, Path(snakemake.output.csv))
