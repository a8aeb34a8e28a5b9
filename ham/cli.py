"""The command ``ham``: a verb is an argument list and one call."""

from __future__ import annotations

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
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _verbs() -> None:
    """Keeps verbs named, however few they are."""


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
    """Read published weights: every key and shape is checked, nothing but tensors is unpickled."""
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
    """Write weights as a state dict that torch.load reads."""
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
    """Say for each training whether it stands, and which settings, code or data differ from what is asked for now."""
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
    """Declare that a difference of code or data does not matter: finished trainings count as trained with today's."""
    from ham import upgrade

    planned, description = _planned(configfile, config)
    for line in upgrade.adopt(planned, description, directory, upgrade.runs_of(planned, directory, targets)):
        typer.echo(line)


@app.command()
def watch(results: Annotated[Path, typer.Argument(help="where results are")] = Path("results")) -> None:
    """Show all trainings, how far they are and the time left, until Ctrl-C."""
    from ham.training import overview

    overview.watch(results)


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
    """Score maps of any method against the boxes and labels of any expert, beside maps that never look at the image."""
    from ham.reporting.leaderboard import evaluate_and_show
    from ham.scoring.benchmark import Request, choose_cut, find_truth
    from ham.scoring.benchmark_settings import Protocol

    found = tuple(find_truth(name) for name in truth or ["nih-boxes"])
    request = Request(dataset, tuple(maps), found, probabilities, choose_cut(cut), Protocol.read(protocol))
    evaluate_and_show(request, out)
    typer.echo(f"{out / 'leaderboard.html'}: written")


def _planned(files: list[Path] | None, values: list[str] | None) -> tuple[Configuration, Description]:
    from ham import dataset_fit, precedence

    given = precedence.layers(files or [], precedence.read_values(values or []))
    return dataset_fit.planned(precedence.composed(given), precedence.DESCRIPTIONS)


def main() -> None:
    """Run a verb; a mistake that the user can mend is one sentence, without a traceback."""
    try:
        app()
    except HamError as error:
        typer.echo(f"ham: {error}", err=True)
        sys.exit(1)
