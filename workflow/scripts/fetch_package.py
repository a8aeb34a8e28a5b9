import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake):
        from ham.packaging.restore import fetch_package
        from ham.packaging.settings import RestoreSettings

        fetch_package(RestoreSettings.of(snakemake.params.settings), Path(snakemake.output[0]))
