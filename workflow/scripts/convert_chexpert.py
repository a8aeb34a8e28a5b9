import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "ham.datasets.sources.chexpert"):
        from ham.datasets.settings import DataSettings, Description
        from ham.datasets.sources.chexpert import convert

        folder = Path(snakemake.output.dataset).parent
        convert(
            folder,
            Description.model_validate(snakemake.params.description),
            folder / ".sources",
            DataSettings.model_validate(snakemake.params.data),
            snakemake.config["dataset"],
        )
