"""Draws architecture.svg beside this file: the rooms of ham by floor, and their imports as the source has them.

    python docs/draw_architecture.py

The floors stand here; tests/test_architecture.py holds the imports to them, and the picture to the source.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from ham.runtime.provenance import imports_of, module_path  # noqa: E402

PICTURE = Path(__file__).with_name("architecture.svg")
COMMAND = "python docs/draw_architecture.py"


class Room(NamedTuple):
    """A module or package of ham: the column that it is drawn in, from the left, and what it is for."""

    column: int
    purpose: str


class Floor(NamedTuple):
    """Rooms by name; floors of one storey are drawn on one ground."""

    storey: str
    rooms: dict[str, Room]


# From the ground up: a room may import what stands below it, and its own floor. No exemptions.
FLOORS = [
    Floor(
        "the ground",
        {
            "ham.protocol": Room(0, "thresholds that two stages share"),
            "ham.boxes": Room(1, "boxes: orders, frames, masks"),
            "ham.settings": Room(2, "the base of all settings; those of the network"),
            "ham.errors": Room(3, "what can go wrong, one class a kind"),
            "ham": Room(4, "the public face; loads nothing"),
        },
    ),
    Floor("the ground", {"ham.runtime": Room(3, "files, progress, devices, jobs, digests of code")}),
    Floor("images and labels", {"ham.images": Room(2, "the one way of an image: file to network input")}),
    Floor("images and labels", {"ham.datasets": Room(2, "sources to a data set's folder, and its reader")}),
    Floor(
        "images and labels",
        {
            "ham.phantom": Room(3, "draws radiographs to try everything on"),
            "ham.refinement": Room(2, "boxes cut to edges by a dense CRF"),
        },
    ),
    Floor("images and labels", {"ham.samples": Room(2, "images, masks, augmentation as batches")}),
    Floor("the network", {"ham.model": Room(2, "network, losses, maps, metrics, weights")}),
    Floor(
        "the network",
        {
            "ham.training": Room(0, "a split's epochs, and the states it goes on from"),
            "ham.predicting": Room(1, "probabilities, maps; nothing of the truth"),
        },
    ),
    Floor(
        "results",
        {
            "ham.scoring": Room(2, "predictions beside a truth: the numbers"),
            "ham.packaging": Room(3, "results as one archive, and back from it"),
        },
    ),
    Floor("results", {"ham.reporting": Room(2, "numbers as tables, figures, galleries, a page")}),
    Floor("results", {"ham.inference": Room(5, "a user's own images: models as objects")}),
    Floor("what is asked for", {"ham.precedence": Room(4, "which file's value wins")}),
    Floor("what is asked for", {"ham.config": Room(2, "all settings together, checked at once")}),
    Floor(
        "what is asked for",
        {
            "ham.dataset_fit": Room(1, "whether it can be run on the data set named"),
            "ham.doctor": Room(0, "whether this machine can do it"),
            "ham.upgrade": Room(2, "how old trainings differ; taking them over"),
            "ham.plans": Room(3, "digests of what a plan knows of results"),
        },
    ),
    Floor("what is asked for", {"ham.cli": Room(2, "the command ham: a verb is one call")}),
]
ROOMS = {name: room for floor in FLOORS for name, room in floor.rooms.items()}

TINTS = {
    "the ground": ("#eeeeee", "#666666"),
    "images and labels": ("#e3eefa", "#2b66a5"),
    "the network": ("#e4f3e4", "#2f7a38"),
    "results": ("#fdeedd", "#a85a0a"),
    "what is asked for": ("#f0e8f7", "#71449b"),
}
LEFT, TOP, WIDE, HIGH = 150, 70, 196, 60  # margins, and the size of a room in pixels
ACROSS, DOWN = 212, 100  # from room to room
PORT, TRACK, BEND = 20, 11, 6  # between lines that leave a room, between lines in a gap; radius of a corner
LETTERS = 27  # of a purpose in a line of a room
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"


def room_of(module: str) -> str:
    """The room that a module of ham is in; LookupError where it has none."""
    found = [name for name in ROOMS if module == name or (name != "ham" and module.startswith(f"{name}."))]
    if not found:
        raise LookupError(f"{module} has no place in the house: give it one in docs/draw_architecture.py (FLOORS).")
    return found[0]


def floor_of(module: str) -> int:
    """The floor that a module is on, from 0."""
    room = room_of(module)
    return next(number for number, floor in enumerate(FLOORS) if room in floor.rooms)


def modules() -> dict[str, Path]:
    """Every module of ham and its file."""
    paths = sorted((ROOT / "ham").rglob("*.py"))
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def imports_between_rooms() -> dict[str, set[str]]:
    """Room to the rooms that its modules import. ``ham`` is left out: whoever imports anything of it imports it."""
    found: dict[str, set[str]] = {name: set() for name in ROOMS}
    for module in modules():
        found[room_of(module)].update(map(room_of, imports_of(module)))
    return {room: used - {room, "ham"} for room, used in found.items()}


def reached(room: str, imports: dict[str, set[str]]) -> set[str]:
    """All rooms that a room imports, directly or not."""
    found: set[str] = set()
    waiting = [*imports[room]]
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting.extend(imports[other])
    return found


def reduced(imports: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The imports without those that follow from others: a room's own path to the imported one is enough."""
    return [
        (room, used)
        for room, all_used in imports.items()
        for used in sorted(all_used)
        if not any(used in reached(other, imports) for other in all_used - {used})
    ]


def label(room: str) -> str:
    """``runtime/`` for a package, ``boxes.py`` for a module."""
    path = module_path(room)
    return "__init__.py" if room == "ham" else f"{path.parent.name}/" if path.name == "__init__.py" else path.name


def draw() -> str:
    """The picture, as text of SVG."""
    width, height = LEFT + 5 * ACROSS, TOP + len(FLOORS) * DOWN + 10
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}' "
            f"{FONT}>",
            f"<!-- written by {COMMAND} -->",
            "<defs><marker id='head' viewBox='0 0 10 10' refX='9' refY='5' markerWidth='8' markerHeight='8' "
            "orient='auto'><path d='M0,0 L10,5 L0,10 z' fill='#333333'/></marker></defs>",
            f"<rect width='{width}' height='{height}' fill='#ffffff'/>",
            _text(20, 30, "The house: ham/, floor by floor", 20, "#111111", "bold"),
            _text(
                20,
                53,
                "An arrow is an import: the upper room uses the lower one. Left out is what a longer way along arrows "
                "says already.",
                13,
                "#444444",
            ),
            *_storeys(width),
            *_arrows(),
            *(_room(name) for name in ROOMS),
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str, size: int, colour: str, weight: str = "normal", anchor: str = "start") -> str:
    style = f"font-size='{size}' font-weight='{weight}' fill='{colour}' text-anchor='{anchor}'"
    return f"<text x='{x:g}' y='{y:g}' {style}>{escape(text)}</text>"


def _row(room: str) -> int:
    """The row that a room is drawn in, from the top."""
    return len(FLOORS) - 1 - floor_of(room)


def _centre(room: str) -> float:
    return LEFT + ROOMS[room].column * ACROSS + ACROSS / 2 - 8


def _top(room: str) -> float:
    return TOP + _row(room) * DOWN + (DOWN - HIGH) / 2


def _storeys(width: int) -> Iterator[str]:
    """A ground for the floors of each storey, with its name at the left."""
    names = list(dict.fromkeys(floor.storey for floor in reversed(FLOORS)))
    for name in names:
        rows = [len(FLOORS) - 1 - number for number, floor in enumerate(FLOORS) if floor.storey == name]
        top, height = TOP + min(rows) * DOWN, len(rows) * DOWN
        tint, ink = TINTS[name]
        yield f"<rect x='8' y='{top + 3}' width='{width - 16}' height='{height - 6}' rx='8' fill='{tint}'/>"
        lines = textwrap.wrap(name, 11)
        for number, line in enumerate(lines):
            yield _text(20, top + height / 2 + 5 + 19 * (number - (len(lines) - 1) / 2), line, 15, ink, "bold")


def _room(name: str) -> str:
    """A room: a rectangle with its name and, in at most two lines, its purpose."""
    left, top, ink = _centre(name) - WIDE / 2, _top(name), TINTS[FLOORS[floor_of(name)].storey][1]
    lines = textwrap.wrap(ROOMS[name].purpose, LETTERS)
    if len(lines) > 2:
        raise ValueError(f"{name}: its purpose takes more than two lines of {LETTERS} letters")
    box = f"x='{left:g}' y='{top:g}' width='{WIDE}' height='{HIGH}' rx='6' fill='#ffffff' stroke='{ink}'"
    parts = [
        f"<rect {box} stroke-width='1.5'/>",
        _text(_centre(name), top + 19, label(name), 15, ink, "bold", "middle"),
    ]
    parts += [
        _text(_centre(name), top + 37 + 15 * number, line, 12, "#222222", "normal", "middle")
        for number, line in enumerate(lines)
    ]
    return "\n".join(parts)


class Line(NamedTuple):
    """An arrow: down at ``start``, across in the gap below the row ``turn``, down at the middle of ``target``."""

    source: str
    target: str
    start: float
    turn: int

    @property
    def span(self) -> tuple[float, float]:
        """Between which x it goes across."""
        end = _centre(self.target)
        return min(self.start, end), max(self.start, end)

    def meets(self, span: tuple[float, float]) -> bool:
        """Whether it would touch what goes across at ``span`` on the same track."""
        return self.span[0] <= span[1] + BEND and span[0] <= self.span[1] + BEND


def _lines() -> list[Line]:
    """The arrows with the places where they leave their rooms: the further a target, the further from the middle."""
    out = []
    for source in ROOMS:
        targets = [used for room, used in reduced(imports_between_rooms()) if room == source]
        for side in (-1, 0, 1):
            aside = [used for used in targets if _sign(ROOMS[used].column - ROOMS[source].column) == side]
            aside.sort(key=lambda used: abs(ROOMS[used].column - ROOMS[source].column))
            for number, target in enumerate(aside, 1):
                out.append(Line(source, target, _centre(source) + side * PORT * number, _turn(source, target)))
    return out


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _turn(source: str, target: str) -> int:
    """The row below which an arrow goes across, so that it meets no room; LookupError where there is no such row."""
    above, below = _row(source), _row(target)
    taken = {(_row(room), ROOMS[room].column) for room in ROOMS}
    between = range(above + 1, below)
    if above < below and not any((row, ROOMS[target].column) in taken for row in between):
        return above
    if above < below and not any((row, ROOMS[source].column) in taken for row in between):
        return below - 1
    raise LookupError(f"the arrow from {source} to {target} would cross a room: give one of them another column")


def _arrows() -> Iterator[str]:
    """Arrows that go across below one row take tracks one above the other; those to one room share theirs."""
    tracks: dict[tuple[int, str], int] = {}
    used: dict[tuple[int, int], list[tuple[float, float]]] = {}
    lines = sorted(_lines(), key=lambda line: (line.turn, line.span[0] - line.span[1], line.source, line.target))
    for line in lines:
        key = (line.turn, line.target)
        if key not in tracks and line.span[0] != line.span[1]:
            tracks[key] = next(n for n in range(9) if not any(map(line.meets, used.get((line.turn, n), []))))
        if key in tracks:
            used.setdefault((line.turn, tracks[key]), []).append(line.span)
    for line in lines:
        low = TOP + (line.turn + 1) * DOWN - (DOWN - HIGH) / 2 + 12
        yield _path(line, low + TRACK * tracks.get((line.turn, line.target), 0))


def _path(line: Line, across: float) -> str:
    start, end = (line.start, _top(line.source) + HIGH), (_centre(line.target), _top(line.target))
    way = f"M{start[0]:g},{start[1]:g}"
    if start[0] != end[0]:
        side = BEND if end[0] > start[0] else -BEND
        way += f" V{across - BEND:g} q0,{BEND} {side},{BEND} H{end[0] - side:g} q{side},0 {side},{BEND}"
    return f"<path d='{way} V{end[1]:g}' fill='none' stroke='#333333' stroke-width='1.5' marker-end='url(#head)'/>"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8", newline="\n")
    print(f"{PICTURE}: {len(ROOMS)} rooms, {len(reduced(imports_between_rooms()))} arrows")
