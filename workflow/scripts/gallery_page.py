import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "gallery_page"):
        from ham.packaging.restored import refuse_other_data
        from ham.reporting.gallery_page import write_gallery_page
        from ham.reporting.results import refuse_other_plans

        refuse_other_plans(snakemake.params.plans)
        restored = [Path(folder) for folder, plan in snakemake.params.plans.items() if plan is None]
        refuse_other_data(restored, Path(snakemake.input.dataset).parent)
        splits = [Path(path).parent for path in snakemake.input if path.endswith("metrics.json")]
        write_gallery_page(Path(snakemake.input.dataset).parent, splits, Path(snakemake.output.page))
