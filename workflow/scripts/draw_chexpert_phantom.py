import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "draw_chexpert_phantom"):
        from ham.datasets.settings import PhantomSettings
        from ham.phantom.chexpert_distribution import write_folder

        folder = Path(snakemake.output[0]).parent
        write_folder(folder, PhantomSettings.of(snakemake.params.settings), snakemake.threads)
