"""`hooks.jsonl`: no hook is started twice, and what a crash left is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.errors import StorageError
from markab.hooks.hook_events import HookCall, HookKey
from markab.hooks.hook_log import HookLog, read_hook_results


def call(number: int = 1, job: int = 0) -> HookCall:
    return HookCall(HookKey(job, number, "at_end", 0), "a", ["mail", "ada"], {})


def test_a_hook_is_claimed_once_by_whoever_comes_first(tmp_path: Path) -> None:
    one, other = HookLog(tmp_path), HookLog(tmp_path)

    assert [True, False, False, True] == [
        one.claim(call(), 1.0),
        other.claim(call(), 1.0),
        one.claim(call(), 1.0),
        other.claim(call(2), 1.0),
    ]
    assert not HookLog(tmp_path).claim(call(2), 2.0)


def test_results_are_read_with_those_whose_end_nobody_saw(tmp_path: Path) -> None:
    log = HookLog(tmp_path)
    log.claim(call(), 1.0)
    log.claim(call(2), 1.0)
    log.note_end(call().key, 2.0, 3, "no\n", "why")

    ended, open_one = read_hook_results(tmp_path)
    assert (ended.name, ended.event, ended.words, ended.status) == ("a", "at_end", ("mail", "ada"), 3)
    assert (ended.output, ended.why, open_one.status) == ("no\n", "why", None)
    assert [] == read_hook_results(tmp_path / "none")


def test_a_file_that_was_cut_at_any_byte_is_read_and_continued(tmp_path: Path) -> None:
    log = HookLog(tmp_path)
    log.claim(call(), 1.0)
    first = len(log.path.read_bytes())
    log.claim(call(2), 1.0)
    whole = log.path.read_bytes()
    for size in range(first, len(whole)):
        log.path.write_bytes(whole[:size])
        again = HookLog(tmp_path)
        is_cut = size < len(whole) - 1  # the line end alone does not matter
        assert (False, is_cut) == (again.claim(call(), 2.0), again.claim(call(2), 2.0))
        assert 2 == len(read_hook_results(tmp_path))


def test_other_text_in_the_file_is_left_out(tmp_path: Path) -> None:
    log = HookLog(tmp_path)
    log.path.write_text('[]\n{"event": "start"}\n{"event": "end", "key": [1, 2]}\n\x00\n')

    assert log.claim(call(), 1.0) and 1 == len(read_hook_results(tmp_path))


def test_a_hook_whose_start_cannot_be_recorded_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "hooks.jsonl").mkdir()
    with pytest.raises(StorageError):
        HookLog(tmp_path)
