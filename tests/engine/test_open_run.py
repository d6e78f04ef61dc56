"""What a run does with the reports of an executor that queues and holds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.engine_fakes import REMOTE, FakeExecutor, FakeTime, World, job, make_run
from markab.engine.hold_limit import HoldLimit
from markab.engine.open_run import _clamped
from markab.engine.run import Outcome, RunOptions, run
from markab.engine.slots import Slots
from markab.errors import NotARun
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Report, Seen
from markab.journal.attempt_story import read_attempts
from markab.journal.progress import Progress
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptHeld, AttemptReleased, AttemptRunning, decode
from markab.plan.machine_texts import RUNS_ALONE


class Queue(FakeExecutor):
    """Reports of every attempt what a test sets, before it ends."""

    script: Sequence[tuple[Seen, str]] = ()
    recovered = Seen.RUNNING

    def submit(self, attempts: Sequence[Attempt]) -> None:
        super().submit(attempts)
        for attempt in attempts:
            self.pending += [
                Report(attempt.id, seen, reason=reason, native_id=f"{attempt.id.job}.0")
                for seen, reason in self.script
            ]

    def wait(self, timeout_s: float) -> Sequence[Report]:
        self.world.on_wait()
        self.time.pass_s(1.1)
        if self.pending:
            return [self.pending.pop(0)]
        return [Report(id, Seen.ENDED, self.world.end(id)) for id in sorted(self.world.alive)]

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        return [Report(attempt.id, self.recovered, reason="quota") for attempt in attempts]


def call(directory: Path, world: World, queue: type[Queue], seen: list[Progress]) -> Outcome:
    time = FakeTime()
    back_ends = {REMOTE: lambda site: queue(world, time)}
    return run(directory, RunOptions(cores=1), seen.append, back_ends=back_ends, clock=time.clock)


def seen_running(directory: Path) -> int:
    entries = [decode(body) for body in JournalReader(directory / "journal.jsonl").bodies()]
    return sum(isinstance(entry, AttemptRunning) for entry in entries)


def test_a_job_that_its_site_holds_is_shown_with_the_reason_and_continues(tmp_path: Path) -> None:
    class Holds(Queue):
        script = (
            (Seen.RUNNING, ""),
            (Seen.HELD, "disk quota exceeded"),
            (Seen.QUEUED, ""),
            (Seen.RUNNING, ""),
        )

    seen: list[Progress] = []
    outcome = call(make_run(tmp_path, [job("a")], executor=REMOTE), World(), Holds, seen)

    assert outcome.state == "success" and outcome.warnings == []
    shown = [(p.queued, p.running, p.jobs[0].held, p.warnings) for p in seen[:-1]]
    assert shown == [
        (1, 0, "", []),
        (0, 1, "", []),
        (1, 0, "disk quota exceeded", ["site 'local' holds a: disk quota exceeded"]),
        (1, 0, "", []),
        (0, 1, "", []),
    ]
    assert seen_running(tmp_path) == 2


def test_what_its_site_says_of_a_job_is_in_the_status_and_the_journal(tmp_path: Path) -> None:
    class Speaks(Queue):
        script = (
            (Seen.QUEUED, "Priority"),
            (Seen.HELD, "disk quota exceeded"),
            (Seen.HELD, "disk quota exceeded"),
            (Seen.RUNNING, ""),
        )

        def wait(self, timeout_s: float) -> Sequence[Report]:
            reports = super().wait(timeout_s)
            return [
                Report(one.id, one.seen, one.record, one.reason, one.native_id, "node7") for one in reports
            ]

    seen: list[Progress] = []
    assert call(make_run(tmp_path, [job("a")], executor=REMOTE), World(), Speaks, seen).state == "success"

    shown = [(p.jobs[0].reason, p.jobs[0].held, p.jobs[0].native_id, p.jobs[0].host) for p in seen[1:5]]
    assert shown == [
        ("Priority", "", "0.0", ""),
        ("", "disk quota exceeded", "0.0", ""),
        ("", "disk quota exceeded", "0.0", ""),
        ("", "", "0.0", "node7"),
    ]
    entries = [decode(body) for body in JournalReader(tmp_path / "journal.jsonl").bodies()]
    told = [one for one in entries if isinstance(one, AttemptHeld | AttemptReleased | AttemptRunning)]
    assert [type(one) for one in told] == [AttemptHeld, AttemptReleased, AttemptRunning]
    [story] = read_attempts(tmp_path / "journal.jsonl", 0)
    assert (story.native_id, story.host, story.held, story.holds) == ("0.0", "node7", "", 1)


class HoldsTheFirst(Queue):
    """Holds the first attempt of each job, and ends it only when it is cancelled."""

    def submit(self, attempts: Sequence[Attempt]) -> None:
        super().submit(attempts)
        self.pending += [
            Report(one.id, Seen.HELD, reason="no quota") for one in attempts if one.id.number == 1
        ]

    def wait(self, timeout_s: float) -> Sequence[Report]:
        self.time.pass_s(10)
        if self.pending:
            return [self.pending.pop(0)]
        return [
            Report(id, Seen.ENDED, self.world.end(id)) for id in sorted(self.world.alive) if id.number > 1
        ]


def test_an_attempt_that_is_held_too_long_is_withdrawn_and_the_next_one_starts(tmp_path: Path) -> None:
    directory = make_run(tmp_path, [job("a", retries=1)], executor=REMOTE, hold_limit_s=60)
    world = World()
    outcome = call(directory, world, HoldsTheFirst, [])

    assert outcome.state == "success" and [id.number for id in world.cancelled] == [1]
    assert "site 'local' held a too long: it is withdrawn, and tried again" in outcome.warnings
    first, second = read_attempts(tmp_path / "journal.jsonl", 0)
    assert first.record is not None and first.record["error"]["kind"] == "held"
    assert first.record["error"]["message"] == "its site held it for 1:00: no quota"
    assert second.record is not None and second.record["ok"]


def test_the_time_in_which_an_engine_was_killed_counts_for_a_held_attempt(tmp_path: Path) -> None:
    clock = FakeTime()
    limit = HoldLimit(60, clock.clock)
    id = AttemptId("r", 0, 1)
    limit.held(id, "no quota", clock.clock.epoch() - 50)
    assert limit.withdraw() == []
    clock.pass_s(5)
    limit.held(id, "still none", clock.clock.epoch())
    clock.pass_s(5)
    assert limit.withdraw() == [id] and limit.withdraw() == []
    limit.held(id, "again", clock.clock.epoch() - 1000)
    assert limit.withdraw() == [] and "still none" in limit.ended(id) and limit.ended(id) == ""


def test_an_attempt_that_was_released_is_not_withdrawn(tmp_path: Path) -> None:
    clock = FakeTime()
    limit = HoldLimit(60, clock.clock)
    id = AttemptId("r", 0, 1)
    limit.held(id, "no quota", clock.clock.epoch())
    limit.over(id)
    clock.pass_s(100)
    assert limit.withdraw() == []


def test_a_job_that_is_held_without_a_reason_is_shown_too(tmp_path: Path) -> None:
    class Holds(Queue):
        script = ((Seen.HELD, ""),)

    seen: list[Progress] = []
    assert call(make_run(tmp_path, [job("a")], executor=REMOTE), World(), Holds, seen).state == "success"
    assert seen[1].warnings == ["site 'local' holds a: it gives no reason"]


@pytest.mark.parametrize("found", [Seen.QUEUED, Seen.HELD])
def test_after_a_crash_what_waits_in_the_queue_is_waited_for(tmp_path: Path, found: Seen) -> None:
    directory, world = make_run(tmp_path, [job("a"), job("b", 0)], executor=REMOTE), World(survives=True)

    def kill_engine() -> None:
        raise MemoryError

    world.on_wait = kill_engine
    with pytest.raises(MemoryError):
        call(directory, world, Queue, [])

    class Finds(Queue):
        recovered = found

    world.on_wait = lambda: None
    seen: list[Progress] = []
    assert call(directory, world, Finds, seen).state == "success"
    assert (seen[0].queued, seen[0].jobs[0].held) == (1, "quota" if found is Seen.HELD else "")
    assert [id.number for id in world.started] == [1, 1] and not seen_running(directory)


def test_a_report_about_an_attempt_that_has_ended_is_ignored(tmp_path: Path) -> None:
    class Late(Queue):
        def wait(self, timeout_s: float) -> Sequence[Report]:
            ended = super().wait(timeout_s)
            return [*ended, *(Report(report.id, Seen.HELD, reason="late") for report in ended)]

    assert (
        call(make_run(tmp_path, [job("a", retries=1)], executor=REMOTE), World(), Late, []).state == "success"
    )


class Loses(Queue):
    """Loses every attempt up to a number of the job's."""

    up_to = 1000

    def wait(self, timeout_s: float) -> Sequence[Report]:
        ended = super().wait(timeout_s)
        reason = "node7 does not answer"
        return [
            Report(report.id, Seen.LOST, reason=reason) if report.id.number <= self.up_to else report
            for report in ended
        ]


def test_an_attempt_that_its_site_lost_is_repeated_and_takes_no_retry(tmp_path: Path) -> None:
    class LosesThree(Loses):
        up_to = 3

    directory, world = make_run(tmp_path, [job("a", retries=0)], executor=REMOTE), World()

    assert call(directory, world, LosesThree, []).state == "success"
    assert [id.number for id in world.started] == [1, 2, 3, 4]


def test_a_job_that_is_lost_again_and_again_fails_with_the_reason(tmp_path: Path) -> None:
    directory, world = make_run(tmp_path, [job("a", retries=1)], executor=REMOTE), World()
    (lost,) = call(directory, world, Loses, []).failed

    assert lost.error == {"kind": "lost", "message": "it was lost at site 'local': node7 does not answer"}
    assert len(world.started) == 5, "three that do not count, the first that does, and its retry"


def test_a_copy_of_a_run_that_is_not_complete_is_refused(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")], executor=REMOTE)
    with open(directory / "braindump.yml", "a", encoding="utf-8") as file:
        file.write(f'submit_dir: "{directory}"\n')
    shutil.copytree(directory, tmp_path / "copy")
    (tmp_path / "link").symlink_to(directory)

    with pytest.raises(NotARun, match="is a copy of '.*run', and both would work in the same scratch"):
        call(tmp_path / "copy", World(), Queue, [])
    assert call(tmp_path / "link", World(), Queue, []).state == "success"


def test_a_run_that_was_moved_goes_on(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")], executor=REMOTE)
    with open(directory / "braindump.yml", "a", encoding="utf-8") as file:
        file.write(f'submit_dir: "{directory}"\n')
    directory.rename(tmp_path / "moved")

    assert call(tmp_path / "moved", World(), Queue, []).state == "success"


def test_the_sites_own_id_of_an_attempt_is_recorded_when_it_runs(tmp_path: Path) -> None:
    class Runs(Queue):
        script = ((Seen.QUEUED, ""), (Seen.RUNNING, ""))

    directory = make_run(tmp_path, [job("a")], executor=REMOTE)
    call(directory, World(), Runs, [])

    (attempt,) = read_attempts(directory / "journal.jsonl", 0)
    assert attempt.native_id == "0.0"


def test_a_job_is_shown_as_queued_until_its_site_runs_it(tmp_path: Path) -> None:
    class Runs(Queue):
        script = ((Seen.QUEUED, ""), (Seen.RUNNING, ""))

    seen: list[Progress] = []
    call(make_run(tmp_path, [job("a")], executor=REMOTE), World(), Runs, seen)

    states = [one.jobs[0].queued for one in seen if one.jobs]
    assert states[0] and not states[-1]


@pytest.mark.parametrize(
    ("jobs", "named"),
    [
        (1, "job j0 needs"),
        (2, "jobs j0, j1 need"),
        (5, "jobs j0, j1, j2, j3, j4 need"),
        (6, "jobs j0, j1, j2, j3, j4 and 1 more need"),
    ],
)
def test_jobs_that_need_more_than_there_is_are_named(jobs: int, named: str) -> None:
    text = _clamped([f"j{n}" for n in range(jobs)], Slots(cores=2, memory_mb=100, gpus=0))

    assert (
        text == f"{named} more than there is, and this machine has 2 cores and 100 MB of memory: {RUNS_ALONE}"
    )
