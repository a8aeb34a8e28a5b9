"""Mutation score: single changes to the code that decides numbers, and whether a test sees them (``make mutants``).

    python tests/mutants.py [--count 20] [--seed 0] [module …]

A change is a comparison, an arithmetic or logical operator, a ``not``, a sign, a number plus one, True for False, or an
``if`` turned round. Each mutant is a fork in which the module is imported with the change, so no file is touched and
torch is imported once; tests that start processes of their own do not see it. Text for people, annotations and defaults
of settings are left alone.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 300  # seconds a mutant may take; one that never ends is seen

# module, and what should see a change of it: arguments of pytest
SEEN_BY: dict[str, list[str]] = {
    "ham.boxes": ["tests/test_boxes.py"],
    "ham.samples": ["tests/test_samples.py"],
    "ham.model.network": ["tests/model/test_network.py", "-k", "resnet18 or resnet50-8 or plain or not forward"],
    "ham.model.losses": ["tests/model/test_losses.py"],
    "ham.model.maps": ["tests/model/test_metrics.py", "tests/model/test_maps.py", "tests/training/test_validation.py"],
    "ham.model.metrics": ["tests/model/test_metrics.py", "tests/training/test_validation.py"],
    "ham.training.schedule": ["tests/training/test_step.py", "tests/training/test_trajectories.py", "-k", "not four"],
    "ham.training.step": [
        "tests/training/test_step.py",
        "tests/training/test_trajectories.py",
        "-k",
        "not four or adam",
    ],
    "ham.scoring.floors": ["tests/scoring/test_floors.py", "tests/frozen"],
    "ham.scoring.intervals": ["tests/scoring/test_intervals.py"],
    "ham.reporting.differences": ["tests/reporting/test_differences.py"],
    "ham.datasets.splits": ["tests/datasets/test_splits.py"],
}

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
Path_ = tuple[tuple[str, int | None], ...]  # from the root of a tree to a node: field, and place where it is a list


def children(node: ast.AST, path: Path_ = ()) -> Iterator[tuple[ast.AST, Path_]]:
    """Every node that computes, with the way to it."""
    yield node, path
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for place, item in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(item, ast.AST) and not isinstance(
                item, ast.Raise | ast.JoinedStr | ast.ImportFrom | ast.Assert
            ):
                yield from children(item, (*path, (name, place)))


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """The node with one thing otherwise."""
    other = copy.deepcopy(node)
    if isinstance(other, ast.Compare):
        for place, operator in enumerate(other.ops):
            if type(operator) in SWAPS:
                changed = copy.deepcopy(other)
                changed.ops[place] = SWAPS[type(operator)]()  # type: ignore[call-overload]
                yield changed
    elif isinstance(other, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(other.op) in SWAPS:
        of_types = isinstance(other, ast.BinOp) and isinstance(other.left, ast.Name) and other.left.id[:1].isupper()
        if of_types and isinstance(other.op, ast.BitOr):
            return
        other.op = SWAPS[type(other.op)]()  # type: ignore[assignment]
        yield other
    elif isinstance(other, ast.UnaryOp) and isinstance(other.op, ast.Not | ast.USub | ast.Invert):
        yield other.operand
    elif isinstance(other, ast.Constant) and isinstance(other.value, bool):
        other.value = not other.value
        yield other
    elif isinstance(other, ast.Constant) and isinstance(other.value, int | float):
        other.value += 1
        yield other
    elif isinstance(other, ast.If | ast.IfExp):
        other.test = ast.UnaryOp(ast.Not(), other.test)
        yield other


def mutants(source: str) -> list[tuple[str, ast.Module]]:
    """All single changes of a module: what is said of each, and its syntax."""
    tree = ast.parse(source)
    found = []
    for node, path in children(tree):
        for changed in changes(node):
            copied: ast.Module = copy.deepcopy(tree)
            parent: ast.AST = copied
            for name, place in path[:-1]:
                value = getattr(parent, name)
                parent = value if place is None else value[place]
            name, place = path[-1]
            if place is None:
                setattr(parent, name, changed)
            else:
                getattr(parent, name)[place] = changed
            shown = [ast.unparse(item).splitlines()[0] for item in (node, changed)]
            found.append(
                (f"{getattr(node, 'lineno', 0)}: {shown[0]}  ->  {shown[1]}", ast.fix_missing_locations(copied))
            )
    return found


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports ``module`` with another syntax."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.module, self.tree = module, tree

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self, origin=str(file_of(name))) if name == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(file_of(self.module))
        exec(compile(self.tree, module.__file__, "exec"), module.__dict__)


def file_of(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def is_seen(module: str, tree: ast.Module | None, words: list[str]) -> bool:
    """Whether the tests fail with this change (None: without one), in a fork."""
    child = os.fork()
    if child == 0:
        import pytest

        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        if tree is not None:
            sys.meta_path.insert(0, Changed(module, tree))
        try:
            status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *words])
        except BaseException:
            status = 1
        os._exit(int(status))
    started = time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        if time.monotonic() - started > LIMIT:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return True
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=list(SEEN_BY), help="all by default")
    parser.add_argument("--count", type=int, help="mutants a module, drawn; all by default")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import hypothesis  # noqa: F401  (what takes long to import, once for all forks)
    import pandas  # noqa: F401
    import scipy.ndimage  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import torch
    import torchvision  # noqa: F401

    torch.set_num_threads(1)
    for module in given.modules:
        words = SEEN_BY[module]
        if is_seen(module, None, words):
            sys.exit(f"{module}: its tests fail without a change: {' '.join(words)}")
        every = mutants(file_of(module).read_text(encoding="utf-8"))
        drawn = every if given.count is None else random.Random(given.seed).sample(every, min(given.count, len(every)))
        survived = []
        for number, (said, tree) in enumerate(drawn, 1):
            if not is_seen(module, tree, words):
                survived.append(said)
            print(
                f"{module}: {number} of {len(drawn)}, {len(survived)} survived", end="\r", file=sys.stderr, flush=True
            )
        print(f"{module}: {len(drawn)} of {len(every)} mutants, {len(drawn) - len(survived)} killed", flush=True)
        for said in survived:
            print(f"  survived  {module}:{said}", flush=True)


if __name__ == "__main__":
    main()
