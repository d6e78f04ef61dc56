"""While events cannot be recorded, running jobs end and nothing new starts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.engine_fakes import FakeTime, World, job, make_run
from markab.engine.control import request_halt, request_remove
from markab.engine.run import Outcome, RunOptions, run
from markab.errors import ExecutorUnavailable
from markab.journal.progress import Progress
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, AttemptStart, decode


class FakeRecorder:
    """Reports an error while a test sets one."""

    def __init__(self) -> None:
        self.error = ""
        self.is_awaited = False
        self.warnings: Sequence[str] = ()
        self.polls = 0
        self.on_poll: Callable[[int], None] = lambda count: None

    @property
    def may_start(self) -> bool:
        self.polls += 1
        self.on_poll(self.polls)
        return not self.error and not self.is_awaited


class Story:
    """A run of six jobs, two at a time, with a recorder that can report an error."""

    def __init__(self, directory: Path, world: World | None = None) -> None:
        self.directory = make_run(directory, [job(f"j{n}") for n in range(6)])
        self.time, self.recorder = FakeTime(), FakeRecorder()
        self.world = world or World(ends_at_once=1)
        self.seen: list[Progress] = []

    def call(self) -> Outcome:
        return run(
            self.directory,
            RunOptions(cores=2),
            self.seen.append,
            recorder=self.recorder,
            back_ends=self.world.back_ends(self.time),
            clock=self.time.clock,
        )

    def journalled(self, kind: type) -> int:
        return sum(
            isinstance(decode(body), kind)
            for body in JournalReader(self.directory / "journal.jsonl").bodies()
        )


def test_nothing_starts_before_the_recorder_may(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.recorder.is_awaited = True

    def answer(count: int) -> None:
        assert not story.world.started and not story.journalled(AttemptStart)
        story.recorder.is_awaited = count < 10

    story.recorder.on_poll = lambda count: answer(count) if count <= 10 else None
    began_s = story.time.now_s
    assert story.call().state == "success"
    assert not any(progress.held for progress in story.seen), "a short wait is not reported"
    assert story.seen[0].time - 1.7e9 - began_s < 1


def test_a_recorder_that_does_not_know_yet_is_polled_often(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.recorder.is_awaited = True
    asked_at: list[float] = []

    def answer(count: int) -> None:
        asked_at.append(story.time.now_s)
        story.recorder.is_awaited = count < 10

    story.recorder.on_poll = answer
    story.call()
    assert asked_at[9] - asked_at[0] < 0.5


def test_during_an_error_running_jobs_end_and_are_journalled_and_nothing_starts(tmp_path: Path) -> None:
    story = Story(tmp_path)

    def look(count: int) -> None:
        if len(story.world.started) >= 2 and count < 50:
            story.recorder.error = "the database has gone"
        if count == 49:
            assert len(story.world.started) == 2, "nothing new was started"
            assert not story.world.alive and story.journalled(AttemptEnd) == 2, "what ran has ended"
            assert story.seen[-1].held == "the database has gone; nothing new is started until that works"
            assert story.seen[-1].ready == 4
        if count >= 50:
            story.recorder.error = ""

    story.recorder.on_poll = look
    assert story.call().state == "success"
    assert len(story.world.started) == 6
    assert story.seen[-1].held == ""


def test_what_an_executor_refused_is_not_submitted_again_during_an_error(tmp_path: Path) -> None:
    story = Story(tmp_path)
    tries: list[int] = []

    def refuse(attempts: object) -> None:
        tries.append(story.recorder.polls)
        if len(tries) == 1:
            story.recorder.error = "the database has gone"
            raise ExecutorUnavailable("the queue does not answer")

    def look(count: int) -> None:
        if count == 200:
            story.recorder.error = ""

    story.world.on_submit, story.recorder.on_poll = refuse, look
    assert story.call().state == "success"
    assert tries[1] >= 200


@pytest.mark.parametrize(("ask", "outcome"), [(request_halt, "halted"), (request_remove, "removed")])
def test_a_run_that_is_held_can_be_ended(tmp_path: Path, ask: Callable[[Path], bool], outcome: str) -> None:
    story = Story(tmp_path)
    story.recorder.error = "the database has gone"

    def look(count: int) -> None:
        assert count < 100, "it does not end"
        if count == 20:
            ask(story.directory)

    story.recorder.on_poll = look
    assert story.call().state == outcome
    assert not story.world.started
    assert (story.seen[-1].outcome, story.seen[-1].held) == (outcome, "")


def test_a_run_that_is_held_can_be_interrupted(tmp_path: Path) -> None:
    story = Story(tmp_path)

    def look(count: int) -> None:
        if len(story.world.started) >= 2:
            story.recorder.error = "the database has gone"
        if count == 20:
            os.kill(os.getpid(), signal.SIGINT)
        assert count < 100, "it does not end"

    story.recorder.on_poll = look
    assert story.call().state == "interrupted"
    assert len(story.world.started) == 2

    story.recorder.on_poll = lambda count: None
    story.recorder.error = ""
    assert story.call().state == "success"


def test_a_run_whose_last_jobs_end_during_an_error_is_over(tmp_path: Path) -> None:
    story = Story(tmp_path)

    def look(count: int) -> None:
        if len(story.world.started) == 6:
            story.recorder.error = "the database has gone"

    story.recorder.on_poll = look
    assert story.call().state == "success"


def test_warnings_of_the_recorder_are_reported_and_stop_nothing(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.recorder.warnings = ["no list of runs"]
    assert story.call().state == "success"
    assert story.seen[-1].warnings == ["no list of runs"]
