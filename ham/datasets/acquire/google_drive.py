"""Files on Google Drive, where the authors published their checkpoints."""

from __future__ import annotations

from pathlib import Path

from ham.errors import DownloadError, EnvironmentProblem
from ham.runtime.files import written

PAGE = "https://drive.google.com/file/d/{}/view"


def fetch(file: str, target: Path) -> None:
    """Write the shared file with the id ``file`` to ``target``, whole or not at all.

    DownloadError says how to bring it by hand, because Drive refuses popular files for a day at a time.
    """
    try:
        import gdown
    except ImportError:
        raise EnvironmentProblem(
            f"fetching from Google Drive needs gdown: pip install 'ham[drive]', or download {PAGE.format(file)} in a "
            f"browser and save it as {target}."
        ) from None
    with written(target) as temporary:
        try:
            got = gdown.download(id=file, output=str(temporary), quiet=True)
        except Exception as error:  # gdown and requests raise a dozen kinds
            got, why = None, " ".join(str(error).split())[:200]
        else:
            why = "no file came"
        if got is None or temporary.stat().st_size == 0:
            raise DownloadError(
                f"Google Drive did not give {file} ({why}); download {PAGE.format(file)} in a browser and save it as "
                f"{target}."
            ) from None
