import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "exchange"):
        from ham.reporting.results import refuse_other_plans
        from ham.scoring.exchange import write_exchange
        from ham.scoring.settings import ScoringSettings

        splits = [Path(path).parent for path in snakemake.input if path.endswith("/metrics.json")]
        settings = ScoringSettings.of(snakemake.params.settings)
        refuse_other_plans(snakemake.params.plans)
        write_exchange(Path(snakemake.input.dataset).parent, splits, Path(snakemake.output[0]).parent, settings)
