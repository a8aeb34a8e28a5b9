"""Writing a package: README, checksums and crate around the chosen files, the same bytes for the same results."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

from ham.packaging.contents import PackageRequest, choose_contents
from ham.packaging.crate import describe_crate
from ham.packaging.manifest import CRATE, README, SUMS
from ham.packaging.readme import write_readme
from ham.runtime.files import sha256, write_text, written

log = logging.getLogger("ham")
TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that the format has
PACKED = (".npz", ".png")  # compressed already
REGULAR = 0o100644 << 16


def write_package(request: PackageRequest, output: Path) -> None:
    """Write the package of ``request`` as the .zip ``output``, and beside it ``<name>.zip.sha256``.

    DataError where results are not of the settings and code asked for.
    """
    contents = choose_contents(request)
    files = {**contents.files, README: write_readme(request, contents.manifest).encode()}
    sizes = {name: len(it) if isinstance(it, bytes) else it.stat().st_size for name, it in files.items()}
    sums_size = sum(len(f"{'0' * 64}  {name}\n".encode()) for name in (*files, CRATE))
    crate = describe_crate(request, contents.manifest, sizes | {SUMS: sums_size})
    files[CRATE] = (json.dumps(crate, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
    digests = {
        name: hashlib.sha256(it).hexdigest() if isinstance(it, bytes) else sha256(it) for name, it in files.items()
    }
    files[SUMS] = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()
    with written(output) as temporary:
        _write_zip(files, temporary)
    digest = sha256(output)
    write_text(output.with_name(f"{output.name}.sha256"), f"{digest}  {output.name}\n")
    log.info("%d files, %.1f MB, sha256 %s", len(files), output.stat().st_size / 1e6, digest)


def _write_zip(files: Mapping[str, Path | bytes], output: Path) -> None:
    with zipfile.ZipFile(output, "w") as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, TIME)
            info.create_system, info.external_attr = 3, REGULAR
            info.compress_type = zipfile.ZIP_STORED if name.endswith(PACKED) else zipfile.ZIP_DEFLATED
            info.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
            with _open(content) as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _open(content: Path | bytes) -> IO[bytes]:
    return BytesIO(content) if isinstance(content, bytes) else open(content, "rb")
