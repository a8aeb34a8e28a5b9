import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "package"):
        from ham.packaging.archive import write_package
        from ham.packaging.contents import PackageRequest

        request = PackageRequest(**snakemake.params.request, files=tuple(snakemake.input))
        write_package(request, Path(snakemake.output.package))
