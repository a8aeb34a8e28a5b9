"""The command ``ham``: a verb is an argument list and one call."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ham.errors import HamError

if TYPE_CHECKING:
    from ham.config import Configuration
    from ham.datasets.description import Description

app = typer.Typer(
    help="Hierarchical attention mining. The pipeline itself is started with snakemake.",
    epilog="Exit status: 0 done; 1 a mistake that the message says how to mend; 2 wrong arguments; 3 done but for "
    "files that could not be read; 4 and 5 warnings and errors of ham doctor; 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


DEBUG = "HAM_DEBUG"
UNREADABLE = 3  # exit status: all is done but for files that could not be read


@app.callback()
def _verbs(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a mistake")] = False,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"


@app.command()
def import_weights(
    file: Annotated[Path, typer.Argument(help="checkpoint of the authors' release, as torch saved it")],
    to: Annotated[Path | None, typer.Option(help="what to write; FILE with .safetensors by default")] = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="YAML of what differs from the paper's training settings, as below training: in config.yaml"),
    ] = None,
    findings: Annotated[
        str | None, typer.Option(help="the network's outputs, joined by commas; NIH's fourteen by default")
    ] = None,
) -> None:
    """Read published weights: every key and shape is checked, nothing but tensors is unpickled.

    Example: ham import-weights fold1.pth --to fold1.safetensors
    """
    from ham.config import read_training
    from ham.model.published_weights import PUBLISHED_FINDINGS, import_weights

    named = tuple(findings.split(",")) if findings else PUBLISHED_FINDINGS
    target = to or file.with_suffix(".safetensors")
    import_weights(file, target, read_training(settings), named)
    typer.echo(f"{target}: every weight of {file} fits")


@app.command()
def export_weights(
    file: Annotated[Path, typer.Argument(help="checkpoint of ham (model.safetensors)")],
    to: Annotated[Path, typer.Argument(help="what to write, such as model.pth")],
    published: Annotated[
        bool, typer.Option("--published", help="names as in the authors' files, for their scripts: module.model.…")
    ] = False,
) -> None:
    """Write weights as a state dict that torch.load reads.

    Example: ham export-weights model.safetensors model.pth --published
    """
    from ham.model import weights

    weights.export_weights(file, to, published)
    typer.echo(f"{to}: written")


Targets = Annotated[
    list[Path] | None,
    typer.Argument(help="files or folders below results/, such as results/nih/localization-5fold; all by default"),
]
ConfigFiles = Annotated[
    list[Path] | None, typer.Option("--configfile", help="over config/config.yaml, as for snakemake; may be repeated")
]
Values = Annotated[list[str] | None, typer.Option("--config", help="key=value, as for snakemake; may be repeated")]
Directory = Annotated[Path, typer.Option(help="where results/ and datasets/ are, as for snakemake")]


@app.command()
def why(
    targets: Targets = None, configfile: ConfigFiles = None, config: Values = None, directory: Directory = Path()
) -> None:
    """Say for each training whether it stands, and which settings, code or data differ from what is asked for now.

    Example: ham why results/nih --configfile mine.yaml
    """
    from ham import upgrade

    planned, description = _planned(configfile, config)
    for line in upgrade.explain(planned, description, directory, upgrade.runs_of(planned, directory, targets or [])):
        typer.echo(line)


@app.command()
def adopt(
    targets: Annotated[
        list[Path], typer.Argument(help="files or folders below results/ whose trainings are taken over")
    ],
    configfile: ConfigFiles = None,
    config: Values = None,
    directory: Directory = Path(),
) -> None:
    """Declare that a difference of code or data does not matter: finished trainings count as trained with today's.

    Example: ham adopt results/nih/localization-5fold
    """
    from ham import upgrade

    planned, description = _planned(configfile, config)
    for line in upgrade.adopt(planned, description, directory, upgrade.runs_of(planned, directory, targets)):
        typer.echo(line)


@app.command()
def watch(results: Annotated[Path, typer.Argument(help="where results are")] = Path("results")) -> None:
    """Show all trainings, how far they are and the time left, until Ctrl-C.

    Example: ham watch
    """
    from ham.training import overview

    overview.watch(results)


@app.command()
def predict(
    images: Annotated[list[str], typer.Argument(help="files, folders, or patterns in quotes: PNG, JPEG, TIFF, DICOM")],
    model: Annotated[
        list[Path], typer.Option("--model", help="model.safetensors or a folder of them; several are an ensemble")
    ],
    out: Annotated[Path, typer.Option("--out", help="folder for predictions.csv, .json, overlays/ and index.html")],
    device: Annotated[str, typer.Option(help="as torch names it: cpu, cuda, cuda:1")] = "cpu",
    workers: Annotated[int, typer.Option(min=0, help="processes that read images beside the network; for a GPU")] = 0,
    threshold: Annotated[
        str, typer.Option(help="youden: sensitivity + specificity largest; target: sensitivity 0.9 on validation")
    ] = "youden",
    dicom_out: Annotated[
        bool, typer.Option("--dicom-out", help="of DICOM images also write a Segmentation and an overlay as DICOM")
    ] = False,
) -> None:
    """Predict your own radiographs: no labels, no data set. What was predicted before is not done again.

    Example: ham predict scans/ --model model.safetensors --out predictions
    """
    from ham.inference.model import Model
    from ham.inference.run import PredictOptions, predict_images

    opened = Model.open(model, device)
    typer.echo(opened.describe(), err=True)
    outcome = predict_images(images, opened, out, PredictOptions(workers, threshold, dicom_out))
    typer.echo(f"{out}: {outcome.predicted} images predicted, {outcome.stood} stood already")
    if outcome.unreadable:
        typer.echo(f"{len(outcome.unreadable)} files could not be read: {out / 'unreadable.csv'} says why", err=True)
        raise typer.Exit(UNREADABLE)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="model.safetensors")],
    to: Annotated[Path, typer.Option("--to", help="what to write, such as model.onnx or model.pt2")],
    form: Annotated[str, typer.Option("--format", help="onnx or torch-export")] = "onnx",
) -> None:
    """Write a model as a program for other runtimes, checked against the original.

    Example: ham export model.safetensors --to model.onnx --format onnx
    """
    from ham.inference.export import export_model

    export_model(file, to, form)
    typer.echo(f"{to}: written, and equal to {file} to 1e-4")


@app.command()
def publish(
    models: Annotated[list[Path], typer.Argument(help="model.safetensors, several, or a folder of them")],
    to: Annotated[Path, typer.Option("--to", help="a new folder")],
) -> None:
    """Write a folder ready for a model hub: weights, card, config.json and an example. Nothing is uploaded.

    Example: ham publish results/nih/localization-5fold/ham --to hub
    """
    from ham.inference import publish as publishing

    publishing.publish(models, to)
    typer.echo(f"{to}: written; ham.load({str(to)!r}) opens it")


@app.command()
def doctor(
    configfile: ConfigFiles = None,
    config: Values = None,
    directory: Directory = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Look whether this machine can do what is asked of it. Exit status 4: warnings; 5: errors.

    Example: ham doctor --configfile config/demo.yaml
    """
    from ham import doctor as looking

    findings = looking.examine(*_planned(configfile, config), directory)
    if as_json:
        typer.echo(looking.as_json(findings))
    else:
        for finding in findings:
            typer.echo(f"{finding.level:8} {finding.what}: {finding.found}")
            if finding.do:
                typer.echo(f"{'':8}   -> {finding.do}")
    raise typer.Exit(looking.STATUS[looking.worst(findings)])


@app.command()
def evaluate(
    maps: Annotated[
        list[Path], typer.Option(help="folder of maps with a maps.yaml (docs/benchmark.md); may be repeated")
    ],
    dataset: Annotated[Path, typer.Option(help="data set that the maps are of, such as datasets/NIH")],
    out: Annotated[Path, typer.Option(help="folder to write tables and leaderboard.html into")],
    truth: Annotated[
        list[str] | None,
        typer.Option(help="nih-boxes, chestx-det, rsna, google-four, google-all, or FILE.yaml; may be repeated"),
    ] = None,
    probabilities: Annotated[Path | None, typer.Option(help="CSV: image, a column a finding")] = None,
    cut: Annotated[str, typer.Option(help="published, held-out or oracle (not a result)")] = "published",
    protocol: Annotated[
        Path | None, typer.Option(help="YAML of what differs: images, size, truth_files, scoring (docs/benchmark.md)")
    ] = None,
) -> None:
    """Score maps of any method against the boxes and labels of any expert, beside maps that never look at the image.

    Example: ham evaluate --maps my-maps --dataset datasets/NIHChestXray14 --truth nih-boxes --out evaluated
    """
    from ham.reporting.leaderboard import evaluate_and_show
    from ham.scoring.benchmark.run import Request, choose_cut, find_truth
    from ham.scoring.benchmark.settings import Protocol

    found = tuple(find_truth(name) for name in truth or ["nih-boxes"])
    request = Request(dataset, tuple(maps), found, probabilities, choose_cut(cut), Protocol.read(protocol))
    evaluate_and_show(request, out)
    typer.echo(f"{out / 'leaderboard.html'}: written")


def _planned(files: list[Path] | None, values: list[str] | None) -> tuple[Configuration, Description]:
    from ham import dataset_fit, precedence

    given = precedence.layers(files or [], precedence.read_values(values or []))
    return dataset_fit.planned(precedence.composed(given), precedence.DESCRIPTIONS)


def main() -> None:
    """Run a verb; a mistake that the user can mend is one sentence, and a mistake of ours one that asks for a report;
    both without a traceback unless asked for."""
    try:
        app()
    except BrokenPipeError:  # of ham … | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        said = str(error)
        if not isinstance(error, HamError):
            what = f"{type(error).__name__} ({' '.join(said.split())[:200]})"
            said = f"unexpected {what}: run it again with ham --debug, and report what it shows."
        typer.echo(f"ham: {said}", err=True)
        sys.exit(1)
