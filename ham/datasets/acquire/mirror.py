"""What a mirror that is a folder lacks, and where that comes from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ham.datasets.acquire.download import fetch
from ham.datasets.description import PUBLISHED, FileEntry, is_address
from ham.errors import DownloadError, list_some

log = logging.getLogger("ham")


def fetch_texts(
    entries: Sequence[FileEntry], targets: Sequence[Path], mirror: str | None, folder: str | None = None
) -> None:
    """:func:`fetch` of tables and lists: those that a mirror lacks which is a folder, such as the authors' lists beside
    NIH's own files, come from where they are published. DownloadError names all that is lacking."""
    lacking = find_lacking(entries, mirror)
    if lacking:
        log.info("%s lacks %s: fetched from where they are published", mirror, list_some(lacking, 3))
    for entry, target in zip(entries, targets, strict=True):
        if entry.name not in lacking:
            fetch(entry, target, mirror, folder)
            continue
        try:
            fetch(entry, target, None, folder)
        except DownloadError as error:
            lists = all(name.startswith(PUBLISHED) for name in lacking)
            without = "; experiments by patient need none of them: dataset: nih-without-lists" if lists else ""
            raise DownloadError(
                f"mirror {mirror} lacks {', '.join(lacking)}, and {error}: put them into the mirror under these "
                f"names{without}"
            ) from None


def find_lacking(entries: Sequence[FileEntry], mirror: str | None) -> list[str]:
    """Names of the files that a mirror lacks which is a folder; none where it is an address or there is no folder."""
    if not mirror or is_address(mirror) or not Path(mirror).expanduser().is_dir():
        return []
    return [entry.name for entry in entries if not (Path(mirror).expanduser() / entry.name).is_file()]


def refuse_lacking(archives: Sequence[FileEntry], mirror: str | None) -> None:
    """DownloadError that names all ``archives`` which a mirror lacks that is a folder."""
    if lacking := find_lacking(archives, mirror):
        raise DownloadError(
            f"mirror {mirror} has no {', '.join(lacking)}: put them there, or take the others alone "
            "(--config data='{partial: true}', every table then says how many images were there)"
        )
