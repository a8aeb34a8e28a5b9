import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ham.runtime.jobs import job

if __name__ == "__main__":
    with job(snakemake, "figures"):
        from ham.reporting import figures
        from ham.reporting.calibration_figure import write_calibration
        from ham.reporting.settings import ReportingSettings

        splits = [Path(path).parent for path in snakemake.input]  # variants in the order configured
        settings = ReportingSettings.of(snakemake.params.settings)
        stem = str(Path(snakemake.output.roc).parent / snakemake.wildcards.experiment)
        figures.write_roc(splits, Path(f"{stem}-roc"), settings)
        figures.write_thresholds(splits, "t_iou", Path(f"{stem}-t-iou"), settings)
        figures.write_thresholds(splits, "t_ior", Path(f"{stem}-t-ior"), settings)
        figures.write_training(splits, Path(f"{stem}-training"), settings)
        write_calibration(splits, Path(f"{stem}-calibration"))
