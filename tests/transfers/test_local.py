"""Local files: complete or not there, whatever fails and whenever we die."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kit.waiting import wait_until
from markab.errors import ChecksumMismatch, MarkabError, StorageError, TransferRefused, TransferUnavailable
from markab.transfers import copy_bytes, local_copy, partial_file
from markab.transfers.base import Cancelled, is_local, path_of, redact, scheme_of
from markab.transfers.checksum import Verified, sha256_of
from markab.transfers.local import place
from markab.transfers.local_copy import copy
from markab.transfers.local_directory import remove
from markab.transfers.local_link import move, symlink

BIG = os.urandom(copy_bytes.SMALL_BYTES + 12345)


def write(path: Path, data: bytes = b"data", mode: int = 0o644) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("given", "executable", "wanted"),
    [(0o644, False, 0o644), (0o640, True, 0o750), (0o400, True, 0o500), (0o755, False, 0o755)],
)
def test_mode_bits_are_kept_and_x_goes_to_those_who_may_read(
    tmp_path: Path, given: int, executable: bool, wanted: int
) -> None:
    copy(write(tmp_path / "a", mode=given), str(tmp_path / "b"), executable=executable)

    assert mode(tmp_path / "b") == wanted
    assert mode(tmp_path / "a") == given


@pytest.mark.parametrize("missing", [(), ("kernel",), ("kernel", "sendfile")])
@pytest.mark.parametrize("digest", [True, False])
def test_every_way_to_copy_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], digest: bool
) -> None:
    def no(*args: object) -> int:
        raise OSError(errno.EXDEV, "no")

    if "kernel" in missing:
        monkeypatch.setattr(copy_bytes, "_copy_file_range", no)
    if "sendfile" in missing:
        monkeypatch.setattr(os, "sendfile", no)

    moved = copy(write(tmp_path / "a", BIG), str(tmp_path / "b"), digest=digest)

    assert (tmp_path / "b").read_bytes() == BIG
    assert moved.sha256 == (hashlib.sha256(BIG).hexdigest() if digest else None)


@pytest.mark.parametrize("digest", [True, False])
def test_sparse_files_stay_right_and_sparse(tmp_path: Path, digest: bool) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.seek(20 << 20)
        file.write(b"x" * 8192)
        file.truncate(50 << 20)

    moved = copy(str(tmp_path / "a"), str(tmp_path / "b"), digest=digest)

    assert (tmp_path / "b").stat().st_size == 50 << 20
    assert sha256_of(str(tmp_path / "b")) == sha256_of(str(tmp_path / "a"))
    assert moved.sha256 in (None, sha256_of(str(tmp_path / "a")))
    assert (tmp_path / "b").stat().st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("digest", [True, False])
@pytest.mark.parametrize("remembers", [True, False])
def test_a_file_that_shares_its_blocks_has_the_checksum_of_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digest: bool, remembers: bool
) -> None:
    def clone(source: int, target: int) -> bool:
        os.pwrite(target, os.pread(source, len(BIG), 0), 0)
        return True

    def no(*_: object) -> None:
        raise AssertionError("it was copied once more")

    monkeypatch.setattr(local_copy, "clone", clone)
    monkeypatch.setattr(local_copy, "copy_bytes", no)
    monkeypatch.setattr(local_copy, "copy_and_hash", no)
    verified = Verified() if remembers else None
    sha256 = hashlib.sha256(BIG).hexdigest()

    moved = copy(write(tmp_path / "a", BIG), str(tmp_path / "b"), digest=digest, verified=verified)

    assert (tmp_path / "b").read_bytes() == BIG
    assert moved.sha256 == (sha256 if digest else None)
    if verified is not None:
        assert verified.known(str(tmp_path / "b")) == (sha256 if digest else None)
    with pytest.raises(ChecksumMismatch):
        copy(str(tmp_path / "a"), str(tmp_path / "c"), sha256="0" * 64, digest=digest, verified=verified)
    assert not (tmp_path / "c").exists()


def test_a_source_that_shrinks_while_it_is_copied_is_not_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "a", BIG)
    real = local_copy.copy_bytes

    def shrinking(*args: object) -> None:
        os.truncate(source, 100)
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(local_copy, "copy_bytes", shrinking)

    with pytest.raises(TransferUnavailable, match="changed while it was copied"):
        copy(source, str(tmp_path / "b"), digest=False)

    assert os.listdir(tmp_path) == ["a"]


def test_a_file_copied_onto_itself_keeps_its_bytes(tmp_path: Path) -> None:
    source = write(tmp_path / "a", BIG)
    os.link(source, tmp_path / "hard")
    os.symlink(source, tmp_path / "soft")

    for origin, destination in (
        (source, source),
        (source, str(tmp_path / "hard")),
        (str(tmp_path / "soft"), source),
    ):
        assert copy(origin, destination).link == "same"

    assert (tmp_path / "a").read_bytes() == BIG
    assert sorted(os.listdir(tmp_path)) == ["a", "hard", "soft"]


def test_a_link_to_the_source_is_replaced_by_a_copy(tmp_path: Path) -> None:
    os.symlink(write(tmp_path / "a"), tmp_path / "b")

    copy(str(tmp_path / "a"), str(tmp_path / "b"))

    assert not (tmp_path / "b").is_symlink()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"data"


def bad_ends(tmp_path: Path) -> dict[str, tuple[str, str, str]]:
    source = write(tmp_path / "a")
    (tmp_path / "dir").mkdir()
    os.symlink(tmp_path / "gone", tmp_path / "dangling")
    os.mkfifo(tmp_path / "pipe")
    good = str(tmp_path / "b")
    return {
        "missing": (str(tmp_path / "none"), good, "does not exist"),
        "directory": (str(tmp_path / "dir"), good, "is a directory"),
        "dangling": (str(tmp_path / "dangling"), good, "dangling symbolic link to .*gone"),
        "pipe": (str(tmp_path / "pipe"), good, "pipe"),
        "into directory": (source, str(tmp_path / "dir"), "is a directory"),
        "below a file": (source, source + "/b", "a part of the path is a file|directory of that name"),
        "long name": (source, str(tmp_path / ("x" * 300)), "too long"),
    }


@pytest.mark.parametrize(
    "case", ["missing", "directory", "dangling", "pipe", "into directory", "below a file", "long name"]
)
def test_what_cannot_be_copied_is_refused_with_both_ends_named(tmp_path: Path, case: str) -> None:
    source, destination, message = bad_ends(tmp_path)[case]
    before = sorted(os.listdir(tmp_path))

    with pytest.raises(TransferRefused, match=message) as caught:
        copy(source, destination)

    assert destination in str(caught.value)
    assert case == "into directory" or source in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    copy(write(tmp_path / "a"), str(tmp_path / ("é" * 127)))

    assert sorted(os.listdir(tmp_path)) == ["a", "é" * 127]


class Faults:
    """Makes the n-th call of the listed `os` functions fail, and counts calls."""

    NAMES = (
        "stat",
        "lstat",
        "open",
        "fstat",
        "read",
        "write",
        "fchmod",
        "fsync",
        "rename",
        "makedirs",
        "dup",
        "ftruncate",
    )

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        self.left = 0
        self.hit = ""
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self.wrap(name, getattr(os, name), code))

    def wrap(self, name: str, real: object, code: int) -> object:
        def call(*args: object, **options: object) -> object:
            self.left -= 1
            if self.left == 0:
                self.hit = name
                raise OSError(code, os.strerror(code))
            return real(*args, **options)  # type: ignore[operator]

        return call


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("data", [b"new", BIG])
def test_a_failure_at_any_call_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, data: bytes
) -> None:
    source, destination = write(tmp_path / "a", data), tmp_path / "out" / "b"
    destination.parent.mkdir()
    faults = Faults(monkeypatch, code)

    for n in range(1, 200):
        faults.left = 0
        destination.write_bytes(b"old")
        faults.left, faults.hit = n, ""
        try:
            copy(source, str(destination), durable=True)
        except MarkabError as error:
            assert str(destination) in str(error) and source in str(error)
            # Everything is written before the rename; after it only the directory is synced.
            assert destination.read_bytes() in (b"old", data)
        else:
            assert destination.read_bytes() == data
        faults.left = 0
        assert [one.name for one in destination.parent.iterdir()] == ["b"], faults.hit
        if not faults.hit:
            break
    else:
        pytest.fail("never got through")
    assert n > 12


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, StorageError),
        (errno.EDQUOT, StorageError),
        (errno.EROFS, TransferRefused),
        (errno.EIO, TransferUnavailable),
    ],
)
@pytest.mark.parametrize("data", [b"new", BIG])
def test_a_write_error_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[MarkabError], data: bytes
) -> None:
    def full(*args: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", full)

    with pytest.raises(kind, match="cannot write '.*/b' \\(from '.*/a'\\)"):
        copy(write(tmp_path / "a", data), str(tmp_path / "b"))

    assert os.listdir(tmp_path) == ["a"]


def test_a_durable_copy_is_on_disk_before_it_has_its_name_and_the_name_before_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(fd: int) -> None:
        story.append("fsync " + os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        fsync(fd)

    def note_rename(source: str, destination: str) -> None:
        story.append("rename")
        rename(source, destination)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    source = write(tmp_path / "a")

    copy(source, str(tmp_path / "new" / "dir" / "b"), durable=True)
    assert story == ["fsync .b.part-0", "rename", "fsync dir", "fsync new", "fsync " + tmp_path.name]

    story.clear()
    copy(source, str(tmp_path / "c"), durable=False)
    assert story == ["rename"]


def test_a_source_that_changes_meanwhile_is_not_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "a", BIG)
    real = local_copy.copy_and_hash

    def growing(*args: object) -> int:
        with open(source, "ab") as file:
            file.write(b"more")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(local_copy, "copy_and_hash", growing)

    with pytest.raises(TransferUnavailable, match="changed while it was copied"):
        copy(source, str(tmp_path / "b"))

    assert os.listdir(tmp_path) == ["a"]


def test_a_stop_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    real = os.write

    def write_and_stop(fd: int, data: bytes) -> int:
        stop.set()
        return real(fd, data)

    source = write(tmp_path / "a", BIG)
    monkeypatch.setattr(os, "write", write_and_stop)

    with pytest.raises(Cancelled):
        copy(source, str(tmp_path / "b"), stop=stop)

    assert os.listdir(tmp_path) == ["a"]


def test_a_killed_copy_leaves_no_file_of_the_final_name_and_the_next_cleans_up(tmp_path: Path) -> None:
    source = write(tmp_path / "a", BIG * 8)
    program = (
        "import os, sys; from markab.transfers import copy_bytes; from markab.transfers.local_copy import copy\n"
        "real = copy_bytes.write_all\n"
        "def slow(fd, block):\n"
        "    real(fd, block); print('w', flush=True); import time; time.sleep(1000)\n"
        "copy_bytes.write_all = slow\n"
        "copy(sys.argv[1], sys.argv[2])\n"
    )
    path = os.pathsep.join(sys.path)
    child = subprocess.Popen(
        [sys.executable, "-c", program, source, str(tmp_path / "b")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert child.stdout is not None
    with child.stdout:
        child.stdout.readline()
        assert sorted(os.listdir(tmp_path)) == [".b.part-0", "a"]
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert sorted(os.listdir(tmp_path)) == [".b.part-0", "a"]
    os.chmod(tmp_path / ".b.part-0", 0o444)

    copy(source, str(tmp_path / "b"))

    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    assert (tmp_path / "b").read_bytes() == BIG * 8


def test_a_living_writer_keeps_its_temporary_file(tmp_path: Path) -> None:
    first = partial_file.PartialFile(str(tmp_path / "b"))
    os.write(first.fd, b"first")

    copy(write(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == b"data"

    first.commit(0o600, durable=False)
    assert (tmp_path / "b").read_bytes() == b"first"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_disk_without_locks_gets_unique_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*args: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)

    one, two = partial_file.PartialFile(str(tmp_path / "b")), partial_file.PartialFile(str(tmp_path / "b"))

    assert one.path != two.path
    one.discard()
    two.discard()


def test_many_threads_may_write_one_file(tmp_path: Path) -> None:
    sources = [write(tmp_path / f"a{n}", bytes([n]) * 50_000) for n in range(4)]
    errors: list[BaseException] = []

    def work(source: str) -> None:
        try:
            for _ in range(20):
                copy(source, str(tmp_path / "b"), durable=False)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len(set((tmp_path / "b").read_bytes())) == 1
    assert [name for name in os.listdir(tmp_path) if "part" in name] == []


def test_links_are_made_only_when_allowed(tmp_path: Path) -> None:
    source = write(tmp_path / "a")

    assert place(source, str(tmp_path / "soft"), link=True).link == "symlink"
    assert place(source, str(tmp_path / "copy")).link == ""

    assert os.readlink(tmp_path / "soft") == source
    assert (tmp_path / "copy").stat().st_ino != (tmp_path / "a").stat().st_ino


def test_a_program_that_cannot_be_run_is_copied_not_linked(tmp_path: Path) -> None:
    source = write(tmp_path / "a", mode=0o600)

    assert place(source, str(tmp_path / "b"), link=True, executable=True).link == ""

    assert (mode(tmp_path / "a"), mode(tmp_path / "b")) == (0o600, 0o700)


def test_a_link_replaces_what_is_there_and_dead_leftovers(tmp_path: Path) -> None:
    source = write(tmp_path / "a")
    write(tmp_path / "b", b"old")
    os.symlink("nowhere", tmp_path / ".b.part-link")

    symlink(source, str(tmp_path / "b"))

    assert (tmp_path / "b").read_bytes() == b"data"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_link_to_bytes_that_are_not_right_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ChecksumMismatch):
        place(write(tmp_path / "a"), str(tmp_path / "b"), link=True, sha256="0" * 64)

    assert os.listdir(tmp_path) == ["a"]


def test_a_move_takes_the_file_away_even_to_another_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(write(tmp_path / "a"), str(tmp_path / "d" / "b"))
    assert (tmp_path / "d" / "b").read_bytes() == b"data"

    real = os.rename

    def other_disk(source: str, destination: str) -> None:
        if ".part-" not in source:
            raise OSError(errno.EXDEV, "cross-device")
        real(source, destination)

    monkeypatch.setattr(os, "rename", other_disk)
    move(str(tmp_path / "d" / "b"), str(tmp_path / "c"))

    assert (tmp_path / "c").read_bytes() == b"data"
    assert sorted(os.listdir(tmp_path)) == ["c", "d"] and os.listdir(tmp_path / "d") == []


@pytest.mark.parametrize("durable", [True, False])
def test_no_descriptor_is_left_open_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    source, wrong = write(tmp_path / "a", BIG), "0" * 64
    before = len(os.listdir("/proc/self/fd"))

    copy(source, str(tmp_path / "b"), durable=durable)
    symlink(source, str(tmp_path / "soft"), durable=durable)
    move(str(tmp_path / "b"), str(tmp_path / "d" / "c"), durable=durable)
    for refused in (copy, move):
        with pytest.raises(ChecksumMismatch):
            refused(source, str(tmp_path / "e"), sha256=wrong, durable=durable)
    monkeypatch.setattr(os, "fsync", lambda fd: 1 / 0)
    for interrupted in (copy, move):
        with pytest.raises(ZeroDivisionError):
            interrupted(source, str(tmp_path / "e"), durable=True)

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_replaces_neither_a_directory_nor_a_link_to_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("new")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("directory")

    for name in ("directory", "link"):
        with pytest.raises(TransferRefused, match="is a directory, and a file should go there") as caught:
            copy(str(tmp_path / "file"), str(tmp_path / name))
        assert caught.value.hint == f"move it away: mv '{tmp_path}/{name}' '{tmp_path}/{name}.old'"

    assert (tmp_path / "link").is_symlink() and [] == os.listdir(tmp_path / "directory")


def test_removing_a_tree_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "keep").mkdir()
    write(tmp_path / "keep" / "mine")
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    os.symlink(tmp_path / "keep", tmp_path / "tree" / "deep" / "link")

    with pytest.raises(TransferRefused, match="not empty"):
        remove(str(tmp_path / "tree"))
    remove(str(tmp_path / "tree"), recursive=True)

    assert os.listdir(tmp_path) == ["keep"] and os.listdir(tmp_path / "keep") == ["mine"]
    with pytest.raises(TransferRefused, match="whole file system"):
        remove("/", recursive=True)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a/b", "/a/b"),
        ("a%20b", "a%20b"),
        ("file:///a%20b", "/a b"),
        ("file://localhost/a", "/a"),
        ("file:/a", "/a"),
        ("FILE:///a/100%", "/a/100%"),
        ("symlink:///a", "/a"),
        ("moveto:///a?b#c", "/a?b#c"),
        (f"file://{os.uname().nodename}/a", "/a"),
    ],
)
def test_urls_of_local_files_mean_paths(url: str, path: str) -> None:
    assert path_of(url) == path
    assert is_local(url)


@pytest.mark.parametrize("url", ["file://elsewhere/a", "http://h/a", "file://", "", "file:///a%00b"])
def test_urls_that_mean_no_local_path_are_refused(url: str) -> None:
    with pytest.raises(TransferRefused):
        path_of(url)


def test_secrets_are_taken_out_of_urls() -> None:
    assert scheme_of("HTTPS://h/x") == "https"
    assert (
        redact("GET https://ada:p@ss@h/x?a=1&X-Amz-Signature=abc&b=2")
        == "GET https://h/x?a=1&X-Amz-Signature=***&b=2"
    )


def test_a_checksum_is_computed_again_only_when_the_file_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a")
    verified = Verified()
    right = hashlib.sha256(b"data").hexdigest()
    verified.verify(path, right)
    reads: list[int] = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *args: (reads.append(1), real(*args))[1])

    verified.verify(path, right.upper())
    assert reads == []

    before = os.stat(path)

    def changed_unnoticed() -> bool:
        write(tmp_path / "a", b"dbta")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return os.stat(path).st_ctime_ns > before.st_ctime_ns

    wait_until(changed_unnoticed, what="the kernel's clock has ticks")
    with pytest.raises(ChecksumMismatch) as caught:
        verified.verify(path, right)
    assert path in str(caught.value) and right in str(caught.value)
    assert hashlib.sha256(b"dbta").hexdigest() in str(caught.value)
    with pytest.raises(TransferRefused):
        verified.verify(path + "x", right)


def test_only_so_many_checksums_are_remembered(tmp_path: Path) -> None:
    verified = Verified(remembered=2)
    for name in "abc":
        verified.remember(write(tmp_path / name), "0" * 64)

    assert [verified.known(str(tmp_path / name)) for name in "abc"] == [None, "0" * 64, "0" * 64]


def test_no_more_memory_is_taken_for_a_short_file_than_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    read, pread = os.read, os.pread

    def note_read(fd: int, count: int) -> bytes:
        asked.append(count)
        return read(fd, count)

    def note_pread(fd: int, count: int, at: int) -> bytes:
        asked.append(count)
        return pread(fd, count, at)

    source = write(tmp_path / "a")
    monkeypatch.setattr(os, "read", note_read)
    monkeypatch.setattr(os, "pread", note_pread)

    copy(source, str(tmp_path / "b"))
    sha256_of(source)

    assert asked == [5, 5], "one byte more than it has, to see that it ends there"
