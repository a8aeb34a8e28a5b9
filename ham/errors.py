"""What can go wrong in a way the user can act on, one class a kind.

Each is raised with one sentence: what is wrong, where (file, row, key) and what to do. Scripts and the command line
print that sentence alone; any other exception is a mistake of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class HamError(Exception):
    """A problem that the user can mend."""


class SettingsError(HamError):
    """A key, type or value in a configuration file or data set description."""


class DataError(HamError):
    """A table, list, image or box that is not what it should be."""


class DownloadError(HamError):
    """A file that could not be had, or is not the file that was promised."""


class WeightsError(HamError):
    """A checkpoint that is missing, damaged or made for another network."""


class ResumeError(HamError):
    """Training state that belongs to another run, or is in use by one."""


class EnvironmentProblem(HamError):  # noqa: N818 (EnvironmentError is a built-in name)
    """A package, device or file system that lacks what the work needs."""


def list_some(names: Sequence[str], most: int = 10) -> str:
    """``names`` for a message: all of them, or the first and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
