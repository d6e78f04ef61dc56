from __future__ import annotations

import signal
from typing import Any

import pytest

from markab.engine.retry_policy import (
    LONGEST_PAUSE_S,
    is_worth_retrying,
    lacked_memory,
    next_memory_mb,
    pause_s,
)


def test_the_first_retry_comes_at_once_and_later_ones_after_growing_pauses_up_to_a_minute() -> None:
    assert [pause_s(failures) for failures in range(1, 10)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert pause_s(10**6) == LONGEST_PAUSE_S


def test_an_error_that_would_occur_again_is_not_retried() -> None:
    for kind in ("no-program", "not-executable", "arguments", "missing-input"):
        assert not is_worth_retrying({"ok": False, "error": {"kind": kind, "message": ""}})


def test_everything_else_is_worth_a_retry() -> None:
    for kind in ("exit", "signal", "checksum", "timeout", "lost", "storage", "transfer", "internal"):
        assert is_worth_retrying({"ok": False, "error": {"kind": kind, "message": ""}})
    assert is_worth_retrying({"ok": False}) and is_worth_retrying(None)


def test_the_user_can_have_every_failure_tried_again_but_one_that_ends_the_run_or_is_one_of_others() -> None:
    def is_worth(kind: str, **more: Any) -> bool:
        return is_worth_retrying({"error": {"kind": kind, "message": ""}, **more}, by_cause=False)

    assert is_worth("no-program") and is_worth("refused")
    assert not is_worth("incomplete") and not is_worth("exit", ends_run=3)


def killed(kind: str = "signal", status: int = signal.SIGKILL, peak_mb: float | None = 100) -> dict[str, Any]:
    peak_kb = None if peak_mb is None else int(peak_mb * 1024)
    process = {"task": "a", "status": status, "maxrss_kb": peak_kb}
    return {"ok": False, "error": {"kind": kind, "message": ""}, "invocations": [process]}


@pytest.mark.parametrize(
    ("record", "given_mb", "is_proven"),
    [
        (killed(), 110, True),
        (killed(), 200, False),  # it used much less than it was given: somebody killed it
        (killed(), 0, False),
        (killed(peak_mb=11), 10, False),  # the size of the process that started it
        (killed("memory"), 0, True),  # the system or the site says so
        (killed("memory", peak_mb=None), 10_000, True),
        (killed(peak_mb=None), 100, False),
        (killed(status=signal.SIGSEGV), 100, False),
        (killed("exit", 137 << 8), 100, False),  # what a shell says is no proof
        (killed("timeout"), 100, False),  # we killed it
        ({"ok": False}, 100, False),
    ],
)
def test_lack_of_memory_is_proven_or_not_assumed(
    record: dict[str, Any], given_mb: int, is_proven: bool
) -> None:
    assert lacked_memory(record, given_mb) == is_proven


@pytest.mark.parametrize(
    ("peak_mb", "given_mb", "most_mb", "next_mb"),
    [
        (100, 100, 0, 150),
        (100, 0, 0, 150),
        (300, 100, 0, 330),
        (100, 100, 120, 120),
        (100, 120, 120, 0),
        (100, 500, 120, 0),
        (None, 0, 120, 120),
        (0.1, 0, 0, 1),
    ],
)
def test_the_next_attempt_gets_more_than_was_used_and_given_or_there_is_no_more(
    peak_mb: float | None, given_mb: int, most_mb: int, next_mb: int
) -> None:
    assert next_memory_mb(killed("memory", peak_mb=peak_mb), given_mb, most_mb) == next_mb
