import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "refine"):
        from ham.refinement.crf import write_refined
        from ham.refinement.settings import RefinementSettings

        settings = RefinementSettings.of(snakemake.params.settings)
        write_refined(
            Path(snakemake.input.dataset).parent, Path(snakemake.output.masks), settings, workers=snakemake.threads
        )
