"""How figures look: colours that colour-blind readers can tell apart, and files that are equal bit for bit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ham.runtime.files import written

# Okabe and Ito's palette
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#222222",
)  # fmt: skip
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
FLOOR_LINES: dict[str, tuple[str, str]] = {
    "location-prior": ("#222222", "--"),
    "random-map": ("#777777", ":"),
    "whole-image": ("#999999", "-."),
}
Dashes = tuple[float, tuple[float, ...]]
CEILING_COLOUR = GREEN
CEILING_DASHES: Dashes = (0, (5, 2))
REACHED_DASHES: Dashes = (0, (1, 1.2))
INK, FAINT, GRID = "#222222", "#666666", "#E4E4E4"
REGION_COLOUR = "#E69F00"  # beside BOX_COLOUR, the truth's
RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.3,
    "lines.solid_capstyle": "round",
    "text.parse_math": False,  # a finding's name is text, whatever it holds
    "svg.hashsalt": "ham",  # ids that do not change from run to run
    "svg.fonttype": "path",
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
    "savefig.facecolor": "white",
}
PNG_DPI = 220
WIDTH = 6.5  # inches between the margins of a printed page: placed there, no letter is smaller than SMALLEST points
SMALLEST = 7


@contextmanager
def styled() -> Iterator[None]:
    """The style, for the figures made and saved inside."""
    with matplotlib.rc_context(RC):
        yield


def series(index: int) -> tuple[str, str]:
    """Colour and line style of the index-th line; past the palette the line style changes."""
    return SERIES[index % len(SERIES)], ("-", "--", ":", "-.")[index // len(SERIES) % 4]


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of ``width`` x ``height`` inches, drawn by Agg, outside pyplot's list of figures."""
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def grid_of_axes(made: Figure, count: int, columns: int, **options: Any) -> list[Axes]:
    """``count`` axes in rows of ``columns``; the cells left over stay empty."""
    rows = -(-count // columns)
    cells = made.subplots(rows, columns, squeeze=False, **options).ravel().tolist()
    for cell in cells[count:]:
        cell.set_axis_off()
    for index in range(max(count - columns, 0), count):
        cells[index].tick_params(labelbottom=True)
    return list(cells[:count])


def label_bottom(cells: Sequence[Axes], columns: int, text: str) -> None:
    """``text`` under the lowest of ``cells`` in each column."""
    for cell in cells[max(len(cells) - columns, 0) :]:
        cell.set_xlabel(text, fontsize=7.5)


def fold(text: str, width: float) -> str:
    """``text`` in lines of at most about ``width`` inches."""
    return textwrap.fill(text, max(int(width * 17), 1))


def title(made: Figure, what: str, about: str) -> None:
    """What a figure shows, and below it in as many lines as it takes what is to be known of it."""
    said = f"{fold(what, made.get_figwidth())}\n{fold(about, made.get_figwidth())}"
    made.suptitle(said, fontsize=8, x=0.01, ha="left")


def legend(made: Figure, handles: Sequence[Any]) -> None:
    """A legend below the figure, in as many columns as its width holds."""
    lengths = [len(str(handle.get_label())) for handle in handles]
    for columns in range(min(len(handles), 8), 0, -1):
        rows, longer = divmod(len(handles), columns)  # Matplotlib fills the first columns with one more
        ends = [rows * place + min(place, longer) for place in range(columns + 1)]
        widths = [max(lengths[start:end]) for start, end in pairwise(ends)]
        if sum(0.065 * width + 0.6 for width in widths) <= made.get_figwidth():
            break
    made.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def save(made: Figure, stem: Path) -> None:
    """Write stem.svg and stem.png; equal figures give equal bytes."""
    stem = Path(stem)
    engine = made.get_layout_engine()
    if engine is not None and made.axes:
        engine.execute(made)
        made.set_layout_engine("none")  # laid out once, not again for each format
    with written(stem.with_name(f"{stem.name}.svg")) as path:
        made.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    with written(stem.with_name(f"{stem.name}.png")) as path:
        made.savefig(path, format="png", dpi=PNG_DPI, metadata={"Software": None})


def message(made: Figure, text: str) -> None:
    """A sentence where there is nothing to draw."""
    made.text(0.5, 0.5, text, ha="center", va="center", color=FAINT, fontsize=9)


def sentence(stem: Path, text: str) -> None:
    """A figure that says why there is nothing to draw."""
    made = figure(1.2)
    made.set_layout_engine("none")
    message(made, fold(text, 5.5))
    save(made, stem)
