import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "convert_chexpert"):
        from ham.datasets.description import Description
        from ham.datasets.settings import DataSettings
        from ham.datasets.sources.chexpert import convert

        folder = Path(snakemake.output.dataset).parent
        convert(
            folder,
            Description.of(snakemake.params.description),
            folder / ".sources",
            DataSettings.of(snakemake.params.data),
            snakemake.config["dataset"],
        )
