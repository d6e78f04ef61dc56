from __future__ import annotations

from markab.engine.retry_policy import LONGEST_PAUSE_S, is_worth_retrying, pause_s


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
