"""What the figures of an experiment share: results of one experiment, rows of small panels, titles and legends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ham.errors import DataError
from ham.reporting import style
from ham.reporting.results import SplitResult, once_a_split, read_results, variants_of


def of_one_experiment(splits: Sequence[Path]) -> list[SplitResult]:
    """The results of splits; DataError where they are of several experiments."""
    results = read_results(splits)
    names = {result.experiment for result in results}
    if len(names) != 1:
        raise DataError(f"A figure is of one experiment, not of {len(names)}: {', '.join(sorted(names))}.")
    return results


def count_pairs(results: Sequence[SplitResult], finding: str) -> int:
    """Tested pairs of a finding, those of each split once."""
    return sum(int((result.localization["finding"] == finding).sum()) for result in once_a_split(results))


def put_title(made: Figure, results: Sequence[SplitResult], what: str, about: str, images: str = "all") -> None:
    """Over a figure: what it shows of which experiment, and splits, images present, ``about``."""
    first = results[0]
    group = once_a_split(results)
    pairs = [result.images(boxes=images == "with boxes") for result in group]
    present, listed = (sum(pair[i] for pair in pairs) for i in (0, 1))
    several = f"{len(group)} splits" if len(group) > 1 else f"split {first.split}"
    kind = "test images with boxes" if images == "with boxes" else "test images"
    there = f"{present:,} of {listed:,} {kind} present" if listed and images else ""
    parts = [part for part in (several, there, about) if part]
    style.title(made, f"{what}, {first.experiment} on {first.dataset}", "; ".join(parts))


def save_panels(
    results: Sequence[SplitResult],
    names: Sequence[str],
    panel: Callable[[Axes, str, Sequence[SplitResult]], None],
    axes_names: tuple[str, str],
    said: tuple[str, str],
    output_stem: Path,
) -> None:
    """A small square panel for each of ``names``, drawn by ``panel``; ``said`` is what is shown, and about it."""
    columns = 4
    made = style.figure(1.78 * -(-len(names) // columns) + 0.75)
    axes = style.grid_of_axes(made, len(names), columns, sharex=True, sharey=True)
    for cell, name in zip(axes, names, strict=True):
        panel(cell, name, results)
        cell.set_title(style.fold(name, style.WIDTH / columns - 0.15))
    style.label_bottom(axes, columns, axes_names[0])
    made.supylabel(axes_names[1], fontsize=7.5, color=style.INK)
    put_title(made, results, *said)
    variant_legend(made, results)
    style.save(made, output_stem)


def variant_legend(made: Figure, results: Sequence[SplitResult], others: Sequence[Line2D] = ()) -> None:
    """A line for each variant, then ``others``."""
    handles = [
        Line2D([], [], color=style.series(index)[0], linestyle=style.series(index)[1], linewidth=2, label=name)
        for index, name in enumerate(_labelled_variants(results))
    ]
    style.legend(made, [*handles, *others])


def _labelled_variants(results: Sequence[SplitResult]) -> list[str]:
    """Names of the variants, with the number of their splits where they lack some."""
    splits = len({result.split for result in results})
    groups = variants_of(results).items()
    return [name if len(own) == splits else f"{name} ({len(own)} of {splits} splits)" for name, own in groups]
