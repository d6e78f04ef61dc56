"""The output of a job: what is printed of attempts that run and that have ended, and when following it ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from kit.made_run import (
    T0,
    began,
    compute,
    end,
    ended,
    engine_alive,
    failed,
    gave_up,
    make_run,
    process,
    retry,
    start,
    write_journal,
)
from markab.errors import MarkabError
from markab.journal.records import AttemptHeld, AttemptRunning, Entry
from markab.plan.model import Kind, PlannedJob
from markab.reports.job_log import NOTE, JobLog

HERE = {"host": __import__("os").uname().nodename}


class FakeLive:
    """A stream that a test writes."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.data = b""
        self.is_alive = True
        self.closed = 0

    def read(self, offset_bytes: int, most_bytes: int) -> bytes:
        return self.data[offset_bytes : offset_bytes + most_bytes] if self.is_alive or self.name else b""

    def size_bytes(self) -> int:
        return len(self.data)

    def close(self) -> None:
        self.closed += 1


class Tasks:
    """Running tasks: their stdout by attempt."""

    def __init__(self, *outputs: FakeLive) -> None:
        self.outputs = outputs

    def find(self, attempt: str, number: int, names: Collection[str]) -> FakeLive | None:
        at = int(attempt.removeprefix("7a3c/wc_a/"))
        found = self.outputs[at - 1] if number == 1 and at <= len(self.outputs) else None
        return found if found and found.is_alive else None


def nothing_runs(attempt: str, number: int, names: Collection[str]) -> None:
    return None


def shown(log: JobLog) -> list[tuple[str, str]]:
    with closing(log):
        return [(piece.stream, piece.text) for piece in log.texts()]


def followed(log: JobLog, *steps: Callable[[], Any]) -> list[str]:
    """What following a job prints; each step happens in one of its pauses."""
    left: Iterator[Callable[[], Any]] = iter(steps)
    with closing(log):
        return [
            f"[{piece.text}]" if piece.stream == NOTE else piece.text
            for piece in log.follow(repeat(0.0), lambda _: next(left)())
        ]


def a_run(tmp_path: Path, *entries: Entry, **task: Any) -> Path:
    return make_run(tmp_path / "run", [compute("a", task=task), compute("b", 0)], entries)


# -- what is there now -----------------------------------------------------------------------


def test_the_last_attempt_is_shown_unless_another_is_named(tmp_path: Path) -> None:
    story = [began(), start(0), failed(0, stdout="one\n", stderr="bad\n"), retry(0)]
    run = a_run(tmp_path, *story, start(0, 2), end(0, 2, stdout="two\n"), ended("success"))
    assert shown(JobLog(run, "a", nothing_runs)) == [("stdout", "two\n")]
    assert shown(JobLog(run, "a", nothing_runs, attempt=1)) == [("stdout", "one\n"), ("stderr", "bad\n")]
    assert shown(JobLog(run, "a", nothing_runs, ["stderr"], 1)) == [("stderr", "bad\n")]
    with pytest.raises(MarkabError, match="wc_a has no attempt 3") as caught:
        JobLog(run, "a", nothing_runs, attempt=3)
    assert caught.value.hint == "its attempts are: 1, 2"


def test_only_the_last_lines_are_shown(tmp_path: Path) -> None:
    run = a_run(tmp_path, began(), start(0), end(0, stdout="1\n2\n3\n", stderr="4"))
    assert shown(JobLog(run, "a", nothing_runs, lines=2)) == [("stdout", "2\n3\n"), ("stderr", "4")]
    assert shown(JobLog(run, "a", nothing_runs, ["stdout"], lines=0)) == []


def test_of_a_running_task_what_it_has_written_is_shown(tmp_path: Path) -> None:
    run = a_run(tmp_path, began(), start(0))
    live = FakeLive()
    live.data = b"1\n2\n" + "é".encode()[:1]
    with engine_alive(run):
        write_journal(run, [began_here(), start(0)])
        assert shown(JobLog(run, "a", Tasks(live).find)) == [("stdout", "1\n2\n")]
        assert shown(JobLog(run, "a", Tasks(live).find, lines=2)) == [("stdout", "2\n")]
        assert shown(JobLog(run, "a", Tasks(live).find, lines=1)) == []
    assert live.closed


def began_here() -> Entry:
    import markab.journal.records as records

    return records.RunStart(T0, uuid="7a3c", pid=1, **HERE)


@pytest.mark.parametrize(
    ("entries", "note"),
    [
        ([began_here()], "wc_a has not started: `markab why RUN wc_a` says why"),
        ([began_here(), start(0)], "attempt 1 of wc_a has no process here that is yours"),
        ([began(), start(0)], "attempt 1 of wc_a runs on host 'here'"),
        (
            [began_here(), start(0, site="pool")],
            "attempt 1 of wc_a waits in the queue of site 'pool': ",
        ),
        (
            [
                began_here(),
                start(0, site="pool"),
                AttemptHeld(T0 + 2, 0, 1, "no quota", "12.0"),
            ],
            "attempt 1 of wc_a is held by site 'pool' (12.0): no quota",
        ),
        (
            [
                began_here(),
                start(0, site="pool"),
                AttemptRunning(T0 + 2, 0, 1, "12.0", "node7"),
            ],
            "attempt 1 of wc_a runs at site 'pool' (12.0), on node7: its output comes here",
        ),
        ([began_here(), start(0), end(0)], "attempt 1 of wc_a has written nothing"),
    ],
)
def test_what_is_not_here_is_explained(tmp_path: Path, entries: list[Entry], note: str) -> None:
    run = a_run(tmp_path)
    with engine_alive(run):
        write_journal(run, entries)
        ((stream, text),) = shown(JobLog(run, "a", nothing_runs))[:1]
    assert stream == NOTE and text.startswith(note.replace("RUN", str(run)))


def test_an_attempt_that_was_lost_with_its_engine_is_said_to_be_lost(tmp_path: Path) -> None:
    run = a_run(tmp_path, began_here(), start(0))
    assert "was lost with the engine" in shown(JobLog(run, "a", nothing_runs))[0][1]


def test_a_declared_file_that_is_gone_is_named(tmp_path: Path) -> None:
    run = a_run(tmp_path, began(), start(0), end(0), stdout="out.txt")
    text = shown(JobLog(run, "a", nothing_runs))[0][1]
    assert text.startswith("the stdout of wc_a went to 'out.txt', which cannot be read: ")


def test_a_job_of_markab_itself_writes_nothing(tmp_path: Path) -> None:
    moving = PlannedJob("stage_in_1", Kind.STAGE_IN, "local")
    run = make_run(tmp_path / "run", [moving], [began(), start(0), end(0)])
    ((_, text),) = shown(JobLog(run, "stage_in_1", nothing_runs))
    assert text.startswith("stage_in_1 is a stage_in job, which writes no output")


def test_a_large_file_is_read_in_blocks(tmp_path: Path) -> None:
    run = a_run(tmp_path, began(), start(0), end(0), stdout="out.txt")
    (run / "scratch").mkdir()
    (run / "scratch/out.txt").write_text("é" * 300_000)
    pieces = shown(JobLog(run, "a", nothing_runs))
    assert len(pieces) > 5 and "".join(text for _, text in pieces) == "é" * 300_000


# -- following -------------------------------------------------------------------------------


def test_a_job_is_followed_across_its_retries_to_its_end(tmp_path: Path) -> None:
    run = a_run(tmp_path, node_label="the first")
    first, second = FakeLive(), FakeLive()
    story: list[Entry] = [began_here()]

    def add(*entries: Entry) -> None:
        write_journal(run, story.__iadd__([*entries]))

    def first_fails() -> None:
        first.data, first.is_alive = b"of another attempt", False
        add(failed(0, stdout="one\ntwo\nthree"), retry(0))

    with engine_alive(run):
        add()
        log = JobLog(run, "the first", Tasks(first, second).find)
        lines = followed(
            log,
            lambda: add(start(0)),
            lambda: setattr(first, "data", b"one\ntw"),
            lambda: setattr(first, "data", b"one\ntwo\n"),
            first_fails,
            lambda: add(start(0, 2)),
            lambda: setattr(second, "data", b"again"),
            lambda: add(end(0, 2, stdout="again\n")),
        )
    assert lines == [
        "[wc_a (the first) has not started yet]",
        *("one\ntw", "o\n", "three"),
        "[attempt 1 of wc_a (the first) failed: exit code 3; tried again]",
        "[attempt 2 of wc_a (the first)]",
        *("again", "\n"),
        "[wc_a (the first) succeeded]",
    ]
    assert log.exit_state == "success" and first.closed and second.closed


def test_a_declared_file_is_followed_to_its_end_whatever_becomes_of_it(tmp_path: Path) -> None:
    run = a_run(tmp_path, stdout="out.txt")
    live = FakeLive("out.txt")

    def is_over() -> None:
        live.data, live.is_alive = b"one\ntwo\n", False
        write_journal(run, [began_here(), start(0), end(0)])

    with engine_alive(run):
        write_journal(run, [began_here(), start(0)])
        live.data = b"one\n"
        assert followed(JobLog(run, "a", Tasks(live).find), is_over) == ["one\n", "two\n", "[wc_a succeeded]"]


def test_following_begins_with_the_last_lines(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    live = FakeLive()
    live.data = "é\né\né\n".encode()

    def is_over() -> None:
        live.is_alive = False
        write_journal(run, [began_here(), start(0), end(0, stdout="é\né\né\nx\n")])

    with engine_alive(run):
        write_journal(run, [began_here(), start(0)])
        lines = followed(JobLog(run, "a", Tasks(live).find, lines=1), is_over)
    assert lines == ["é\n", "x\n", "[wc_a succeeded]"]


def test_a_job_that_fails_for_good_ends_it(tmp_path: Path) -> None:
    run = a_run(tmp_path, began(), start(0), failed(0, stderr="no\n"), gave_up(0), ended("failed"))
    log = JobLog(run, "a", nothing_runs)
    assert followed(log) == [
        "no\n",
        "[attempt 1 of wc_a failed: exit code 3; given up: no retry is left]",
        "[wc_a failed]",
    ]
    assert log.exit_state == "failed"
    log = JobLog(run, "b", nothing_runs)
    assert followed(log) == ["[wc_b was skipped: jobs before it failed]"] and log.exit_state == "failed"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "wc_a has not ended: the run was not started; `markab run {run}` starts it"),
        (
            [began(), start(0)],
            "wc_a has not ended: the engine of the run stopped unexpectedly; `markab run {run}` continues it",
        ),
        (
            [began(), ended("halted")],
            "wc_a has not ended: the run has ended (halted); `markab run {run}` continues it",
        ),
    ],
)
def test_following_ends_with_the_engine(tmp_path: Path, entries: list[Entry], words: str) -> None:
    run = a_run(tmp_path, *entries)
    log = JobLog(run, "a", nothing_runs)
    assert followed(log)[-1].startswith(f"[{words.format(run=run)}") and log.exit_state == "halted"


def test_a_run_that_is_removed_while_it_is_followed_ends_it(tmp_path: Path) -> None:
    import shutil

    run = a_run(tmp_path)
    with engine_alive(run):
        write_journal(run, [began_here(), start(0)])
        log = JobLog(run, "a", nothing_runs)
        lines = followed(log, lambda: shutil.rmtree(run))
    assert "stopped unexpectedly" in lines[-1] and log.exit_state == "halted"


def test_one_attempt_is_followed_to_its_own_end(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    with engine_alive(run):
        write_journal(run, [began_here(), start(0), failed(0), retry(0), start(0, 2)])
        log = JobLog(run, "a", nothing_runs, attempt=1)
        assert followed(log)[-1] == "[attempt 1 of wc_a failed]" and log.exit_state == "failed"


def test_a_cluster_is_followed_from_task_to_task(tmp_path: Path) -> None:
    cluster = compute("a")
    cluster.tasks = [
        *compute("a", task={"stdout": "1.txt"}).tasks,
        *compute("a", task={"stdout": "2.txt"}).tasks,
    ]
    run = make_run(tmp_path / "run", [cluster], [])
    (run / "scratch").mkdir()
    for name in ("1.txt", "2.txt"):
        (run / "scratch" / name).write_text(f"{name}\n")
    first, second = FakeLive("1.txt"), FakeLive("2.txt")
    first.data = b"1.txt\n"

    def find(attempt: str, number: int, names: Collection[str]) -> FakeLive | None:
        return next((live for live in (first, second) if number == 1 and live.is_alive), None)

    def second_runs() -> None:
        first.is_alive, second.data = False, b"2."

    def is_over() -> None:
        second.is_alive = False
        write_journal(run, [began_here(), start(0), end(0, invocations=[process("a"), process("a")])])

    with engine_alive(run):
        write_journal(run, [began_here(), start(0)])
        lines = followed(JobLog(run, "wc_a", find), second_runs, is_over)
    assert lines == ["1.txt\n", "2.", "txt\n", "[wc_a succeeded]"]
