"""Several runs in one scheduler and one loop: what they share, and what they do not."""

from __future__ import annotations

import os
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from engine.engine_fakes import OK, REMOTE, FakeTime, World, failure, job, make_run
from markab.engine.clock import Clock
from markab.engine.control import request_halt, request_remove
from markab.engine.loop import Loop
from markab.engine.open_run import OpenRun
from markab.engine.run import RunOptions, open_run
from markab.engine.scheduler import Scheduler
from markab.engine.slots import Slots
from markab.engine.waiting_reason import WaitingReason, Why
from markab.errors import IllegalTransition, JobRejected
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt
from markab.executors.local import LocalExecutor
from markab.executors.registry import Executors
from markab.journal.lifecycle import State
from markab.journal.progress import Progress
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, AttemptStart, RunEnd, RunStart, decode
from markab.plan.model import LOCAL, Kind, PlannedTask, PlanSite, local_directory
from markab.plan.plan_file import JobOutline

BIG = Slots(cores=8, memory_mb=1000, gpus=2)


def outline(id: str, *parents: int, **more: object) -> JobOutline:
    return JobOutline(id=id, kind=more.pop("kind", Kind.COMPUTE), parents=list(parents), **more)  # type: ignore[arg-type]


def names(attempts: Sequence[AttemptId]) -> list[str]:
    return [f"{attempt.run}{attempt.job}" for attempt in attempts]


# -- the scheduler ---------------------------------------------------------------


def test_runs_share_slots_and_take_turns_by_priority_then_addition_then_position() -> None:
    scheduler = Scheduler(Slots(3, 1000, 0))
    scheduler.add("b", [outline("x"), outline("y", priority=1), outline("z")])
    scheduler.add("a", [outline("x"), outline("y", priority=1)])

    first = scheduler.starts()
    assert names(first) == ["b1", "a1", "b0"]
    for attempt in first:
        scheduler.ended(attempt, True)
    assert names(scheduler.starts()) == ["b2", "a0"]


def test_a_category_is_one_throttle_for_all_runs_with_the_smallest_limit() -> None:
    scheduler = Scheduler(BIG)
    scheduler.add("a", [outline(f"j{n}", category="io") for n in range(5)], limits={"io": 3})
    assert names(scheduler.starts()) == ["a0", "a1", "a2"]

    scheduler.add("b", [outline("j", category="io", priority=9)], limits={"io": 2})
    scheduler.ended(AttemptId("a", 0, 1), True)
    assert scheduler.starts() == [], "two are alive, and the second run allows no more"
    scheduler.ended(AttemptId("a", 1, 1), True)
    assert names(scheduler.starts()) == ["b0"]
    scheduler.validate()


def test_the_smallest_number_of_jobs_at_once_holds_for_all_runs() -> None:
    scheduler = Scheduler(BIG)
    scheduler.add("a", [outline(f"j{n}") for n in range(5)], max_jobs=3)
    scheduler.add("b", [outline("j")], max_jobs=5)
    assert len(scheduler.starts()) == 3
    assert scheduler.why_waiting("b", 0) == WaitingReason(Why.MAX_JOBS, limit=3)


def test_a_run_is_added_while_another_works_and_dropped_while_it_continues() -> None:
    scheduler = Scheduler(Slots(1, 1000, 0))
    scheduler.add("a", [outline("x"), outline("y", 0)])
    (first,) = scheduler.starts()
    scheduler.add("b", [outline("x", priority=1)])
    with pytest.raises(ValueError, match="'b' is not finished"):
        scheduler.forget("b")
    scheduler.ended(first, True)
    (second,) = scheduler.starts()
    assert second.run == "b" and not scheduler.is_finished("b")
    scheduler.ended(second, True)

    assert scheduler.is_finished("b") and scheduler.counts("b")[State.SUCCEEDED] == 1
    scheduler.forget("b")
    scheduler.validate()
    with pytest.raises(IllegalTransition, match="no run 'b'"):
        scheduler.counts("b")
    assert names(scheduler.starts()) == ["a1"] and not scheduler.is_finished("a")


def test_a_dropped_run_leaves_nothing_behind() -> None:
    scheduler = Scheduler(Slots(4, 1000, 0))
    jobs = [outline(f"j{n}", kind=Kind.STAGE_IN) for n in range(5000)]
    scheduler.add("first", jobs)  # groups and throttles stay: there is one of each
    scheduler.halt("first")
    scheduler.forget("first")
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for n in range(3):
        scheduler.add(f"run{n}", jobs)
        scheduler.halt(f"run{n}")
        scheduler.forget(f"run{n}")
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 30_000 < peak - before, "the last events are kept, and nothing a job"


def test_halting_or_removing_a_run_leaves_the_others_alone() -> None:
    scheduler = Scheduler(Slots(2, 1000, 0))
    scheduler.add("a", [outline(f"j{n}") for n in range(3)])
    scheduler.add("b", [outline(f"j{n}") for n in range(3)])
    first, second = scheduler.starts()

    assert scheduler.remove("a") == [first, second]
    scheduler.validate()
    for attempt in (first, second):
        scheduler.ended(attempt, False)
    assert scheduler.is_finished("a") and names(scheduler.starts()) == ["b0", "b1"]
    assert scheduler.why_waiting("a", 2) == WaitingReason(Why.STOPPED)
    scheduler.halt("b")
    assert not scheduler.is_finished("b")
    scheduler.validate()


def test_a_run_that_does_not_keep_going_stops_itself_only() -> None:
    scheduler = Scheduler(Slots(1, 1000, 0))
    scheduler.add("a", [outline("x"), outline("y")], keep_going=False)
    scheduler.add("b", [outline("x")])
    scheduler.ended(scheduler.starts()[0], False)

    assert scheduler.is_finished("a") and names(scheduler.starts()) == ["b0"]


def test_a_run_that_is_refused_leaves_no_trace() -> None:
    scheduler = Scheduler(BIG)
    scheduler.add("a", [outline(f"j{n}", category="io") for n in range(3)])
    with pytest.raises(JobRejected):
        scheduler.add("b", [outline("train", gpus=3)], limits={"io": 1}, max_jobs=1)
    scheduler.add("b", [])
    assert scheduler.is_finished("b") and len(scheduler.starts()) == 3
    with pytest.raises(IllegalTransition, match="added twice"):
        scheduler.add("a", [])


def test_the_reason_names_what_is_short() -> None:
    scheduler = Scheduler(Slots(2, 100, 0))
    jobs = [
        outline("a", cores=2, priority=9),
        outline("b", memory_mb=60),
        outline("c", 0, 1),
        outline("d", kind=Kind.STAGE_IN, category="in", priority=1),
        outline("e", kind=Kind.STAGE_IN, category="in"),
    ]
    scheduler.add("r", jobs, limits={"in": 1})
    a, _ = scheduler.starts()

    assert scheduler.why_waiting("r", 0) is None
    lacking = WaitingReason(Why.SLOT, resource="cores", wanted=1, used=2, total=2)
    assert scheduler.why_waiting("r", 1) == lacking
    assert scheduler.why_waiting("r", 2) == WaitingReason(Why.PARENTS, parents=2)
    assert scheduler.unfinished_parents("r", 2) == [0, 1]
    assert scheduler.why_waiting("r", 4) == WaitingReason(Why.CATEGORY, category="in", limit=1)
    scheduler.ended(a, False)
    assert scheduler.why_waiting("r", 1) == WaitingReason(Why.TURN)
    assert scheduler.why_waiting("r", 2) == WaitingReason(Why.FAILED_PARENT)


def test_what_is_kept_free_for_a_larger_job_is_named_as_the_reason() -> None:
    scheduler = Scheduler(Slots(2, 1000, 0))
    scheduler.add("r", [outline("runs"), outline("big", cores=2, priority=1), *[outline("s")] * 200],
                  under_way=[0], attempts=[1] + [0] * 201)  # fmt: skip
    while small := scheduler.starts():
        scheduler.ended(small[0], True)

    assert scheduler.why_waiting("r", 201) == WaitingReason(Why.RESERVED)


def test_a_held_attempt_has_its_reason_until_another_state_is_reported() -> None:
    scheduler = Scheduler(BIG)
    scheduler.add("r", [outline("a")])
    (a,) = scheduler.starts()
    scheduler.seen_running(a)

    scheduler.seen_held(a, "disk quota exceeded")
    assert scheduler.why_waiting("r", 0) == WaitingReason(Why.ON_HOLD, text="disk quota exceeded")
    assert scheduler.state("r", 0) is State.QUEUED
    scheduler.seen_queued(a)
    assert scheduler.why_waiting("r", 0) is None
    scheduler.seen_held(a, "again")
    scheduler.ended(a, True)
    assert scheduler.why_waiting("r", 0) is None
    scheduler.validate()


def test_an_illegal_event_is_reported_with_the_history_of_the_job() -> None:
    scheduler = Scheduler(BIG)
    scheduler.add("r", [outline("a", retries=1)], name_of=lambda position: f"job {'abc'[position]!r}")
    (first,) = scheduler.starts()
    scheduler.seen_running(first)
    scheduler.ended(first, False)

    with pytest.raises(IllegalTransition) as caught:
        scheduler.ended(first, True)
    assert str(caught.value) == (
        "job 'a' (position 0 of run 'r') is ready after attempt 1 with 1 failures: a report about attempt 1 "
        "cannot happen; its last events: parents_done, submitted, started, retry"
    )
    assert "report it with the journal" in caught.value.hint


# -- the loop --------------------------------------------------------------------


class Engine:
    """Two submit directories, one after the other opened by every call of the engine."""

    def __init__(self, top: Path, world: World, cores: int = 2) -> None:
        self.top, self.world, self.time = top, world, FakeTime()
        self.slots = Slots(cores, 100, 0)
        self.runs: dict[str, OpenRun] = {}
        self.finished: list[str] = []
        self.observer: Callable[[Progress], None] | None = None

    def make(self, name: str, jobs: int, executor: str = LOCAL) -> None:
        chain = [job(f"{name}{n}", *([n - 3] if n >= 3 else []), retries=1) for n in range(jobs)]
        site = PlanSite(executor, local_directory("local", f"{self.top}/{name}/scratch"))
        make_run(self.top / name, chain, {"local": site}, uuid=name)

    def call(self, *first: str, later: Sequence[str] = ()) -> None:
        """Run; those of `later` are added while the others are running."""
        self.runs, self.finished = {}, []
        waiting = list(later)
        executors = Executors(self.world.back_ends(self.time))
        with ExitStack() as stack, closing(executors):
            loop = Loop(Scheduler(self.slots), self.time.clock, 0.0, lambda run: self.finished.append(run.id))

            def add(name: str) -> None:
                self.runs[name] = open_run(
                    self.top / name,
                    executors,
                    stack,
                    RunOptions(),
                    clock=self.time.clock,
                    look=lambda *place: True,
                    observer=self.observer,
                )
                loop.add(self.runs[name])

            def add_later(attempts: Sequence[Attempt]) -> None:
                if waiting and len(self.world.started) >= 3:
                    add(waiting.pop())

            self.world.on_submit = add_later
            for name in first:
                add(name)
            loop.run()

    def check_journal(self, name: str) -> None:
        """Each journal has its own run, and nothing else."""
        entries = [decode(body) for body in JournalReader(self.top / name / "journal.jsonl").bodies()]
        assert {entry.uuid for entry in entries if isinstance(entry, RunStart)} == {name}
        assert all(entry.id.startswith(name) for entry in entries if isinstance(entry, AttemptStart))
        started = [(e.job, e.attempt) for e in entries if isinstance(e, AttemptStart)]
        ended = [(e.job, e.attempt) for e in entries if isinstance(e, AttemptEnd)]
        assert sorted(started) == sorted(ended) and len(set(started)) == len(started)
        last = entries[-1]
        assert isinstance(last, RunEnd) and last.outcome == "success"


@pytest.mark.parametrize(
    ("executor", "at_once"), [(LOCAL, 2), (REMOTE, 5)], ids=["share the slots", "have an executor each"]
)
def test_two_plans_run_together_and(tmp_path: Path, executor: str, at_once: int) -> None:
    engine = Engine(tmp_path, World(ends_at_once=1))
    engine.make("a", 12)
    engine.make("b", 6, executor)
    engine.call("a", later=["b"])

    assert {run.outcome for run in engine.runs.values()} == {"success"}
    assert engine.world.most_alive == at_once
    assert engine.world.done == {("a", n) for n in range(12)} | {("b", n) for n in range(6)}
    assert sorted(engine.finished) == ["a", "b"]
    for name in ("a", "b"):
        engine.check_journal(name)


class Crash(BaseException):
    """The engine was killed."""


@pytest.mark.parametrize("survives", [False, True], ids=["jobs end too", "jobs run on"])
def test_killed_at_any_moment_both_runs_are_continued(tmp_path: Path, survives: bool) -> None:
    for at in range(1, 60):
        world = World(lambda a: OK if a.id.number > 1 or a.id.job % 4 else failure(), survives=survives,
                      ends_at_once=1, seed=at)  # fmt: skip
        engine = Engine(tmp_path / f"{survives}{at}", world)
        engine.make("a", 5)
        engine.make("b", 4)
        waits = 0

        def crash() -> None:
            nonlocal waits
            waits += 1
            if waits == at:  # noqa: B023  # the function does not outlive this turn
                raise Crash

        world.on_wait = crash
        try:
            engine.call("a", "b")
        except Crash:
            if not survives:
                world.alive.clear()
            engine.call("b", "a")
        assert world.most_alive <= 2 and not world.alive
        for name in ("a", "b"):
            engine.check_journal(name)
        if waits < at:
            return
    raise AssertionError("it never ends without a crash")


def test_one_run_is_halted_and_another_removed_while_a_third_continues(tmp_path: Path) -> None:
    engine = Engine(tmp_path, World(ends_at_once=1), cores=3)
    for name in ("a", "b", "c"):
        engine.make(name, 9)

    def stop() -> None:
        if len(engine.world.succeeded) == 1:
            request_halt(tmp_path / "a")
            request_remove(tmp_path / "b")

    engine.world.on_wait = stop
    engine.call("a", "b", "c")

    assert {name: run.outcome for name, run in engine.runs.items()} == {
        "a": "halted",
        "b": "removed",
        "c": "success",
    }
    assert engine.finished[-1] == "c"
    engine.world.on_wait = lambda: None
    engine.call("a", "b")
    for name in ("a", "b", "c"):
        engine.check_journal(name)


def test_publishing_many_runs_takes_a_small_share_of_the_time_and_forgets_none(tmp_path: Path) -> None:
    engine = Engine(tmp_path, World(ends_at_once=1), cores=1)
    names = [f"r{n}" for n in range(8)]
    for name in names:
        engine.make(name, 200)
    seen: Counter[str] = Counter()

    def observe(progress: Progress) -> None:
        if progress.outcome is None:
            seen[progress.uuid] += 1
            engine.time.pass_s(0.02)

    engine.observer, started_s = observe, engine.time.now_s
    engine.call(*names)

    assert sum(seen.values()) * 0.02 < 0.06 * (engine.time.now_s - started_s) + 0.15
    assert min(seen[name] for name in names) >= 1


# -- this machine ----------------------------------------------------------------


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    yield


def trainings(top: Path, name: str, other: str, jobs: int) -> Path:
    """Make a run whose jobs take a GPU each, and wait for each other: job n of a run for job n of the other."""
    meet = f"touch {top}/{name}.$0; while [ ! -e {top}/{other}.$0 ]; do sleep 0.01; done"
    planned = []
    for n in range(jobs):
        arguments = f"-c '{meet}; echo $CUDA_VISIBLE_DEVICES' {n}"
        task = PlannedTask("train", "sh", "/bin/sh", arguments)
        planned.append(job(f"{name}{n}", *([n - 1] if n else []), gpus=1, tasks=[task]))
    return make_run(top / name, planned, uuid=f"{name}-{os.getpid()}")


@pytest.mark.usefixtures("two_gpus")
def test_two_runs_on_this_machine_share_one_launcher_and_never_a_gpu(tmp_path: Path) -> None:
    made: list[LocalExecutor] = []

    def make(site: PlanSite) -> LocalExecutor:
        made.append(LocalExecutor())
        return made[-1]

    slots = Slots(2, 100, 2)
    finished: list[OpenRun] = []
    launchers: set[int] = set()

    def observe(progress: Progress) -> None:
        launchers.update(one._launcher.pid for one in made if progress.running)

    executors = Executors({"local": make})
    with ExitStack() as stack, closing(executors):
        loop = Loop(Scheduler(slots), Clock(), 1.0, finished.append)
        for name, other in (("a", "b"), ("b", "a")):
            directory = trainings(tmp_path, name, other, 5)
            loop.add(open_run(directory, executors, stack, observer=observe))
        loop.run()

    assert [run.outcome for run in finished] == ["success", "success"]
    assert len(made) == len(launchers) == 1
    devices = [printed(tmp_path / name) for name in ("a", "b")]
    assert all(sorted(pair) == ["0\n", "1\n"] for pair in zip(*devices, strict=True)), devices


def printed(directory: Path) -> list[str]:
    """What the jobs of a run printed, in the order of their ends."""
    entries = [decode(body) for body in JournalReader(directory / "journal.jsonl").bodies()]
    return [entry.record["stdout"] for entry in entries if isinstance(entry, AttemptEnd)]
