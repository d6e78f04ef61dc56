"""Jobs that lacked memory get more, and never the same again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.engine_fakes import OK, REMOTE, FakeTime, World, job, make_run, task
from markab.engine.recovery import Recovery
from markab.engine.replay import replay
from markab.engine.run import Outcome, RunOptions, run
from markab.executors.base import Attempt, Record
from markab.journal.attempt_story import AttemptStories
from markab.journal.reader import JournalReader
from markab.journal.records import Entry, GiveUp, Refresh, RefreshedFile, Retry, decode
from markab.plan.plan_file import PlanFile


def killed(peak_mb: int = 0, kind: str = "memory") -> Record:
    process = {"task": "a", "status": int(signal.SIGKILL), "maxrss_kb": peak_mb * 1024}
    return {"ok": False, "error": {"kind": kind, "message": "killed"}, "invocations": [process]}


class Hungry:
    """A world in which the first job needs so much memory; it notes what its attempts were given."""

    def __init__(self, needs_mb: int, kind: str = "memory") -> None:
        self.given: list[int] = []
        self.needs_mb, self.kind = needs_mb, kind

    def __call__(self, attempt: Attempt) -> Record:
        if attempt.id.job:
            return dict(OK)
        self.given.append(attempt.job.memory_mb)
        enough = attempt.job.memory_mb >= self.needs_mb
        return dict(OK) if enough else killed(attempt.job.memory_mb, self.kind)


def call(
    directory: Path, verdict: Callable[[Attempt], Record], memory_mb: int = 1000, **more: Any
) -> Outcome:
    time = FakeTime()
    options = RunOptions(cores=3, memory_mb=memory_mb, gpus=0, poll_s=0.0)
    found = run(directory, options, back_ends=World(verdict, **more).back_ends(time), clock=time.clock)
    plan = PlanFile(directory / "plan.jsonl")
    replay(plan.header, plan.outline, entries(directory), lambda scheduler: scheduler.validate())
    return found


def entries(directory: Path) -> list[Entry]:
    return [decode(body) for body in JournalReader(directory / "journal.jsonl").bodies()]


def hungry_run(directory: Path, retries: int = 5, memory_mb: int = 100, **more: Any) -> Path:
    one = job("a", retries=retries, memory_mb=memory_mb, tasks=[task("a")])
    return make_run(directory / "run", [one, job("b", 0)], **more)


@pytest.mark.parametrize("kind", ["memory", "signal"])
def test_each_attempt_that_lacked_memory_is_followed_by_one_with_more(tmp_path: Path, kind: str) -> None:
    directory, world = hungry_run(tmp_path), Hungry(300, kind)

    assert "success" == call(directory, world).state
    assert [100, 150, 225, 338] == world.given
    assert [150, 225, 338] == [entry.memory_mb for entry in entries(directory) if isinstance(entry, Retry)]


def test_it_ends_at_what_the_machine_has_and_says_so(tmp_path: Path) -> None:
    directory, world = hungry_run(tmp_path), Hungry(5000)

    assert "failed" == call(directory, world, memory_mb=200).state
    assert [100, 150, 200] == world.given
    (last,) = [entry for entry in entries(directory) if isinstance(entry, GiveUp)]
    assert last.why == "it had 200 MB of memory, and there is no more for it"


def test_the_retries_of_the_user_are_the_upper_bound_and_the_next_call_goes_on_with_more(
    tmp_path: Path,
) -> None:
    directory, world = hungry_run(tmp_path, retries=1), Hungry(300)

    assert "failed" == call(directory, world).state
    assert "success" == call(directory, world).state
    assert [100, 150, 225, 338] == world.given


def test_another_site_has_its_own_bound(tmp_path: Path) -> None:
    directory, world = hungry_run(tmp_path, executor=REMOTE), Hungry(600)

    assert "success" == call(directory, world, memory_mb=200).state
    assert world.given[-1] >= 600


def test_a_job_that_asked_for_nothing_gets_more_than_it_used(tmp_path: Path) -> None:
    records = iter([killed(200), OK, OK])
    given: list[int] = []

    def verdict(attempt: Attempt) -> Record:
        given.append(attempt.job.memory_mb)
        return dict(next(records))

    assert "success" == call(hungry_run(tmp_path, memory_mb=0), verdict).state
    assert [0, 300, 0] == given


def test_what_is_not_proven_is_tried_again_with_the_same(tmp_path: Path) -> None:
    directory, given = hungry_run(tmp_path, retries=1), []

    def verdict(attempt: Attempt) -> Record:
        given.append(attempt.job.memory_mb)
        return killed(10, "signal")

    assert "failed" == call(directory, verdict).state
    assert [100, 100] == given


def test_the_user_can_switch_it_off(tmp_path: Path) -> None:
    directory, world = hungry_run(tmp_path, retries=2, retry_by_cause=False), Hungry(300)

    assert "failed" == call(directory, world).state
    assert [100, 100, 100] == world.given


def test_a_refresh_begins_with_what_was_planned(tmp_path: Path) -> None:
    history = Recovery(PlanFile(hungry_run(tmp_path) / "plan.jsonl").header)
    history.apply(Retry(1.0, 0, 1, memory_mb=150))
    assert {0: 150} == history.memory_mb
    history.apply(Refresh(2.0, [RefreshedFile("f", "/f", "ab")], unfinished=[0]))

    assert {} == history.memory_mb


def test_the_story_of_the_job_says_with_how_much_it_is_tried_again(tmp_path: Path) -> None:
    directory = hungry_run(tmp_path)
    call(directory, Hungry(120))
    stories = AttemptStories()
    for entry in entries(directory):
        if getattr(entry, "job", None) == 0:
            stories.take(entry)

    assert "tried again with 150 MB of memory" == stories.all[0].after
