from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.results import opened, put, sha256
from markab.reuse import file_checksums
from markab.reuse.file_checksums import FileChecksums
from markab.reuse.file_witness import FileWitness, version_of

LATER_NS = 10**12
"""So that every file was last changed long before."""


def later() -> int:
    return time.time_ns() + LATER_NS


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the files that are read."""
    read: list[str] = []
    whole = file_checksums.FileChecksums._read

    def counted(self: FileChecksums, path: str, follow: bool) -> str:
        read.append(os.path.basename(path))
        return whole(self, path, follow)

    monkeypatch.setattr(file_checksums.FileChecksums, "_read", counted)
    return read


def of(directory: Path, *names: str, clock: Callable[[], int] = later) -> list[str]:
    """Return the checksums of files, with all that earlier calls remembered."""
    with opened(directory) as index:
        checksums = FileChecksums(index, clock)
        found = [checksums.of(str(directory / name)) for name in names]
        checksums.save()
        assert not index.warnings
    return found


def test_a_file_is_read_once_for_as_long_as_it_does_not_change(tmp_path: Path, reads: list[str]) -> None:
    put(tmp_path / "a", "one")
    put(tmp_path / "b", "two")

    assert [sha256("one"), sha256("two"), sha256("one")] == of(tmp_path, "a", "b", "a")
    assert ["a", "b"] == reads
    assert [sha256("two"), sha256("one")] == of(tmp_path, "b", "a")
    assert ["a", "b"] == reads


def test_a_touched_file_is_read_and_has_its_old_checksum(tmp_path: Path, reads: list[str]) -> None:
    put(tmp_path / "a", "one")
    of(tmp_path, "a")
    os.utime(tmp_path / "a", ns=(1, 1))

    assert [sha256("one")] == of(tmp_path, "a") == of(tmp_path, "a")
    assert ["a", "a"] == reads


def test_a_change_is_noticed_even_if_size_and_time_of_the_contents_are_set_back(tmp_path: Path) -> None:
    put(tmp_path / "a", "one")
    of(tmp_path, "a")
    before = (tmp_path / "a").stat()
    put(tmp_path / "a", "two")
    os.utime(tmp_path / "a", ns=(before.st_atime_ns, before.st_mtime_ns))

    assert [sha256("two")] == of(tmp_path, "a")


def test_a_file_with_another_name_or_on_a_device_with_another_number_is_known(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a", "one")
    of(tmp_path, "a")
    with opened(tmp_path) as index:
        status = (tmp_path / "a").stat()
        index.database.write(lambda connection: connection.execute("UPDATE checksum SET device = 99"), None)
        checksums = FileChecksums(index)

        assert sha256("one") == checksums.of_status(str(tmp_path / "renamed"), status)
    assert ["a"] == reads


def test_a_file_that_was_changed_just_before_it_was_read_is_read_again(
    tmp_path: Path, reads: list[str]
) -> None:
    put(tmp_path / "a", "one")
    just_then = (tmp_path / "a").stat().st_ctime_ns + 1

    of(tmp_path, "a", clock=lambda: just_then)
    of(tmp_path, "a")
    of(tmp_path, "a")

    assert ["a", "a"] == reads


def test_a_file_without_real_times_is_never_remembered(tmp_path: Path) -> None:
    put(tmp_path / "a", "one")
    whole = list(os.stat(tmp_path / "a"))
    status = os.stat_result(whole, {"st_mtime_ns": 10**9, "st_ctime_ns": 10**9})  # type: ignore[arg-type]
    with opened(tmp_path) as index:
        checksums = FileChecksums(index, later)
        checksums._add(status, sha256("other"), later())
        checksums.save()

        assert [] == index.checksums([status.st_ino])


def test_a_made_file_is_remembered_without_reading_if_it_is_as_it_was(
    tmp_path: Path, reads: list[str]
) -> None:
    for name in ("sound", "altered", "truncated"):
        put(tmp_path / name, "made")
    (tmp_path / "link").symlink_to("sound")
    complete_s = (tmp_path / "truncated").stat().st_ctime + 0.001
    with opened(tmp_path) as index:
        checksums = FileChecksums(index, later)
        checksums.remember(str(tmp_path / "sound"), sha256("made"), 4, complete_s)
        checksums.remember(str(tmp_path / "link"), sha256("made"), 4, complete_s)
        checksums.remember(str(tmp_path / "altered"), sha256("old"), 4, complete_s - 1000)
        checksums.remember(str(tmp_path / "truncated"), sha256("long"), 40, complete_s)
        checksums.remember(str(tmp_path / "missing"), sha256("made"), 4, complete_s)
        checksums.save()

    assert [sha256("made")] * 3 == of(tmp_path, "sound", "altered", "truncated")
    assert ["altered", "truncated"] == reads


def test_many_files_are_looked_up_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"file{number}" for number in range(50)]
    for name in names:
        put(tmp_path / name, name)
    of(tmp_path, *names)
    with opened(tmp_path) as index:
        checksums = FileChecksums(index)
        checksums.prepare([*(str(tmp_path / name) for name in names), str(tmp_path / "missing")])
        monkeypatch.setattr(index, "checksums", None)

        assert [sha256(name) for name in names] == [checksums.of(str(tmp_path / name)) for name in names]


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "device"])
def test_what_is_no_file_is_an_error_and_never_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/null")
    with opened(tmp_path) as index, pytest.raises(OSError):
        FileChecksums(index).of(str(path))


def test_a_link_is_followed_only_on_request(tmp_path: Path) -> None:
    put(tmp_path / "a", "one")
    (tmp_path / "link").symlink_to("a")
    with opened(tmp_path) as index:
        checksums = FileChecksums(index)

        assert sha256("one") == checksums.of(str(tmp_path / "link"))
        with pytest.raises(OSError):
            checksums.of(str(tmp_path / "link"), follow=False)


def test_without_an_index_every_process_reads(tmp_path: Path, reads: list[str]) -> None:
    (tmp_path / "state" / "results.db").mkdir(parents=True)
    put(tmp_path / "a", "one")
    for _ in range(2):
        with opened(tmp_path) as index:
            checksums = FileChecksums(index, later)
            assert sha256("one") == checksums.of(str(tmp_path / "a")) == checksums.of(str(tmp_path / "a"))
            checksums.save()
    assert ["a", "a"] == reads


def test_the_witness_of_a_file_is_its_version_and_content(tmp_path: Path) -> None:
    put(tmp_path / "a", "one")
    path = str(tmp_path / "a")
    checksums = FileChecksums(None, later)
    assert checksums.witness(path) is None

    checksums.of(path)

    assert FileWitness(path, version_of(os.stat(path)), sha256("one")) == checksums.witness(path)


def test_the_version_of_a_file_that_was_just_changed_proves_nothing(tmp_path: Path) -> None:
    put(tmp_path / "a", "one")
    path = str(tmp_path / "a")
    checksums = FileChecksums(None, lambda: os.stat(path).st_ctime_ns + 1)

    checksums.of(path)

    assert FileWitness(path, None, sha256("one")) == checksums.witness(path)
