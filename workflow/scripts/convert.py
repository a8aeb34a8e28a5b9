import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.jobs import job

if __name__ == "__main__":
    with job(snakemake, "ham.datasets.nih"):
        from ham.datasets.nih import convert
        from ham.datasets.settings import Description, FoldSettings

        folder = Path(snakemake.output.dataset).parent
        convert(
            folder,
            Description.model_validate(snakemake.params.description),
            folder / ".sources",
            [Path(record) for record in snakemake.input.checks],
            snakemake.params.partial,
            snakemake.config["dataset"],
            FoldSettings.model_validate(snakemake.params.folds),
        )
