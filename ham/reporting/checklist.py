"""Reporting checklists, filled in where the run knows: items in checklist.csv, by number and in words of our own."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ham.errors import DataError
from ham.reporting.results import SplitResult

ITEMS = Path(__file__).with_name("checklist.csv")


class Place(NamedTuple):
    """Where in the page an item is answered: the id of a section, and what stands there."""

    anchor: str
    text: str


class Item(NamedTuple):
    """One item of a checklist; without a place it is to be written by a person."""

    number: str
    about: str
    place: Place | None


class Checklist(NamedTuple):
    """A checklist with its items in order."""

    name: str
    items: list[Item]

    @property
    def filled(self) -> int:
        """Items that the run answers."""
        return sum(item.place is not None for item in self.items)


def fill_in(places: Mapping[str, Place], path: Path = ITEMS) -> list[Checklist]:
    """The checklists of the file, each item with its place where :func:`find_places` found it."""
    lists: dict[str, list[Item]] = {}
    try:
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, strict=True):
                item = Item(row["item"], row["about"], places.get(row["place"]))
                lists.setdefault(row["checklist"], []).append(item)
    except (OSError, KeyError, csv.Error) as problem:
        raise DataError(f"{path} cannot be read ({problem}): take it from the checkout.") from None
    return [Checklist(name, items) for name, items in lists.items()]


def find_places(
    results: Sequence[SplitResult],
    info: Mapping[str, Any],
    experiments: Sequence[Mapping[str, Any]],
    audited: bool,
    limited: bool,
) -> dict[str, Place]:
    """What the page really answers, by the names in the column ``place`` of checklist.csv.

    ``info`` is dataset.json, ``experiments`` what the page shows of each: name, tables, galleries, settings, caveats;
    ``audited`` and ``limited`` say whether it counts what training has seen, and names limits.
    """
    runs = [result.run for result in results if result.run]
    found = {
        **_of_data(info),
        **_of_numbers(results, experiments),
        "leakage": Place("seen", "images and patients that training and validation share with the test")
        if audited
        else None,
        "limits": Place("glance", "what limits these numbers") if limited else None,
        "measures": Place("reading", "what each measure is, and over what it is a mean"),
        "versions": _if(any(run.get("versions") for run in runs), "runs", "versions of all trainings"),
        "code": _if(
            any((run.get("git") or {}).get("commit") for run in runs), "runs", "commit of the code; licence MIT"
        ),
        "checkpoint": _at(experiments, "caveats", "which epoch is tested, and what chose it"),
        "settings": _at(
            experiments, "settings", "all settings of network, input and training, under Training settings"
        ),
        "maps": _at(experiments, "galleries", "attention maps, and how far their regions meet the boxes"),
        "gallery": _at(experiments, "galleries", "examples from good to poor, at even steps of the ranking"),
        "pretrained": _at(
            [e for e in experiments if any(name == "network.pretrained" for name, _ in e["settings"])],
            "settings",
            "network.pretrained, under Training settings",
        ),
    }
    return {name: place for name, place in found.items() if place is not None}


def _of_data(info: Mapping[str, Any]) -> dict[str, Place | None]:
    return {
        "sources": _if(
            bool(info.get("attribution")), "data", "attribution, licence, files with versions and checksums"
        ),
        "present": _if(bool(info.get("counts")), "data", "images, patients and boxes that were there"),
        "missing": _if(
            bool(info.get("lists")), "data", "images absent from each list; they are left out of all numbers"
        ),
        "agreement": _if(info.get("published") == "nih", "reading", "two readers' boxes compared, under Ceiling"),
    }


def _of_numbers(results: Sequence[SplitResult], experiments: Sequence[Mapping[str, Any]]) -> dict[str, Place | None]:
    resampled = any("resamples" in result.metrics for result in results)
    chosen = [result for result in results if "thresholds" in (result.metrics.get("operating_points") or {})]
    counts = sorted(
        {f"{result.metrics['resamples']['count']:,}" for result in results if "resamples" in result.metrics}
    )
    folder = f"results/{results[0].dataset}/" if results else ""
    return {
        "single": _if(bool(results), "glance", "none: every number is of networks by themselves"),
        "internal": _if(
            any(result.run for result in results), "glance", "all test images, of the same source as training"
        ),
        "performance": _if(bool(results), "glance", f"every variant of each experiment; all numbers: {folder}tables/"),
        "intervals": _if(resampled, "reading", f"95 % intervals from {' or '.join(counts)} resamples of the patients"),
        "thresholds": _if(
            bool(chosen),
            f"experiment-{chosen[0].experiment}" if chosen else "",
            "probabilities; thresholds chosen on validation images, under Operating points",
        ),
        "robustness": _titled(experiments, "The same maps cut elsewhere"),
        "subgroups": _titled(experiments, "Subgroups"),
        "counts": _if(any(result.counts.get("findings") for result in results), "glance", "images and pairs tested"),
        "predictions": _if(bool(results), "reading", f"{folder}<experiment>/<variant>/<split>/predictions.csv"),
        "card": _if(
            bool(results) and all((result.folder / "model.safetensors").exists() for result in results),
            "runs",
            f"{folder}<experiment>/<variant>/<split>/model.safetensors holds weights and settings",
        ),
    }


def _if(known: bool, anchor: str, text: str) -> Place | None:
    return Place(anchor, text) if known else None


def _at(experiments: Sequence[Mapping[str, Any]], key: str, text: str) -> Place | None:
    """The first experiment that shows something under ``key``."""
    names = [experiment["name"] for experiment in experiments if experiment[key]]
    return Place(f"experiment-{names[0]}", text) if names else None


def _titled(experiments: Sequence[Mapping[str, Any]], title: str) -> Place | None:
    """The first experiment with a table of this title."""
    names = [e["name"] for e in experiments if any(table["title"] == title for table in e["all"])]
    return Place(f"experiment-{names[0]}", f"table: {title}") if names else None
