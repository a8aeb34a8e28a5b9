"""Shared fixtures; the folder of this file is on sys.path, so tests import ``golden``."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a data set of 40 drawn radiographs of 20 patients."""
    from small_phantom import make_phantom

    return make_phantom(tmp_path_factory.mktemp("phantom"))


def _holds_goldens(item: pytest.Item) -> bool:
    """Whether a test stands in a file that reads published numbers, and needs nothing from outside."""
    return "from golden" in item.path.read_text(encoding="utf-8") and item.get_closest_marker("sample") is None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where HAM_NO_SKIPS=1, as in ``make test``, a skipped test beside golden files is a failure: numbers that nobody
    compares are no guard."""
    report = yield
    if os.environ.get("HAM_NO_SKIPS") == "1" and report.skipped and _holds_goldens(item):
        report.outcome, reason = "failed", report.longrepr
        report.longrepr = f"{item.nodeid} was skipped, and HAM_NO_SKIPS=1 wants every golden test to run: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same of a file that is skipped as a whole."""
    report = yield
    if os.environ.get("HAM_NO_SKIPS") == "1" and report.skipped and "from golden" in collector.path.read_text("utf-8"):
        report.outcome, reason = "failed", report.longrepr
        report.longrepr = f"{collector.nodeid} was skipped, and HAM_NO_SKIPS=1 wants golden tests to run: {reason}"
    return report
