import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "ham.datasets.chexpert_phantom"):
        from ham.datasets.chexpert_phantom import write_folder
        from ham.datasets.settings import PhantomSettings

        folder = Path(snakemake.output[0]).parent
        write_folder(folder, PhantomSettings.model_validate(snakemake.params.settings), snakemake.threads)
