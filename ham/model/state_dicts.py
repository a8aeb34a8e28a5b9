"""State dicts as the world saves them: found inside what torch or safetensors wrote, without a wrapper's prefixes.

Lightning nests them under ``state_dict`` with ``model.`` or ``net.`` before every name, DataParallel puts ``module.``
there, ``torch.compile`` ``_orig_mod.``; training loops keep them beside epoch and optimizer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ham.errors import WeightsError

log = logging.getLogger("ham")
DEEPEST = 3  # entries within entries that are searched for a state dict
WRAPPERS = ("module", "_orig_mod")  # parts that wrappers put into names, wherever they stand
SHOWN = 5


class Found(NamedTuple):
    """A state dict of a file: where in it, what was taken off its names, and its tensors under what is left."""

    entry: str
    stripped: str
    state: dict[str, Tensor]


def read_tensors(path: Path | str, wanted: Collection[str]) -> dict[str, Tensor]:
    """The tensors of a file that torch or safetensors saved, under the names of ``wanted`` as far as they are those
    but for prefixes; what was stripped is logged.

    Of several state dicts the one with most of ``wanted`` is taken; WeightsError where two have as many.
    """
    path = Path(path)
    content = load(path) if path.suffix == ".safetensors" else _unpickle(path)
    found = [_without_prefixes(entry, state, wanted) for entry, state in _states(content)]
    if not found:
        raise WeightsError(f"{path}: no state dict is in it, but {_describe(content)}; save the network's alone.")
    hits = [len(set(wanted) & one.state.keys()) for one in found]
    best = [one for one, count in zip(found, hits, strict=True) if count == max(hits)]
    if len(best) > 1:
        named = ", ".join(one.entry or "the file itself" for one in best)
        raise WeightsError(
            f"{path}: {len(best)} state dicts in it fit alike ({named}); save the one that is meant alone."
        )
    (one,) = best
    if one.entry:
        log.info("%s: the state dict is its entry %s", path, one.entry)
    if one.stripped:
        log.info("%s: %s was stripped from the names", path, one.stripped)
    return one.state


def load(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, by name; nothing else is read."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{path}: not a checkpoint that can be read ({error}); train it again or fetch it anew."
        ) from None


def describe_tensors(state: Mapping[str, Tensor]) -> str:
    """``122 tensors: conv1.weight [64, 3, 7, 7], …``."""
    first = [f"{name} {list(value.shape)}" for name, value in list(state.items())[:SHOWN]]
    return f"{len(state)} tensors: {', '.join(first)}{', …' if len(state) > SHOWN else ''}"


def undefined_tensors(state: Mapping[str, Tensor]) -> list[str]:
    """Names of those that hold nan or an infinite number."""
    return [n for n, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]


def _states(content: Any, entry: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every dict of nothing but named tensors, and its place (``checkpoint.state_dict``)."""
    if not isinstance(content, Mapping) or not content or depth > DEEPEST:
        return
    if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()):
        yield entry, dict(content)
        return
    for name, value in content.items():
        if isinstance(name, str):
            yield from _states(value, f"{entry}.{name}" if entry else name, depth + 1)


def _without_prefixes(entry: str, state: dict[str, Tensor], wanted: Collection[str]) -> Found:
    """The state under the names of ``wanted``, where parts of wrappers and one prefix before all are what differs;
    else as it is."""
    bare = {name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in state}
    parts = [part for part in WRAPPERS if any(part in name.split(".") for name in state)]
    anchor = next(iter(wanted), "")
    ends = [name for name in bare.values() if name == anchor or name.endswith(f".{anchor}")]
    for prefix in sorted({name.removesuffix(anchor) for name in ends}, key=len):
        if all(name.startswith(prefix) for name in bare.values()):
            named = {bare[name].removeprefix(prefix): value for name, value in state.items()}
            stripped = [f"{part}." for part in (*parts, prefix.rstrip(".")) if part]
            # two names that become one are two tensors of which one would be lost
            return Found(entry, " and ".join(stripped), named) if len(named) == len(state) else Found(entry, "", state)
    return Found(entry, "", state)


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        entries = [f"{name} ({type(value).__name__})" for name, value in list(content.items())[:SHOWN]]
        return f"a dict of {', '.join(entries)}" if entries else "an empty dict"
    return f"a {type(content).__name__}"


def _unpickle(path: Path) -> Any:
    """What torch saved to ``path``; tensors and plain values only, anything else is refused."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file.") from None
    except Exception as error:  # torch raises half a dozen kinds for a damaged or hostile file
        refused = re.search(r"GLOBAL (\S+) was not an allowed|[Uu]nsupported class (\S+)|function (\S+) ", str(error))
        if refused:
            what = next(filter(None, refused.groups()))
            raise WeightsError(
                f"{path}: holds more than weights: reading it would run {what}, which ham never does; if you trust the "
                "file, write its weights alone: torch.save(torch.load(file, weights_only=False)['state_dict'], new), "
                "or the entry that they are in."
            ) from None
        raise WeightsError(
            f"{path}: not a file of weights that torch can read ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:120]}); fetch it again."
        ) from None
