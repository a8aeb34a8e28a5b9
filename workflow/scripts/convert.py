import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, f"convert_{snakemake.params.description['source']}"):
        from ham.datasets.acquire.download import verify_linked
        from ham.datasets.description import Description
        from ham.datasets.settings import DataSettings
        from ham.datasets.sources.conversion import ConversionRequest, convert

        folder = Path(snakemake.output.dataset).parent
        description = Description.of(snakemake.params.description)
        for name in (*description.table_names, *description.list_names):
            verify_linked(description.file(name), folder / ".sources" / name)
        convert(
            ConversionRequest(
                folder=folder,
                key=snakemake.config["dataset"],
                description=description,
                data=DataSettings.of(snakemake.params.data),
                fetched=folder / ".sources",
                checks=tuple(map(Path, snakemake.input.checks)),
            )
        )
