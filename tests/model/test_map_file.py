"""maps.npz: equal bytes for equal maps, flat memory, and one sentence for what is wrong with a file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ham.errors import DataError
from ham.model.map_file import read_maps, write_maps


def maps(count: int, side: int = 4) -> dict[tuple[str, str], np.ndarray]:
    rng = np.random.default_rng(0)
    return {(f"p{i}/view.png", "Mass"): rng.random((side, side + 1), np.float32) for i in range(count)}


def write(path: Path, made: dict[tuple[str, str], np.ndarray]) -> Path:
    with write_maps(path) as file:
        for (image, finding), raw in made.items():
            file.write(image, finding, raw)
    return path


def test_maps_come_back_bit_by_bit_also_where_the_image_id_has_a_slash(tmp_path: Path) -> None:
    made = maps(3)
    with read_maps(write(tmp_path / "maps.npz", made)) as file:
        for (image, finding), raw in made.items():
            found = file.read(image, finding)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, raw)


def test_numpy_reads_what_is_written_and_what_numpy_writes_is_read(tmp_path: Path) -> None:
    made = maps(2)
    named = {f"{image}/{finding}": raw for (image, finding), raw in made.items()}
    with np.load(write(tmp_path / "ours.npz", made)) as file:
        assert file.files == list(named)
        for key, raw in named.items():
            np.testing.assert_array_equal(file[key], raw)
    np.savez(tmp_path / "theirs.npz", **named)  # type: ignore[arg-type]
    with read_maps(tmp_path / "theirs.npz") as theirs:
        np.testing.assert_array_equal(theirs.read("p1/view.png", "Mass"), made["p1/view.png", "Mass"])


def test_equal_maps_are_equal_bytes_and_small(tmp_path: Path) -> None:
    flat = {("a.png", "Mass"): np.zeros((64, 64), np.float32)}
    first, second = write(tmp_path / "a.npz", flat), write(tmp_path / "b.npz", flat)
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 64 * 64  # of 4 bytes each
    np.savez_compressed(tmp_path / "numpy.npz", **{"a.png/Mass": flat["a.png", "Mass"]})  # type: ignore[arg-type]
    assert first.stat().st_size <= (tmp_path / "numpy.npz").stat().st_size


def test_memory_does_not_grow_with_the_number_of_maps(tmp_path: Path) -> None:
    raw = np.random.default_rng(0).random((128, 128), np.float32)  # 64 kB

    def peak(count: int) -> int:
        tracemalloc.start()
        with write_maps(tmp_path / "maps.npz") as file:
            for number in range(count):
                file.write(f"{number}.png", "Mass", raw + number)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is loaded once
    few, many = peak(5), peak(105)
    assert many - few < 100 * 2_000  # bytes: the zip's own list of names, not the maps


def test_a_failed_prediction_leaves_no_file(tmp_path: Path) -> None:
    def stop_half_way() -> None:
        with write_maps(tmp_path / "maps.npz") as file:
            file.write("a.png", "Mass", np.zeros((2, 2)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_map_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "maps.npz", maps(1))
    with read_maps(path) as file, pytest.raises(DataError, match=r"maps\.npz has no map p0/view\.png/Hernia: run"):
        file.read("p0/view.png", "Hernia")
    with pytest.raises(DataError, match=r"none\.npz is not there"), read_maps(tmp_path / "none.npz"):
        pass


def test_a_cut_or_damaged_file_is_named_in_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "maps.npz", maps(1, side=64))
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"maps\.npz cannot be read as maps \(.*\): delete it"), read_maps(path):
            pass
    path.write_bytes(whole[:2000] + bytes(100) + whole[2100:])  # within the map, which is read only when asked for
    with read_maps(path) as file, pytest.raises(DataError, match=r"maps\.npz cannot be read as maps \(map p0/"):
        file.read("p0/view.png", "Mass")


def test_what_is_no_map_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "maps.npz", **{"a.png/Mass": np.zeros((1, 2, 2))})  # type: ignore[arg-type]
    with read_maps(tmp_path / "maps.npz") as file, pytest.raises(DataError, match=r"shape \(1, 2, 2\), not \[h, w\]"):
        file.read("a.png", "Mass")
    with open(tmp_path / "array.npz", "wb") as bare:
        np.save(bare, np.zeros((2, 2)))
    with pytest.raises(DataError, match="one array"), read_maps(tmp_path / "array.npz"):
        pass


def test_an_incomplete_file_says_how_many_maps_it_lacks(tmp_path: Path) -> None:
    keys = [(f"p{i}/view.png", finding) for i in range(3) for finding in ("Mass", "Nodule")]
    with read_maps(write(tmp_path / "maps.npz", maps(3))) as file:
        file.require(keys[::2])
        with pytest.raises(DataError, match=r"maps\.npz: 3 of 6 maps are not in it, p0/view\.png/Nodule for one"):
            file.require(keys)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_map_that_is_no_number_is_named(tmp_path: Path, value: float) -> None:
    path = write(tmp_path / "maps.npz", {("a.png", "Mass"): np.full((2, 2), value, np.float32)})
    with read_maps(path) as file, pytest.raises(DataError, match=r"map a\.png/Mass holds nan or infinite numbers"):
        file.read("a.png", "Mass")


def test_objects_and_texts_are_no_maps(tmp_path: Path) -> None:
    for value in (np.array([[None, 1]], dtype=object), np.array([["a"]])):
        np.savez(tmp_path / "maps.npz", **{"a.png/Mass": value})  # type: ignore[arg-type]
        with read_maps(tmp_path / "maps.npz") as file, pytest.raises(DataError, match="cannot be read as maps"):
            file.read("a.png", "Mass")


def test_no_two_pairs_of_image_and_finding_share_a_map(tmp_path: Path) -> None:
    """Names that would meet: "/" in either, what stands for it, and the ending that numpy takes off."""
    pairs = [("a", "b/c"), ("a/b", "c"), ("a", "b%2Fc"), ("a", "b\\c"), ("a", "c"), ("a", "c.npy"), ("a", "c%2Enpy")]
    made = {pair: np.full((1, 1), number, np.float32) for number, pair in enumerate(pairs)}
    with read_maps(write(tmp_path / "maps.npz", made)) as file:
        assert [file.read(*pair).item() for pair in pairs] == [*range(len(pairs))]
