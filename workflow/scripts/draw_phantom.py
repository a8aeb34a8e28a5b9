import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "draw_phantom"):
        from ham.datasets.settings import PhantomSettings
        from ham.phantom.nih_distribution import write_distribution

        folder = Path(next(path for path in snakemake.output if path.endswith("SHA256SUMS"))).parent
        write_distribution(folder, PhantomSettings.of(snakemake.params.settings), snakemake.threads)
