"""Unpacking: what an honest archive gives, and what a hostile or damaged one does not get."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from small_nih import archive, png

from ham.datasets.acquire import disk_space
from ham.datasets.acquire import unpack as module
from ham.datasets.acquire.image_records import read_record
from ham.datasets.acquire.unpack import unpack
from ham.errors import DataError, EnvironmentProblem


def special(path: Path, member: tarfile.TarInfo, content: bytes = b"", tar_format: int = tarfile.GNU_FORMAT) -> Path:
    """An archive with one good image and then ``member``."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tar_format) as tar:
        good = tarfile.TarInfo("images/good.png")
        good.size = len(png())
        tar.addfile(good, io.BytesIO(png()))
        tar.addfile(member, io.BytesIO(content) if content else None)
    path.write_bytes(gzip.compress(plain.getvalue()))
    return path


def run(path: Path, folder: Path) -> list[tuple[str, int, str]]:
    unpack(path, folder / "images", folder / "record.csv")
    return read_record(folder / "record.csv")


def unpacked(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink())


def test_images_go_to_one_folder_under_their_base_names_and_are_recorded(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", [("images/2.png", png(2)), ("./images_001/images/1.png", png(1))])
    record = run(path, tmp_path / "out")
    digests = [hashlib.sha256(png(value)).hexdigest() for value in (2, 1)]
    assert record == [("2.png", len(png(2)), digests[0]), ("1.png", len(png(1)), digests[1])]
    assert (tmp_path / "out/images/1.png").read_bytes() == png(1)
    assert unpacked(tmp_path / "out") == [".record.names", "images/1.png", "images/2.png", "record.csv"]


def test_members_that_are_no_images_are_passed_over(tmp_path: Path) -> None:
    members = [("images/1.png", png()), ("README.txt", b"hello"), ("images/._1.png", b"resource fork")]
    assert [name for name, _, _ in run(archive(tmp_path / "a.tar.gz", members), tmp_path)] == ["1.png"]
    assert unpacked(tmp_path / "images") == ["1.png"]


def test_images_that_an_archive_has_no_more_are_removed_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    run(archive(path, [("images/1.png", png(1)), ("images/2.png", png(2))]), tmp_path)
    (tmp_path / "images/other.png").write_bytes(png())  # of another archive
    (tmp_path / "record.csv").unlink()  # as Snakemake does before a job
    run(archive(path, [("images/2.png", png(3))]), tmp_path)
    assert unpacked(tmp_path / "images") == ["2.png", "other.png"]
    assert (tmp_path / "images/2.png").read_bytes() == png(3)


def test_an_empty_archive_has_an_empty_record(tmp_path: Path) -> None:
    assert run(archive(tmp_path / "a.tar.gz", []), tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../evil.png", "/tmp/evil.png", "images/../../evil.png", "a\\..\\evil.png", "im\nage.png"]
)
def test_no_member_leaves_the_folder(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.tar.gz", [("images/1.png", png()), (name, png())])
    with pytest.raises(DataError, match=r"a\.tar\.gz: member "):
        run(path, tmp_path / "out")
    assert unpacked(tmp_path / "out") == ["images/1.png"]
    assert not (tmp_path / "evil.png").exists()


@pytest.mark.parametrize(
    "kind",
    [
        *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE),
        tarfile.GNUTYPE_SPARSE,
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("images/evil.png")
    member.type = kind
    member.linkname = "/etc/passwd"
    with pytest.raises(DataError, match="is a link, device or other special file"):
        run(special(tmp_path / "a.tar.gz", member), tmp_path / "out")
    assert unpacked(tmp_path / "out") == ["images/good.png"]


def test_a_folder_outside_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("../outside")
    member.type = tarfile.DIRTYPE
    with pytest.raises(DataError, match="leads out of the folder"):
        run(special(tmp_path / "a.tar.gz", member), tmp_path / "out")


def test_a_member_of_any_size_is_not_believed(tmp_path: Path) -> None:
    plain = io.BytesIO()
    member = tarfile.TarInfo("images/huge.png")
    member.size = 1 << 40
    plain.write(member.tobuf(tarfile.GNU_FORMAT))
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(plain.getvalue() + bytes(10240)))
    with pytest.raises(DataError, match=r"huge\.png' has 1099511627776 bytes"):
        run(path, tmp_path / "out")


def test_a_header_that_claims_a_gigabyte_is_not_read_into_memory(tmp_path: Path) -> None:
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type = tarfile.GNUTYPE_LONGNAME
    long_name.size = 1 << 30
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(long_name.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))
    with pytest.raises(DataError, match="one piece of more than 64 MiB"):
        run(path, tmp_path / "out")


def test_an_archive_that_unpacks_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_ARCHIVE", 1 << 20)
    path = archive(tmp_path / "a.tar.gz", [(f"images/{i}.png", bytes(1 << 18)) for i in range(8)])
    with pytest.raises(DataError, match="more than 1 MiB unpacked"):
        run(path, tmp_path / "out")


def test_an_archive_of_endless_members_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MEMBERS", 5)
    path = archive(tmp_path / "a.tar.gz", [(f"images/{i}.png", b"") for i in range(8)])
    with pytest.raises(DataError, match="more than 5 members"):
        run(path, tmp_path / "out")


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.999])
def test_a_truncated_archive_is_named_and_leaves_no_record(tmp_path: Path, kept: float) -> None:
    # Noise, so that the cut goes through an image.
    noise = hashlib.shake_256(b"noise").digest(200_000)
    path = archive(tmp_path / "images_003.tar.gz", [(f"images/{i}.png", noise) for i in range(3)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(DataError, match=r"images_003\.tar\.gz is damaged or incomplete.*delete it and run again"):
        run(path, tmp_path / "out")
    assert not (tmp_path / "out/record.csv").exists()


def test_a_cut_between_two_members_is_noticed(tmp_path: Path) -> None:
    plain = gzip.decompress(
        archive(tmp_path / "a.tar.gz", [("images/1.png", png()), ("images/2.png", png())]).read_bytes()
    )
    whole = gzip.compress(plain)
    (tmp_path / "a.tar.gz").write_bytes(whole[:-8])  # without gzip's checksum and length
    with pytest.raises(DataError, match="damaged or incomplete"):
        run(tmp_path / "a.tar.gz", tmp_path / "out")


def test_one_wrong_byte_is_noticed(tmp_path: Path) -> None:
    noise = hashlib.shake_256(b"noise").digest(50_000)
    path = archive(tmp_path / "a.tar.gz", [("images/1.png", noise)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="damaged or incomplete"):
        run(path, tmp_path / "out")


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    for name, content in (("page.tar.gz", b"<html>"), ("text.tar.gz", gzip.compress(b"hello" * 999))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name} is damaged"):
            run(tmp_path / name, tmp_path / "out")


def test_a_damaged_archive_in_a_mirror_is_not_to_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/a.tar.gz").write_bytes(b"<html>")
    (tmp_path / "a.tar.gz").symlink_to(tmp_path / "mirror/a.tar.gz")
    with pytest.raises(DataError, match=r"get a good copy into the mirror, .*/mirror, and"):
        run(tmp_path / "a.tar.gz", tmp_path / "out")


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", [("images/1.png", png(1)), ("other/1.png", png(2))])
    with pytest.raises(DataError, match=r"two members are named 1\.png"):
        run(path, tmp_path / "out")


def test_a_link_that_stands_where_an_image_goes_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out/images").mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    for name in ("1.png", ".1.png.part"):
        (tmp_path / "out/images" / name).symlink_to(tmp_path / "precious")
    run(archive(tmp_path / "a.tar.gz", [("images/1.png", png(1))]), tmp_path / "out")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "out/images/1.png").read_bytes() == png(1)
    assert unpacked(tmp_path / "out/images") == ["1.png"]


def test_an_archive_can_be_unpacked_again(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", [("images/1.png", png(1))])
    first = run(path, tmp_path)
    (tmp_path / "images/1.png").write_bytes(b"damaged")
    assert run(path, tmp_path) == first
    assert (tmp_path / "images/1.png").read_bytes() == png(1)


def test_a_full_disk_is_said_before_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.tar.gz", [("images/1.png", png(1))])
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(EnvironmentProblem, match=r"0\.0 GB free"):
        run(path, tmp_path / "out")


@pytest.mark.parametrize("text", ["", "a,b\n", "name,bytes,sha256\na.png,many,0\n", "name,bytes,sha256\na.png\n"])
def test_a_record_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.csv").write_text(text)
    with pytest.raises(DataError, match=r"record\.csv is no record of images"):
        read_record(tmp_path / "record.csv")
