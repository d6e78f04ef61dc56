"""Whatever fails of a planned workflow: nothing that is still needed is removed, and all that can be delivered is."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kit.planned_workflow import Bench, Entry, task
from markab.engine.partial_job import FailedParent, partial_job, served_children
from markab.engine.scheduler import Scheduler
from markab.engine.slots import Slots
from markab.executors.attempt_id import AttemptId
from markab.journal.lifecycle import State
from markab.plan.model import Kind, PlannedJob
from markab.plan.plan_file import PlanFile
from markab.planner.planning import plan

RUN = "run"


@st.composite
def workflows(draw: st.DrawFn) -> list[Entry]:
    """Return tasks that each make a file and read inputs of the workflow and files of tasks before."""
    tasks = []
    for number in range(draw(st.integers(2, 14))):
        before = [f"f{n}" for n in range(number)]
        reads = draw(st.sets(st.sampled_from(["raw0", "raw1", "raw2", *before]), max_size=3))
        entry = task(f"t{number}", " ".join(sorted(reads)), f"f{number}")
        entry["uses"][-1]["stageOut"] = draw(st.booleans())
        tasks.append(entry)
    return tasks


class Files:
    """The files of a run, as its jobs would make, move and remove them; jobs fail at random."""

    def __init__(self, jobs: list[PlannedJob], seed: int) -> None:
        self.jobs = jobs
        self.random = random.Random(seed)
        self.scratch: set[str] = set()
        self.delivered: set[str] = set()
        self.made: set[str] = set()
        self.registered: set[str] = set()
        self.is_removed = False

    def call(self, file: PlanFile, done: list[bool], attempts: list[int], chance: float) -> None:
        """One call of the engine, in which attempts and transfers fail with some chance."""
        scheduler = Scheduler(Slots(2, 1000, 0))
        scheduler.add(RUN, file.outline, succeeded=done, attempts=attempts)
        self.arrived: dict[int, set[str]] = {}
        while not scheduler.is_finished(RUN):
            for attempt in scheduler.starts():
                self.attempt(scheduler, attempt, chance)
                scheduler.validate()
            for job, state in enumerate(scheduler.states(RUN)):
                if state == State.PAUSED:
                    scheduler.pause_over(RUN, job)
        for job, state in enumerate(scheduler.states(RUN)):
            done[job] = state == State.SUCCEEDED
            attempts[job] = scheduler.attempt(RUN, job).number

    def attempt(self, scheduler: Scheduler, attempt: AttemptId, chance: float) -> None:
        position = attempt.job
        job, incomplete = self.jobs[position], ""
        if failed := scheduler.failed_parents(RUN).get(position):
            parents = [
                FailedParent(self.jobs[p], scheduler.state(RUN, p), self.arrived.get(p, ())) for p in failed
            ]
            job, incomplete = partial_job(job, parents)
        states = scheduler.states(RUN)
        ok, served = self.do(position, job, states, chance)
        if ok and incomplete:
            scheduler.ended(attempt, False, worth_retrying=False, incomplete=True, served=served)
        else:
            scheduler.ended(attempt, ok, served=served)

    def do(self, position: int, job: PlannedJob, states: bytes, chance: float) -> tuple[bool, list[int]]:
        """Do a job; return whether all of it succeeded, and the children that go on if it did not."""
        if job.kind in (Kind.STAGE_IN, Kind.STAGE_OUT):
            moved = {t.lfn for t in job.transfers if self.random.random() >= chance}
            if job.kind is Kind.STAGE_OUT:
                assert {t.lfn for t in job.transfers} <= self.scratch, "it delivers what is not there"
            (self.scratch if job.kind is Kind.STAGE_IN else self.delivered).update(moved)
            self.arrived[position] = moved
            children = [(at, self.jobs[at]) for at, one in enumerate(self.jobs) if position in one.parents]
            return len(moved) == len(job.transfers), served_children(self.jobs[position], children, moved)
        if job.kind is Kind.REGISTER:
            lfns = {each.lfn for each in job.registrations}
            results = {t.lfn for one in self.jobs if one.kind is Kind.STAGE_OUT for t in one.transfers}
            assert lfns & results <= self.delivered, "it registers what was not delivered"
            assert lfns - results <= self.made, "it registers what was not made"
            self.registered |= lfns
        elif job.removes_scratch:
            rest = {at for at, one in enumerate(states) if one != State.SUCCEEDED}
            assert rest <= {position}, "the scratch is removed before everything succeeded"
            self.is_removed = True
        elif job.kind is Kind.CLEANUP:
            self.clean(position, set(job.removes), states)
        elif self.random.random() < chance:
            return False, []
        elif job.kind is Kind.COMPUTE:
            assert {file.lfn for file in job.inputs} <= self.scratch, "it starts without its inputs"
            self.scratch |= {file.lfn for file in job.outputs}
            self.made |= {file.lfn for file in job.outputs}
        return True, []

    def clean(self, position: int, removes: set[str], states: bytes) -> None:
        for at, other in enumerate(self.jobs):
            if states[at] != State.SUCCEEDED and at != position:
                read = {file.lfn for file in other.inputs}
                read |= {t.lfn for t in other.transfers} if other.kind is Kind.STAGE_OUT else set()
                assert not removes & read, f"{other.id} still reads it"
        self.scratch -= removes


@settings(max_examples=30, deadline=None)
@given(workflows(), st.integers(0, 10**6))
def test_nothing_is_lost_and_nothing_is_held_back_whatever_fails(tasks: list[Entry], seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        bench.has("raw0", "raw1", "raw2")
        planned = plan(bench.options(*tasks, cleanup="inplace", output_sites=["local"]))
        assert planned.submit_dir is not None
        file = PlanFile(planned.submit_dir / "plan.jsonl")
        jobs = list(file.jobs())
        files = Files(jobs, seed)
        done, attempts = [False] * len(jobs), [0] * len(jobs)
        for chance in (0.3, 0.6, 0.0):
            files.call(file, done, attempts, chance)
            delivers = [job for job in jobs if job.kind is Kind.STAGE_OUT]
            assert files.registered <= files.delivered | files.made
            assert files.delivered <= {t.lfn for job in delivers for t in job.transfers}
        file.close()

    assert all(done) and files.is_removed
    assert files.delivered == {t.lfn for job in delivers for t in job.transfers}
