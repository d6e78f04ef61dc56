"""Capture files that are reused from attempt to attempt."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from markab.executors import capture_files
from markab.executors.capture_files import Captures
from markab.worker.captured_output import Capture


def test_runs_on_one_file_system_share_the_files_and_none_is_kept_for_a_run_that_is_over(
    tmp_path: Path,
) -> None:
    first, second = str(tmp_path / "a"), str(tmp_path / "b")
    for directory in (first, second):
        Path(directory).mkdir()
    captures = Captures()
    try:
        pair = captures.take(first)
        captures.give_back(pair, first, is_ours=True)
        assert captures.take(second) is pair
        captures.give_back(pair, second, is_ours=False)
        assert captures.take(first) is not pair, "a process may still write into it"
    finally:
        captures.close()


def test_a_directory_that_is_not_there_is_an_error_of_the_attempt_that_needs_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Captures().take(str(tmp_path / "none"))


@pytest.mark.parametrize("number", [1, 2])
def test_where_no_file_can_be_made_nothing_is_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    calls = 0

    def limited(directory: str) -> Capture:
        nonlocal calls
        calls += 1
        if calls == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        return Capture(directory)

    monkeypatch.setattr(capture_files, "Capture", limited)
    captures, before = Captures(), len(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError, match="No space left"):
        captures.take(str(tmp_path))

    assert len(os.listdir("/proc/self/fd")) == before
    pair = captures.take(str(tmp_path))
    captures.give_back(pair, str(tmp_path), is_ours=True)
    captures.close()
    captures.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("was_looked_at", [True, False])
def test_what_one_attempt_printed_is_not_there_for_the_next(tmp_path: Path, was_looked_at: bool) -> None:
    captures = Captures()
    try:
        for _ in range(2):
            pair = captures.take(str(tmp_path))
            os.write(pair[0].fd, b"printed")
            if was_looked_at:
                assert [capture.size() for capture in pair] == [7, 0]
            captures.give_back(pair, str(tmp_path), is_ours=True)
            assert os.fstat(pair[0].fd).st_size == 0
    finally:
        captures.close()
