"""The register of sources: the forms that data sets come in, each converted by the module of its name in this folder.

A new source is a module here with ``convert(request)``, a line below, ``convert_<source>`` in
:mod:`ham.runtime.stages`, a description in ``config/datasets`` and its tests. Imports the standard library only,
because descriptions, and so the Snakefile, ask it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """What others must know of a source.

    ``needs`` and ``takes`` are keys of a description that it cannot do without, and that it can; any key that another
    source has and this one does not means nothing to it. ``settings`` are the keys of the configuration's ``data`` that
    its conversion reads beside ``partial`` and ``folds``. ``brought``: names in ``data.folder`` that the user brings;
    where there are some, no image is fetched, unpacked, linked or checked before the conversion. ``lists``: it makes
    Main/ and bbox/ lists of these names from its tables.
    """

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of a description that mean something to it, beside those that every description has."""
        return (*self.needs, *self.takes)


SOURCES = {
    "nih": Source(needs=("archives", "tables", "box_grid"), takes=("lists", "published_address", "drawn")),
    "chexpert": Source(
        takes=("tables", "published_address", "drawn"),
        settings=("folder", "uncertain"),
        brought=("train.csv", "valid.csv", "train", "valid"),
        lists=("train", "valid"),
    ),
    "table": Source(needs=("images", "labels"), takes=("boxes",)),
}


def meaningless_keys(name: str) -> list[str]:
    """Keys of a description that mean nothing where the source is ``name``."""
    known = dict.fromkeys(key for source in SOURCES.values() for key in source.keys)
    return [key for key in known if key not in SOURCES[name].keys]
