"""Google Drive, as far as it can be tried without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ham.datasets.acquire.google_drive import fetch
from ham.errors import DownloadError

gdown = pytest.importorskip("gdown", reason="the extra drive is not installed")


def test_without_a_network_the_manual_way_is_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    target = tmp_path / "weights/abc-123.pth"
    with pytest.raises(DownloadError) as caught:
        fetch("abc-123", target)
    assert "https://drive.google.com/file/d/abc-123/view" in str(caught.value)
    assert f"save it as {target}" in str(caught.value)
    assert list(target.parent.iterdir()) == []
