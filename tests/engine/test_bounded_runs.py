"""Runs whose scratch has a bound: it holds at every moment, and nothing waits forever."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.engine_fakes import FakeTime, World, job, make_run
from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab import operations
from markab.cli.run_output import end_text
from markab.engine.partial_job import FailedParent, partial_job
from markab.engine.recovered_space import recovered_space
from markab.engine.recovery import Recovery
from markab.engine.run import Outcome, RunOptions, run
from markab.engine.scheduler import Scheduler
from markab.engine.scratch_space import ScratchSpace
from markab.engine.slots import Slots
from markab.engine.waiting_reason import Why
from markab.errors import MarkabError, PlanningError
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record
from markab.journal.lifecycle import State
from markab.journal.progress import ScratchUse, read_progress
from markab.journal.reader import JournalReader
from markab.journal.records import Entry as JournalEntry
from markab.journal.records import NoRoom, decode
from markab.plan.model import BoundedScratch, Input, JobSpace, Kind, Output, PlannedJob, PlannedTask
from markab.plan.plan_file import PlanFile
from markab.reports.statistics.text import summary_text
from markab.reports.statistics.tree_statistics import read_statistics

RUN = "run"
MAXSPACE = "pegasus.file.cleanup.constraint.maxspace"


def bounded_plan(bench: Bench, tasks: list[Entry], bound: int, **properties: str) -> MadePlan:
    return bench.plan(
        *tasks,
        workflow={"name": f"w{bound}"},
        cleanup="constraint",
        properties={MAXSPACE: str(bound), **properties},
        sites=["condorpool"],
    )


def site(path: Path) -> Entry:
    directory = {
        "type": "sharedScratch",
        "path": str(path),
        "fileServers": [{"url": f"file://{path}", "operation": "all"}],
    }
    return {"name": "condorpool", "directories": [directory]}


@st.composite
def workflows(draw: st.DrawFn) -> list[Entry]:
    """Return tasks that each make files of some sizes, and read inputs of the workflow and files of tasks before."""
    tasks, made = [], ["raw0", "raw1", "raw2"]
    for number in range(draw(st.integers(1, 12))):
        reads = draw(st.sets(st.sampled_from(made), max_size=3))
        entry = task(f"t{number}", " ".join(sorted(reads)))
        for one in range(draw(st.integers(1, 2))):
            lfn, size = f"f{number}.{one}", draw(st.integers(0, 1000))
            made.append(lfn)
            is_result = draw(st.booleans())
            entry["uses"].append({"lfn": lfn, "type": "output", "size": size, "stageOut": is_result})
        tasks.append(entry)
    return tasks


def enough(error: PlanningError) -> int:
    """Return the bound that an error says is enough."""
    found = re.search(r"maxspace=(\d+)`", error.problems[0].hint)
    assert found, error
    return int(found[1])


class SimulatedRun:
    """A run with the real scheduler, whose attempts end in any order, and sometimes fail; files appear at once when a job starts."""

    def __init__(
        self, file: PlanFile, space: ScratchSpace, seed: int, actual: Callable[[int], int], chance: float = 0
    ) -> None:
        self.jobs = list(file.jobs())
        self.space = space
        self.random = random.Random(seed)
        self.chance = chance
        self.scheduler = Scheduler(Slots(4, 10_000, 0))
        self.scheduler.add(RUN, file.outline, space=space, limits=file.header.limits)
        self.predicted = predicted_sizes(self.jobs)
        self.size = {lfn: actual(size) for lfn, size in self.predicted.items()}
        self.files: dict[str, int] = {}
        self.copies: dict[int, int] = {}
        self.peak = 0

    def run(self, bound: int) -> None:
        alive: list[AttemptId] = []
        while True:
            started = self.scheduler.starts(self.random.randint(1, 5))
            for attempt in started:
                self.start(attempt.job)
                used = sum(self.files.values()) + sum(self.copies.values())
                self.peak = max(self.peak, used)
                assert used <= bound, f"{self.jobs[attempt.job].id} fills scratch to {used}, above {bound}"
            self.scheduler.validate()
            alive += started
            if self.scheduler.is_finished(RUN):
                return
            for position, state in enumerate(self.scheduler.states(RUN)):
                if state == State.PAUSED:
                    self.scheduler.pause_over(RUN, position)
            if alive:
                self.end(alive.pop(self.random.randrange(len(alive))))

    def start(self, position: int) -> None:
        job = self.jobs[position]
        if job.kind is Kind.COMPUTE:
            if job.data != "sharedfs":
                self.copies[position] = sum(self.size[one.lfn] for one in job.inputs)
            self.files |= {one.lfn: self.size[one.lfn] for one in job.outputs}
        elif job.kind is Kind.STAGE_IN:
            self.files |= {one.lfn: self.size[one.lfn] for one in job.transfers}

    def end(self, attempt: AttemptId) -> None:
        job, position = self.jobs[attempt.job], attempt.job
        self.copies.pop(position, None)
        failed = self.scheduler.failed_parents(RUN).get(position, ())
        if self.random.random() < self.chance:
            self.fail(attempt, job)
        elif failed:
            parents = [FailedParent(self.jobs[one], self.scheduler.state(RUN, one), ()) for one in failed]
            removes = partial_job(job, parents).job.removes
            self.scheduler.ended(attempt, False, worth_retrying=False, incomplete=True)
            self.remove(position, removes)
        else:
            self.scheduler.ended(attempt, True)
            self.remove(position, job.removes)
            made = job.transfers if job.kind is Kind.STAGE_IN else job.outputs
            self.space.succeeded(position, {one.lfn: self.size[one.lfn] for one in made})

    def fail(self, attempt: AttemptId, job: PlannedJob) -> None:
        """A transfer that fails has brought its files all the same; a job leaves nothing once it is given up."""
        self.scheduler.ended(attempt, False)
        if self.scheduler.state(RUN, attempt.job) != State.FAILED:
            self.space.returned(attempt.job)
            return
        for made in job.outputs:
            self.files.pop(made.lfn, None)
        brought = job.transfers if job.kind is Kind.STAGE_IN else ()
        self.space.gave_up(attempt.job, {one.lfn: self.size[one.lfn] for one in brought}, keeps_files=False)

    def remove(self, position: int, removes: list[str]) -> None:
        for lfn in removes:
            self.files.pop(lfn, None)
        self.space.removed(position, removes)


def predicted_sizes(jobs: list[PlannedJob]) -> dict[str, int]:
    """Return the sizes that the plan counts on; of inputs their own."""
    sizes = {one.lfn: one.size_bytes or 0 for job in jobs for one in job.transfers}
    for planned in jobs:
        if planned.space:
            removes = planned.removes
            sizes.update(zip(removes, planned.space.frees_bytes, strict=True) if removes else ())
            sizes.update(planned.space.kept_bytes)
    return sizes


def made_space(file: PlanFile) -> ScratchSpace:
    space = recovered_space(file, Recovery(file.header))
    assert space is not None
    return space


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(
    workflows(),
    st.sampled_from(["condorio", "nonsharedfs", "sharedfs"]),
    st.floats(1, 2),
    st.integers(0, 1 << 30),
    st.booleans(),
)
def test_scratch_stays_below_its_bound_at_every_moment_and_the_run_ends(
    tasks: list[Entry], data: str, more: float, seed: int, are_smaller: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        bench.has("raw0", "raw1", "raw2")
        bench.sites.append(site(Path(name) / "scratch"))
        bound = 0
        try:
            made = bounded_plan(bench, tasks, 1, **{"pegasus.data.configuration": data})
        except PlanningError as error:
            bound = int(enough(error) * more)
            made = bounded_plan(bench, tasks, bound, **{"pegasus.data.configuration": data})
        assert made.planned.submit_dir is not None
        file = PlanFile(made.planned.submit_dir / "plan.jsonl")
        assert all(one.predicted_bytes <= max(1, bound) for one in made.header.scratch.values())
        chance = random.Random(seed)
        simulated = SimulatedRun(
            file, made_space(file), seed, lambda size: chance.randint(0, size) if are_smaller else size
        )
        simulated.run(max(1, bound))
        file.close()

    states = simulated.scheduler.states(RUN)
    assert states.count(State.SUCCEEDED) == len(states), "no job waits for room forever"
    assert simulated.files == {}
    for use in simulated.space.use().values():
        assert (use.present, use.reserved) == (0, 0)
        assert use.peak <= simulated.peak


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(workflows(), st.floats(1, 2), st.integers(0, 1 << 30))
def test_the_bound_holds_whatever_fails(tasks: list[Entry], more: float, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        bench.has("raw0", "raw1", "raw2")
        bench.sites.append(site(Path(name) / "scratch"))
        bound = 1
        try:
            made = bounded_plan(bench, tasks, 1)
        except PlanningError as error:
            bound = int(enough(error) * more)
            made = bounded_plan(bench, tasks, bound)
        assert made.planned.submit_dir is not None
        file = PlanFile(made.planned.submit_dir / "plan.jsonl")
        simulated = SimulatedRun(file, made_space(file), seed, lambda size: size, chance=0.3)
        simulated.run(bound)
        file.close()
    counts = simulated.scheduler.counts(RUN)
    assert not simulated.scheduler.alive
    assert counts[State.READY] == simulated.space.waiting, (
        "what is left waits for room, or for a job that failed"
    )


def call(directory: Path, world: World, **options: Any) -> Outcome:
    time = FakeTime()
    return run(
        directory,
        RunOptions(**{"cores": 8, "memory_mb": 100, "gpus": 0, **options}),
        back_ends=world.back_ends(time),
        clock=time.clock,
        look=lambda site, place, size_bytes: True,  # fake jobs make no real files
    )


def journal(directory: Path) -> list[JournalEntry]:
    return [decode(body) for body in JournalReader(directory / "journal.jsonl").bodies()]


def file_job(name: str, *parents: int, makes: int, order: int, reads: str = "") -> PlannedJob:
    """Return a job that makes one file, of this predicted size."""
    return job(
        name,
        *parents,
        outputs=[Output(name)],
        inputs=[Input(lfn) for lfn in reads.split()],
        data="sharedfs",
        space=JobSpace(order, 0, makes),
    )


def cleanup_job(name: str, *parents: int, removes: dict[str, int], order: int) -> PlannedJob:
    space = JobSpace(order, frees_bytes=list(removes.values()))
    return job(name, *parents, kind=Kind.CLEANUP, removes=list(removes), space=space)


def sizes_are(**sizes: int) -> Callable[[Attempt], Record]:
    """Return a verdict: attempts succeed, and their files have these sizes."""
    return lambda attempt: {
        "ok": True,
        "outputs": [{"lfn": one.lfn, "size": sizes[one.lfn]} for one in attempt.job.outputs],
    }


def bounded_run(directory: Path, bound: int) -> Path:
    """Two jobs that make a file each, one that reads both, and one that does not fit beside them before they are removed."""
    jobs = [
        file_job("a", makes=40, order=0),
        file_job("b", makes=40, order=1),
        file_job("c", 0, 1, makes=10, order=2, reads="a b"),
        cleanup_job("clean", 0, 1, 2, removes={"a": 40, "b": 40}, order=3),
        file_job("d", makes=40, order=4),
    ]
    return make_run(directory, jobs, scratch={"local": BoundedScratch(bound, 90)})


def test_a_job_without_room_starts_when_files_were_removed(tmp_path: Path) -> None:
    directory = bounded_run(tmp_path / "run", 100)
    world = World(sizes_are(a=40, b=40, c=10, d=40))

    assert call(directory, world).state == "success"

    order = [attempt.job for attempt in world.started]
    assert order.index(4) > order.index(3), "d waits until a and b are removed"
    status = read_progress(directory / "status.json")
    assert status is not None
    assert status.scratch == {"local": ScratchUse(100, present=50, peak=90, predicted=90)}


def test_a_job_starts_in_the_room_of_files_that_were_removed_beside_others_that_a_failed_job_needs(
    tmp_path: Path,
) -> None:
    jobs = [
        file_job("a", makes=40, order=0),
        file_job("b", makes=40, order=1),
        file_job("c", 1, makes=10, order=2, reads="b"),
        cleanup_job("clean", 0, 1, 2, removes={"a": 40, "b": 40}, order=3),
        file_job("d", makes=40, order=4),
    ]
    directory = make_run(tmp_path / "run", jobs, scratch={"local": BoundedScratch(90, 90)})
    made = sizes_are(a=40, b=40, c=10, d=40)
    world = World(lambda attempt: {"ok": False} if attempt.job.id == "c" else made(attempt))

    assert call(directory, world).state == "failed"

    assert sorted(world.succeeded) == [0, 1, 4]
    order = [attempt.job for attempt in world.started]
    assert order.index(4) > order.index(3), "d waits until a is removed"


def test_files_that_are_smaller_than_predicted_let_others_start_earlier(tmp_path: Path) -> None:
    world = World(sizes_are(a=1, b=1, c=10, d=40))

    assert call(bounded_run(tmp_path / "run", 100), world).state == "success"

    order = [attempt.job for attempt in world.started]
    assert order.index(4) < order.index(3), "there is room for d as soon as a and b are there"


def test_files_that_are_too_large_end_the_run_which_a_larger_bound_continues(tmp_path: Path) -> None:
    directory = bounded_run(tmp_path / "run", 100)
    world = World(sizes_are(a=60, b=35, c=10, d=40))

    outcome = call(directory, world)

    assert outcome.state == "failed"
    (warning,) = outcome.warnings
    assert "job c needs 10 bytes beside the 95 bytes that are in use, 5 bytes too many" in warning
    found = re.search(r"`markab run --max-scratch (\d+) \S+`", warning)
    assert found
    assert int(found[1]) == 105
    (record,) = [entry for entry in journal(directory) if isinstance(entry, NoRoom)]
    assert record.job == 2
    assert call(directory, world).state == "failed", "without a larger bound, nothing has changed"
    assert call(directory, world, max_scratch_bytes=int(found[1])).state == "success"
    assert sorted(world.succeeded) == [0, 1, 2, 3, 4], "what had succeeded is not run again"


def test_a_job_whose_files_exceed_the_bound_is_named(tmp_path: Path) -> None:
    outcome = call(bounded_run(tmp_path / "run", 100), World(sizes_are(a=160, b=35, c=10, d=40)))

    assert any(
        "the scratch of site 'local' has 60 bytes more than its bound of 100 bytes: the files of job a are larger"
        in each
        for each in outcome.warnings
    )


def test_a_bound_cannot_be_given_to_a_plan_without_one(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])

    with pytest.raises(MarkabError, match="the plan has no bound") as caught:
        call(directory, World(), max_scratch_bytes=5)
    assert "--cleanup constraint" in caught.value.hint


def test_why_says_that_a_job_waits_for_room(tmp_path: Path) -> None:
    file = PlanFile(bounded_run(tmp_path / "run", 100) / "plan.jsonl")
    scheduler, space = Scheduler(Slots(8, 1000, 0)), made_space(file)
    scheduler.add(RUN, file.outline, space=space)

    assert [attempt.job for attempt in scheduler.starts()] == [0, 1]

    reason = scheduler.why_waiting(RUN, 4)
    assert reason is not None
    assert (reason.why, reason.wanted, reason.used, reason.total) == (Why.SPACE, 40, 80, 100)
    file.close()


def test_when_a_program_makes_more_than_predicted_its_other_jobs_are_taken_to_make_as_much(
    tmp_path: Path,
) -> None:
    """Predicted: four files of 10 bytes, three of which fit; each has 30."""
    jobs = []
    for number in range(4):
        made = file_job(f"f{number}", makes=10, order=2 * number)
        made.tasks = [PlannedTask(f"t{number}", "tool", "/bin/true")]
        jobs.append(made)
    jobs += [
        cleanup_job(f"c{number}", number, removes={f"f{number}": 10}, order=2 * number + 1)
        for number in range(4)
    ]
    directory = make_run(tmp_path / "run", jobs, scratch={"local": BoundedScratch(35, 10)})
    world = World(sizes_are(f0=30, f1=30, f2=30, f3=30), ends_at_once=1)

    assert call(directory, world, cores=1).state == "success"

    status = read_progress(directory / "status.json")
    assert status is not None
    assert status.scratch["local"].peak == 30, "the second starts when the first is removed"


def test_status_and_statistics_show_how_full_scratch_was(tmp_path: Path) -> None:
    directory = bounded_run(tmp_path / "run", 100)
    world = World(sizes_are(a=40, b=40, c=10, d=40))
    call(directory, world)
    call(directory, world)  # it finds nothing left to run

    shown = "scratch at local: 50 B of 100 B; at most 90 B so far, 90 B as planned"
    assert shown in operations.read_status(directory).text()
    assert shown in summary_text(read_statistics(directory))
    assert operations.read_status(directory).to_json()["scratch"]["local"]["peak"] == 90


def test_a_run_that_ended_for_lack_of_room_says_so_in_its_status(tmp_path: Path) -> None:
    directory = bounded_run(tmp_path / "run", 100)
    call(directory, World(sizes_are(a=60, b=35, c=10, d=40)))

    status = operations.read_status(directory, why=True)

    assert status.state == "Failure"
    assert "stopped: no job has room in the scratch of site 'local'" in status.note
    assert "markab run --max-scratch 105 " in status.note
    assert {group.word for group in status.waiting} >= {"space"}


def test_the_last_lines_of_a_run_without_room_do_not_offer_the_command_that_ends_alike(
    tmp_path: Path,
) -> None:
    directory = bounded_run(tmp_path / "run", 100)
    call(directory, World(sizes_are(a=60, b=35, c=10, d=40)))

    text = end_text(operations.read_result(directory), "failed")

    assert "  continue with a larger bound: `markab run --max-scratch 105 " in text
    assert "continue: markab run" not in text
