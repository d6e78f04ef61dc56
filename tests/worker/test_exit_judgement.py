"""What the end of a process, and what it printed, mean for its attempt."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, cast

import pytest

from markab.worker.attempt import Guard, Prepared
from markab.worker.captured_output import Capture
from markab.worker.deadlines import Deadlines
from markab.worker.exit_judgement import bad_status, judge_inputs, judge_messages, signal_name, stop_reason


class FakePrepared:
    directory = None

    def __init__(self, **job: Any) -> None:
        self.job = {"id": "j", **job}
        self.spec: dict[str, Any] = {}
        self.errors: list[Any] = []
        self.redirected: list[str] = []
        self.guards: list[Guard] = []

    def judged(self, *printed: str, top: Path) -> list[tuple[str, str]]:
        captures = [Capture(str(top)) for _ in printed]
        for capture, text in zip(captures, printed, strict=True):
            os.write(capture.fd, text.encode())
        judge_messages(cast("Prepared", self), *[*captures, None, None][:2])  # type: ignore[arg-type]
        for capture in captures:
            capture.close()
        return [(error.kind, str(error)) for error in self.errors]


def test_signals_are_named_also_those_without_a_name() -> None:
    assert signal_name(9) == "SIGKILL (9)"
    assert signal_name(signal.SIGRTMIN + 1) == f"signal {signal.SIGRTMIN + 1}"


@pytest.mark.parametrize(
    ("status", "by_worker", "kind", "message", "has_hint"),
    [
        (3 << 8, False, "exit", "task 't' ended with exit code 3", False),
        (9, False, "signal", "task 't' was ended by SIGKILL (9)", True),
        (9, True, "signal", "task 't' was ended by SIGKILL (9)", False),
        (15, False, "signal", "task 't' was ended by SIGTERM (15)", False),
        (11 | 0x80, False, "signal", "task 't' was ended by SIGSEGV (11) (core dumped)", False),
    ],
)
def test_a_status_says_how_a_process_ended(
    status: int, by_worker: bool, kind: str, message: str, has_hint: bool
) -> None:
    error = bad_status("t", status, by_worker)
    assert (error.kind, str(error), bool(error.hint)) == (kind, message, has_hint)


def test_what_the_worker_ended_has_its_reason() -> None:
    deadlines = Deadlines(0.0, 0.0, 5.0)
    assert stop_reason("t", deadlines, {"max_wall_s": 5.0}) is None
    deadlines.due(6.0)
    timed_out = stop_reason("t", deadlines, {"max_wall_s": 5.0})
    assert timed_out is not None and timed_out.kind == "timeout"
    assert str(timed_out) == "task 't' was ended after 5 s, the wall time it is given"
    deadlines = Deadlines(0.0, 0.0, 0.0)
    deadlines.cancel(1.0)
    cancelled = stop_reason("t", deadlines, {})
    assert cancelled is not None and cancelled.kind == "cancelled"


@pytest.mark.parametrize(
    ("job", "errors"),
    [
        ({}, []),
        ({"success_messages": ["fine"]}, []),
        ({"failure_messages": ["bad"]}, []),
        ({"success_messages": ["fine", "great"]}, ["success-message"]),
        ({"failure_messages": ["fine"]}, ["failure-message"]),
        (
            {"success_messages": ["great"], "failure_messages": ["fine"]},
            ["failure-message", "success-message"],
        ),
    ],
)
def test_messages_mean_success_or_failure(
    tmp_path: Path, job: dict[str, list[str]], errors: list[str]
) -> None:
    assert errors == [kind for kind, _ in FakePrepared(**job).judged("it is", " fine", top=tmp_path)]
    assert errors == [kind for kind, _ in FakePrepared(**job).judged("fine", top=tmp_path)]


def test_the_message_that_was_or_was_not_printed_is_named(tmp_path: Path) -> None:
    job = {"success_messages": ["great"], "failure_messages": ["fine"]}
    assert FakePrepared(**job).judged("fine", top=tmp_path) == [
        ("failure-message", "job 'j' printed the failure message 'fine'"),
        ("success-message", "job 'j' did not print the success message 'great'"),
    ]


def test_an_input_that_was_changed_is_named(tmp_path: Path) -> None:
    prepared = FakePrepared()
    prepared.spec = {"scratch": str(tmp_path)}
    for name in ("same", "changed", "gone"):
        (tmp_path / name).write_text("x")
        prepared.guards.append(Guard(name, str(tmp_path / name), (tmp_path / name).stat(), None))
    (tmp_path / "changed").write_text("xx")
    (tmp_path / "gone").unlink()

    judge_inputs(cast("Prepared", prepared))

    assert [(error.kind, str(error)) for error in prepared.errors] == [
        (
            "input-changed",
            f"job 'j' changed its input '{name}', which other jobs may read, at '{tmp_path}/{name}'",
        )
        for name in ("changed", "gone")
    ]
