import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    source = snakemake.params.description["source"]
    with job(snakemake, f"convert_{source}"):
        from ham.datasets.description import Description
        from ham.datasets.settings import FoldSettings

        folder = Path(snakemake.output.dataset).parent
        import_module(f"ham.datasets.sources.{source}").convert(
            folder,
            Description.of(snakemake.params.description),
            folder / ".sources",
            [Path(record) for record in snakemake.input.checks],
            snakemake.params.partial,
            snakemake.config["dataset"],
            FoldSettings.of(snakemake.params.folds),
        )
