"""A file is written whole or not at all, and what killed processes left does not stay for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ham.runtime.files import UNFINISHED, write_text, written

WRITER = """
import sys, time
from pathlib import Path
from ham.runtime.files import written
with written(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_goes_when_the_file_is_written_and_a_living_one_keeps_its_own(
    tmp_path: Path,
) -> None:
    path = tmp_path / "epoch-7.safetensors"
    write_text(tmp_path / f".epoch-8{UNFINISHED}abcdefgh.safetensors", "of another file")
    before = names(tmp_path)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        try:
            writer.stdout.readline()
            write_text(path, "whole")
            (living,) = set(names(tmp_path)) - {*before, path.name}
            assert living.startswith(f".epoch-7{UNFINISHED}")
            assert (tmp_path / living).read_text() == "half"
        finally:
            writer.kill()
    assert living in names(tmp_path)
    with written(path) as temporary:
        assert living not in names(tmp_path)
        temporary.write_text("whole again")
    assert names(tmp_path) == sorted([*before, path.name])
    assert path.read_text() == "whole again"
