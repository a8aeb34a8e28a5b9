"""The examples of README and docs about images of one's own do what they say."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from small_checkpoint import radiograph, write_checkpoint
from small_dicom import write_dicom
from typer.testing import CliRunner

from ham.cli import app

PAGES = ("README.md", "docs/own-images.md")


def blocks(root: Path, page: str, language: str) -> list[str]:
    """Code of a language on a page."""
    return re.findall(rf"```{language}\n(.*?)```", (root / page).read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the examples name."""
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path / "model.safetensors", 0)
    for fold in ("fold1", "fold2"):
        (tmp_path / "results/nih/localization-5fold/ham" / fold).mkdir(parents=True)
        write_checkpoint(tmp_path / f"results/nih/localization-5fold/ham/{fold}/model.safetensors", 1)
    radiograph(1).save("chest.png")
    for folder in ("scans", "study"):
        (tmp_path / folder).mkdir()
        radiograph(2).save(tmp_path / folder / "a.png")
    pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    for path in ("other.dcm", "study/b.dcm"):
        write_dicom(tmp_path / path, np.asarray(radiograph(3), np.uint16))
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_python_examples_run(root: Path, desk: Path, page: str) -> None:
    found = [block for block in blocks(root, page, "python") if "ham.load" in block]
    assert found
    for block in found:
        exec(compile(block, page, "exec"), {})


@pytest.mark.parametrize("page", PAGES)
def test_commands_run(root: Path, desk: Path, page: str) -> None:
    """Those of images of one's own, each in a folder of its own."""
    verbs = ("predict", "export", "publish")
    lines = [
        shlex.split(line, comments=True)
        for block in blocks(root, page, "bash")
        for line in block.splitlines()
        if line.startswith(tuple(f"ham {verb} " for verb in verbs))
    ]
    assert lines
    for number, line in enumerate(lines):
        words = [word if word != "predictions" else f"predictions{number}" for word in line[1:]]
        if "onnx" in words:
            pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (line, done.output, done.exception)


def test_the_dockerfile_has_a_form_that_engines_take(root: Path) -> None:
    """No engine is asked: instructions that exist, one base, the command of this package."""
    (text,) = blocks(root, "docs/own-images.md", "dockerfile")
    instructions = [line.split(maxsplit=1) for line in text.splitlines() if line]
    assert [name for name, _ in instructions] == ["FROM", "COPY", "RUN", "ENTRYPOINT"]
    assert json.loads(instructions[-1][1]) == ["ham", "predict"]
