import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "gallery"):
        from ham.packaging.restored import refuse_other_data
        from ham.reporting.gallery import write_gallery
        from ham.reporting.results import refuse_other_plans
        from ham.reporting.settings import ReportingSettings

        splits = [Path(path).parent for path in snakemake.input if path.endswith("metrics.json")]
        settings = ReportingSettings.of(snakemake.params.settings)
        refuse_other_plans(snakemake.params.plans)
        restored = [Path(folder) for folder, plan in snakemake.params.plans.items() if plan is None]
        refuse_other_data(restored, Path(snakemake.input.dataset).parent)
        write_gallery(Path(snakemake.input.dataset).parent, splits, Path(snakemake.output.sheet), settings)
