"""Fetching from a folder, and from a server that does everything servers do."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ham.datasets.acquire import disk_space, download
from ham.datasets.acquire.checksum_record import verified_by
from ham.datasets.acquire.download import fetch, hide_secrets
from ham.datasets.acquire.mirror import fetch_texts, refuse_lacking
from ham.datasets.description import FileEntry
from ham.errors import DownloadError, EnvironmentProblem
from ham.runtime import progress
from ham.runtime.files import sha256 as sha256_of

DATA = gzip.compress(hashlib.shake_256(b"archive").digest(1_500_000))
PAGE = b"<!DOCTYPE html><html><body>Too many requests</body></html>"
MD5 = hashlib.md5(DATA).hexdigest()
SHA256 = hashlib.sha256(DATA).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files``; misbehaves as its switches say."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/a.tar.gz": DATA}
        self.seen: list[tuple[str, str | None]] = []  # path and Range of each request
        self.drop_after: list[int] = []  # for the first answers: bytes after which the connection is cut
        self.statuses: list[int] = []  # for the first answers: instead of the file
        self.pages = 0  # how many first answers are a web page with status 200
        self.ranges = True
        self.longest = 1 << 40  # bytes of the longest range that is given
        self.lengths = True
        self.endless = False  # sends zeros after the file, without a length
        self.redirect = False  # to an address that is signed for one request
        self.expired: set[str] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    """One request of :class:`Server`."""

    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.server.seen.append((f"HEAD {self.path}", None))
        self.send_error(404)

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.seen.append((self.path, wanted))
        if server.redirect and not self.path.startswith("/signed"):
            self.send_response(302)
            self.send_header("Location", f"/signed{len(server.seen)}{self.path}")
            self.end_headers()
            return
        path = self.path
        if path.startswith("/signed"):
            if path in server.expired:
                self.send_error(403)
                return
            server.expired.add(path)
            path = "/" + path.split("/", 2)[2]
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        if server.pages:
            server.pages -= 1
            self.answer(200, PAGE, {})
        elif path not in server.files:
            self.send_error(404)
        else:
            self.send_file(server.files[path], wanted)

    def send_file(self, data: bytes, wanted: str | None) -> None:
        if not wanted or not self.server.ranges:
            self.answer(200, data, {})
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(data):
            self.send_error(416)
        else:
            end = min(len(data), start + self.server.longest)
            self.answer(206, data[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})

    def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        if self.server.lengths and not self.server.endless:
            self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        drop = self.server.drop_after.pop(0) if self.server.drop_after else len(data)
        self.wfile.write(data[:drop])
        while self.server.endless:
            try:
                self.wfile.write(bytes(1 << 20))
            except OSError:
                break
        self.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0.001)
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def entry(server: Server, **changes: object) -> FileEntry:
    keys = {"name": "a.tar.gz", "address": f"{server.address}/a.tar.gz", "bytes": len(DATA), "md5": MD5}
    return FileEntry.of(keys | changes)


def only(folder: Path, *names: str) -> bool:
    """Whether ``folder`` has these files and, of some of them, what they were verified by."""
    found = {path.name for path in folder.iterdir()}
    return set(names) <= found <= {*names, *(f".{name}.verified" for name in names)}


def test_a_file_is_downloaded_and_verified(server: Server, tmp_path: Path) -> None:
    fetch(entry(server), tmp_path / "in/a.tar.gz", None)
    assert (tmp_path / "in/a.tar.gz").read_bytes() == DATA
    assert only(tmp_path / "in", "a.tar.gz")
    assert server.seen == [("/a.tar.gz", None)]


def test_a_dropped_connection_goes_on_from_the_last_byte(server: Server, tmp_path: Path) -> None:
    server.drop_after = [400_000, 500_000]
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA
    starts = [int(wanted[6:-1]) for _, wanted in server.seen if wanted]
    # At most a piece of what had come is asked for again.
    assert 400_000 - download.PIECE <= starts[0] <= 400_000
    assert starts[0] + 500_000 - download.PIECE <= starts[1] <= starts[0] + 500_000


def test_a_network_that_fails_often_gets_there_as_long_as_something_comes(server: Server, tmp_path: Path) -> None:
    server.drop_after = [150_000] * (download.ATTEMPTS + 3)
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA


def test_a_server_that_gives_a_range_in_parts_is_asked_for_the_rest(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(DATA[:100_000])
    server.longest = 600_000
    fetch(entry(server, bytes=None), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA
    assert [wanted for _, wanted in server.seen] == [f"bytes={start}-" for start in (100_000, 700_000, 1_300_000)]


def test_a_later_run_goes_on_where_a_killed_one_stopped(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(DATA[:1_000_000])
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA
    assert server.seen == [("/a.tar.gz", "bytes=1000000-")]


def test_a_part_that_is_whole_already_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(DATA)
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert server.seen == []


def test_a_whole_part_of_unknown_size_is_found_out(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(DATA)
    fetch(entry(server, bytes=None), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA


@pytest.mark.parametrize("part", [b"\x1f\x8b" + b"x" * 999, DATA + b"more"], ids=["other bytes", "too long"])
def test_a_part_of_another_file_is_thrown_away(server: Server, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(part)
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA
    assert only(tmp_path, "a.tar.gz")


def test_a_part_without_any_checksum_to_come_is_not_trusted(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(b"\x1f\x8bother")
    fetch(entry(server, bytes=None, md5=None), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA
    assert server.seen == [("/a.tar.gz", None)]


def test_a_server_that_ignores_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.drop_after = [900_000]
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA
    assert len(server.seen) == 2


def test_a_server_that_tells_no_length_is_served_by_the_digest(server: Server, tmp_path: Path) -> None:
    server.lengths = False
    fetch(entry(server, bytes=None), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA


def test_a_redirect_is_taken_anew_from_the_static_address(server: Server, tmp_path: Path) -> None:
    server.redirect = True
    server.drop_after = [400_000]
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA
    assert [path for path, _ in server.seen].count("/a.tar.gz") == 2
    assert len(server.expired) == 2


def test_a_redirect_that_has_expired_is_not_the_end(server: Server, tmp_path: Path) -> None:
    server.redirect = True
    server.expired = {"/signed1/a.tar.gz", "/signed3/a.tar.gz"}
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429, 500]
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA


def test_a_server_that_stays_busy_is_given_up(server: Server, tmp_path: Path) -> None:
    server.statuses = [503] * 99
    with pytest.raises(DownloadError, match="the server answered 503, 6 times in a row"):
        fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert len(server.seen) == download.ATTEMPTS


def test_an_address_that_has_nothing_is_said_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"/b\.tar\.gz: the server answered 404"):
        fetch(entry(server, address=f"{server.address}/b.tar.gz"), tmp_path / "a.tar.gz", None)
    assert len(server.seen) == 1


def test_a_web_page_with_status_200_is_no_archive(server: Server, tmp_path: Path) -> None:
    server.pages = 2
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA
    server.pages = 99
    with pytest.raises(DownloadError, match="the server sent a web page"):
        fetch(entry(server, bytes=None, md5=None), tmp_path / "b.tar.gz", None)
    assert only(tmp_path, "a.tar.gz")


def test_a_web_page_does_not_cost_what_was_there(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(DATA[:1_000_000])
    server.pages = 1
    fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert server.seen[1] == ("/a.tar.gz", "bytes=1000000-")


def test_a_web_page_is_no_table_either(server: Server, tmp_path: Path) -> None:
    server.files["/t.csv"] = PAGE
    with pytest.raises(DownloadError, match="a web page"):
        fetch(FileEntry(name="t.csv", address=f"{server.address}/t.csv"), tmp_path / "t.csv", None)
    assert only(tmp_path)


def test_wrong_bytes_never_stand_under_the_name(server: Server, tmp_path: Path) -> None:
    server.files["/a.tar.gz"] = DATA[:-9] + b"x" * 9
    with pytest.raises(DownloadError, match=rf"has md5 .*, {MD5} is expected.*twice"):
        fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert only(tmp_path)


def test_a_truncated_file_never_stands_under_the_name(server: Server, tmp_path: Path) -> None:
    server.files["/a.tar.gz"] = DATA[:-9]
    with pytest.raises(DownloadError, match=rf"the server has {len(DATA) - 9} bytes where {len(DATA)} are expected"):
        fetch(entry(server), tmp_path / "a.tar.gz", None)
    server.lengths = False
    with pytest.raises(DownloadError, match=rf"has {len(DATA) - 9} bytes"):
        fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert not (tmp_path / "a.tar.gz").exists()


def test_what_stood_there_before_stays_until_the_new_one_is_verified(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"old")
    server.files["/a.tar.gz"] = b"\x1f\x8bwrong"
    with pytest.raises(DownloadError):
        fetch(entry(server, bytes=None), tmp_path / "a.tar.gz", None)
    assert (tmp_path / "a.tar.gz").read_bytes() == b"old"


def test_any_of_several_accepted_digests_will_do(server: Server, tmp_path: Path) -> None:
    fetch(entry(server, md5=None, sha256=["0" * 64, SHA256]), tmp_path / "a.tar.gz", None)
    with pytest.raises(DownloadError, match=f"{'0' * 64} or {'1' * 64} is expected"):
        fetch(entry(server, md5=None, sha256=["0" * 64, "1" * 64]), tmp_path / "b.tar.gz", None)


def test_a_mirror_address_is_verified_by_its_sha256sums(server: Server, tmp_path: Path) -> None:
    name = FileEntry(name="deep/a.tar.gz")
    server.files["/m/deep/a.tar.gz"] = DATA
    server.files["/m/SHA256SUMS"] = f"{SHA256}  deep/a.tar.gz\n".encode()
    fetch(name, tmp_path / "a.tar.gz", f"{server.address}/m/")
    assert (tmp_path / "a.tar.gz").read_bytes() == DATA
    server.files["/m/SHA256SUMS"] = f"{'0' * 64} *./deep/a.tar.gz\n".encode()
    with pytest.raises(DownloadError, match="sha256"):
        fetch(name, tmp_path / "b.tar.gz", f"{server.address}/m")


def test_checksums_that_cannot_be_had_are_not_taken_for_none(server: Server, tmp_path: Path) -> None:
    server.statuses = [500] * 99
    with pytest.raises(DownloadError, match="SHA256SUMS: the server answered 500"):
        fetch(FileEntry(name="a.tar.gz"), tmp_path / "a.tar.gz", server.address)


def test_a_server_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    name = FileEntry(name="a.tar.gz", address="http://user:secret@127.0.0.1:9/a.tar.gz?token=secret", md5=MD5)
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/a\.tar\.gz: the connection failed") as caught:
        fetch(name, tmp_path / "a.tar.gz", None)
    assert "secret" not in str(caught.value)
    assert hide_secrets("https://a:b@host/x?y#z") == "https://host/x"


def test_a_full_disk_is_said_before_anything_is_fetched(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(EnvironmentProblem, match=r"0\.0 GB free"):
        fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert only(tmp_path)


def test_pauses_between_attempts_grow(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    monkeypatch.setattr(download, "PAUSE", 2.0)
    server.statuses = [503] * 99
    with pytest.raises(DownloadError):
        fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert pauses == [2, 4, 8, 16, 32]


def test_a_download_tells_its_rate_and_the_time_left(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY", 0.0)
    with caplog.at_level("INFO", "ham"):
        fetch(entry(server), tmp_path / "a.tar.gz", None)
    assert re.search(r"Downloading a\.tar\.gz \(MiB\): 1 of 1 \(100 %\), .* a second, 0 s left", caplog.text)


@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_server_that_never_ends_is_left(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr(download, "LONGEST", 4 << 20)
    server.endless = True
    with pytest.raises(DownloadError, match=r"the server sent more than the \d+ bytes that are expected"):
        fetch(entry(server, bytes=size), tmp_path / "a.tar.gz", None)
    assert only(tmp_path)


def test_endless_checksums_are_left_too(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LONGEST_SUMS", 1 << 20)
    server.files["/SHA256SUMS"] = b"0"
    server.endless = True
    with pytest.raises(DownloadError, match="SHA256SUMS is longer than any list of checksums"):
        fetch(FileEntry(name="a.tar.gz"), tmp_path / "a.tar.gz", server.address)


def test_a_file_without_address_asks_for_a_mirror(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"a\.tar\.gz has no address.*set mirror"):
        fetch(FileEntry(name="a.tar.gz"), tmp_path / "a.tar.gz", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "mirror"
    path.mkdir()
    (path / "a.tar.gz").write_bytes(DATA)
    return path


def test_a_file_in_a_folder_is_verified_and_linked(folder: Path, tmp_path: Path) -> None:
    (folder / "a.tar.gz").chmod(0o444)
    target = tmp_path / "in/a.tar.gz"
    for _ in range(2):
        fetch(FileEntry(name="a.tar.gz", md5=MD5), target, str(folder))
        assert target.is_symlink()
        assert target.readlink() == folder / "a.tar.gz"
    assert only(target.parent, "a.tar.gz")
    assert only(folder, "a.tar.gz")


def test_a_folder_may_be_given_relative_to_the_working_directory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fetch(FileEntry(name="a.tar.gz"), tmp_path / "in/a.tar.gz", "mirror")
    assert (tmp_path / "in/a.tar.gz").readlink() == folder / "a.tar.gz"


def test_a_mirror_that_is_the_target_itself_is_left_alone(folder: Path) -> None:
    fetch(FileEntry(name="a.tar.gz", md5=MD5), folder / "a.tar.gz", str(folder))
    assert not (folder / "a.tar.gz").is_symlink()
    assert (folder / "a.tar.gz").read_bytes() == DATA


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"md5": "0" * 32}, "has md5 .* is expected: it is damaged or another file"),
        ({"bytes": 7}, "7 are expected"),
        ({"sha256": "0" * 64}, "has sha256"),
        ({"name": "b.tar.gz"}, r"has no such file \(b\.tar\.gz\)"),
    ],
)
def test_a_wrong_file_in_a_folder_is_neither_linked_nor_changed(
    folder: Path, tmp_path: Path, keys: dict[str, object], message: str
) -> None:
    with pytest.raises(DownloadError, match=message):
        fetch(FileEntry.of({"name": "a.tar.gz"} | keys), tmp_path / "in/a.tar.gz", str(folder))
    assert only(tmp_path / "in")
    assert (folder / "a.tar.gz").read_bytes() == DATA


def test_the_folders_sha256sums_are_used_where_the_description_has_no_digest(folder: Path, tmp_path: Path) -> None:
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  a.tar.gz\n")
    with pytest.raises(DownloadError, match="has sha256"):
        fetch(FileEntry(name="a.tar.gz"), tmp_path / "in/a.tar.gz", str(folder))
    fetch(FileEntry(name="a.tar.gz", md5=MD5), tmp_path / "in/a.tar.gz", str(folder))


def test_a_page_saved_as_an_archive_is_found_without_a_checksum(folder: Path, tmp_path: Path) -> None:
    (folder / "a.tar.gz").write_bytes(PAGE)
    with pytest.raises(DownloadError, match="is a web page, not what its name says"):
        fetch(FileEntry(name="a.tar.gz"), tmp_path / "in/a.tar.gz", str(folder))


def test_a_mirror_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"mirror .*/nowhere is no folder"):
        fetch(FileEntry(name="a.tar.gz"), tmp_path / "in/a.tar.gz", str(tmp_path / "nowhere"))


def test_a_table_beside_the_images_is_used_where_its_digest_is_right(tmp_path: Path) -> None:
    mirror, images = tmp_path / "mirror", tmp_path / "images"
    for folder, text in ((mirror, "good"), (images, "other issue"), (images / "ImageSets/Main", "good")):
        folder.mkdir(parents=True)
        (folder / "t.csv").write_text(text)
    known = FileEntry.of({"name": "published/ImageSets/Main/t.csv", "sha256": sha256("good")})
    fetch(known, tmp_path / "in/a.csv", None, str(images))
    assert (tmp_path / "in/a.csv").readlink() == images / "ImageSets/Main/t.csv"
    (images / "ImageSets/Main/t.csv").unlink()
    official = FileEntry.of({"name": "t.csv", "sha256": sha256("good")})
    fetch(official, tmp_path / "in/b.csv", str(mirror), str(images))
    assert (tmp_path / "in/b.csv").readlink() == mirror / "t.csv"


def test_a_table_without_a_digest_is_not_taken_from_beside_the_images(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("anything")
    with pytest.raises(DownloadError, match="has no address"):
        fetch(FileEntry(name="t.csv"), tmp_path / "in/t.csv", None, str(tmp_path))


def test_what_a_mirror_lacks_of_texts_comes_from_where_it_is_published(server: Server, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "t.csv").write_text("table")
    server.files |= {"/a.txt": b"list", "/b.txt": b"list"}
    published = [
        FileEntry.of({"name": f"published/{name}", "address": f"{server.address}/{name}", "sha256": sha256("list")})
        for name in ("a.txt", "b.txt")
    ]
    entries = [FileEntry(name="t.csv"), *published]
    targets = [tmp_path / "in" / entry.name for entry in entries]
    fetch_texts(entries, targets, str(mirror))
    assert targets[0].readlink() == mirror / "t.csv"
    assert [target.read_text() for target in targets[1:]] == ["list", "list"]
    assert verified_by(targets[1]) == {"sha256": sha256("list")}
    assert verified_by(targets[0]) == {"verified": False}


def test_what_a_mirror_lacks_and_nobody_serves_is_named_at_once(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    entries = [FileEntry(name=f"published/{name}.txt") for name in "abc"]
    with pytest.raises(DownloadError) as error:
        fetch_texts(entries, [tmp_path / "in" / entry.name for entry in entries], str(mirror))
    for said in ("lacks published/a.txt, published/b.txt, published/c.txt, and", "dataset: nih-without-lists"):
        assert said in str(error.value)


def test_all_archives_that_a_mirror_lacks_are_named(folder: Path) -> None:
    with pytest.raises(DownloadError, match=r"has no b\.tar\.gz, c\.tar\.gz: .*partial: true"):
        refuse_lacking([FileEntry(name=f"{name}.tar.gz") for name in "abc"], str(folder))
    refuse_lacking([FileEntry(name="a.tar.gz")], str(folder))
    refuse_lacking([FileEntry(name="b.tar.gz")], "http://example.org/mirror")


def test_it_is_remembered_what_a_file_was_verified_by(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "in/a.tar.gz"
    assert verified_by(target) == {}
    fetch(FileEntry(name="a.tar.gz", md5=MD5), target, str(folder))
    assert verified_by(target) == {"md5": MD5}
    fetch(FileEntry(name="a.tar.gz"), target, str(folder))
    assert verified_by(target) == {"verified": False}
    (folder / "SHA256SUMS").write_text(f"{sha256_of(folder / 'a.tar.gz')}  a.tar.gz\n")
    fetch(FileEntry(name="a.tar.gz"), target, str(folder))
    assert verified_by(target) == {"sha256": sha256_of(folder / "a.tar.gz")}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_of_a_mirror_that_is_another_now_is_refused(tmp_path: Path) -> None:
    mirror, target = tmp_path / "mirror", tmp_path / "in/images_001.tar.gz"
    mirror.mkdir()
    entry = FileEntry.of({"name": "images_001.tar.gz"})
    (mirror / entry.name).write_bytes(gzip.compress(b"images"))
    (mirror / "SHA256SUMS").write_text(f"{sha256_of(mirror / entry.name)}  {entry.name}\n")
    fetch(entry, target, str(mirror))
    download.verify_linked(entry, target)
    (mirror / entry.name).write_bytes(gzip.compress(b"others"))
    with pytest.raises(DownloadError, match=r"images_001\.tar\.gz has sha256 .* is expected"):
        download.verify_linked(entry, target)
