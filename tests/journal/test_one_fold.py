"""All readers of a journal derive the same states: the engine that continues, the database, and the reports."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kit.databases import ask
from kit.diamond import compute
from kit.made_run import T0, make_run
from markab.diagnosis.failure_analysis import Analyzer
from markab.engine.recovery import Recovery
from markab.journal.lifecycle import State
from markab.journal.reader import JournalReader
from markab.journal.records import (
    EVENTS,
    AnyRecord,
    AttemptEnd,
    AttemptHeld,
    AttemptReleased,
    AttemptRunning,
    AttemptStart,
    Entry,
    GiveUp,
    Halt,
    Incomplete,
    Interrupt,
    NoRoom,
    Refresh,
    RefreshedFile,
    Refused,
    Remove,
    Retry,
    RunEnd,
    RunStart,
    Undone,
)
from markab.journal.run_reader import RunReader
from markab.provenance import queries
from markab.provenance.projection import Projector
from markab.provenance.run_database import open_database
from markab.reports.html.run_data import RunData
from markab.reports.status import current_status

JOBS = [compute("a"), compute("b", 0), compute("c", 0, site="pool"), compute("d", 1, 2)]


class Story:
    """A journal as engines write it, and the states that every reader should derive from it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.attempts = [0] * len(JOBS)
        self.states = [State.WAITING] * len(JOBS)
        self.under_way: set[int] = set()
        self.runs = 0
        self.outcome: str | None = None
        self._time = T0

    def write(self, kind: type[Any], *words: Any) -> None:
        self._time += 1
        self.entries.append(kind(self._time, *words))

    def open(self) -> None:
        """An engine opens the run, and ends what the one before it left."""
        self.write(RunStart, "7a3c", 41, "here", self.runs)
        self.runs, self.outcome = self.runs + 1, None
        again = (State.FAILED, State.INCOMPLETE)
        self.states = [State.WAITING if state in again else state for state in self.states]

    def start(self, job: int) -> None:
        self.attempts[job] += 1
        self.under_way.add(job)
        self.states[job] = State.QUEUED if JOBS[job].site == "pool" else State.RUNNING
        self.write(AttemptStart, job, JOBS[job].id, self.attempts[job], JOBS[job].site)

    def run(self, job: int) -> None:
        self.states[job] = State.RUNNING
        self.write(AttemptRunning, job, self.attempts[job])

    def hold(self, job: int) -> None:
        """Its site holds it, perhaps while it runs, and may release it."""
        self.states[job] = State.QUEUED
        self.write(AttemptHeld, job, self.attempts[job], "disk quota exceeded", f"{job}.0")

    def release(self, job: int) -> None:
        self.states[job] = State.QUEUED
        self.write(AttemptReleased, job, self.attempts[job])

    def end(self, job: int, error: str = "") -> None:
        record = {"ok": not error, "host": "here", "start": self._time, "end": self._time + 0.5}
        if error:
            record["error"] = {"kind": error, "message": "why"}
        self.write(AttemptEnd, job, self.attempts[job], record)
        self.under_way.discard(job)
        self.states[job] = State.READY if error else State.SUCCEEDED

    def give_up(self, job: int) -> None:
        self.write(GiveUp, job, self.attempts[job])
        self.states[job] = State.FAILED

    def do_part(self, job: int) -> None:
        self.end(job, "incomplete")
        self.write(Incomplete, job, self.attempts[job])
        self.states[job] = State.INCOMPLETE

    def undo(self, job: int) -> None:
        self.write(Undone, job, self.attempts[job], "gone")
        self.states[job] = State.WAITING

    def refresh(self, jobs: list[int]) -> None:
        """Files were edited; of some of the jobs that run again another record says so too."""
        self.write(Refresh, [RefreshedFile("f", "/data/f", "ab" * 32)], jobs)
        for job in jobs:
            self.states[job] = State.WAITING
        for job in jobs[1:]:
            self.undo(job)

    def close(self, outcome: str) -> None:
        self.write(RunEnd, outcome)
        self.outcome = outcome


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Return what some engines wrote of a run: jobs start after their parents, and any step may fail."""
    story = Story()
    for _ in range(draw(st.integers(0, 3))):
        undone = [job for job, state in enumerate(story.states) if state == State.SUCCEEDED]
        if story.runs and undone and draw(st.booleans()):
            story.undo(draw(st.sampled_from(undone)))
        undone = [job for job, state in enumerate(story.states) if state == State.SUCCEEDED]
        if story.runs and draw(st.booleans()):
            story.refresh(draw(st.lists(st.sampled_from(undone), unique=True)) if undone else [])
        if draw(st.booleans()):
            story.write(Refused, "this machine has no GPUs")
        story.open()
        for job in sorted(story.under_way):  # what the engine before left under way
            story.end(job, draw(st.sampled_from(["", "lost"])))
        _one_engine(story, draw)
    return story


def _one_engine(story: Story, draw: st.DrawFn) -> None:
    for _ in range(draw(st.integers(0, 14))):
        ready = [
            job
            for job, planned in enumerate(JOBS)
            if story.states[job] in (State.WAITING, State.READY)
            and all(story.states[parent] == State.SUCCEEDED for parent in planned.parents)
        ]
        moves = [(Story.start, job) for job in ready]
        moves += [(Story.end, job) for job in story.under_way]
        moves += [(_fail, job) for job in story.under_way]
        moves += [(Story.do_part, job) for job in story.under_way]
        at_pool = [job for job in story.under_way if JOBS[job].site == "pool"]
        moves += [(Story.hold, job) for job in at_pool] + [(Story.release, job) for job in at_pool]
        moves += [(Story.run, job) for job in story.under_way if story.states[job] == State.QUEUED]
        if not moves:
            break
        move, job = draw(st.sampled_from(moves))
        move(story, job) if move is not _fail else _fail(story, job, draw)
    if draw(st.booleans()):  # else it is killed here
        if kind := draw(st.sampled_from([None, Halt, Remove, Interrupt])):
            story.write(kind)
        for job in sorted(story.under_way):
            story.end(job, "cancelled")
        if not kind and draw(st.booleans()):
            story.write(NoRoom, 0, "it needs 5 bytes")
        whole = all(state == State.SUCCEEDED for state in story.states)
        words = {None: "failed", Halt: "halted", Remove: "removed", Interrupt: "interrupted"}
        story.close("success" if whole else words[kind])


def _fail(story: Story, job: int, draw: st.DrawFn) -> None:
    story.end(job, "exit")
    if draw(st.booleans()):
        story.write(Retry, job, story.attempts[job], 3.0)
    else:
        story.give_up(job)


def shown(state: int) -> str:
    """Return the state of a job in a run that no engine is running, as drawings show it."""
    known = {
        State.SUCCEEDED: "succeeded",
        State.FAILED: "failed",
        State.INCOMPLETE: "incomplete",
        State.QUEUED: "lost",
        State.RUNNING: "lost",
    }
    return known.get(State(state), "none")


@given(story=stories())
def test_the_engine_and_the_reports_derive_the_same_states(story: Story) -> None:
    with tempfile.TemporaryDirectory() as name:
        run = make_run(Path(name) / "run", JOBS, story.entries)
        _check_recovery(run, story)
        _check_reports(run, story)


@settings(max_examples=25)  # each makes a database
@given(story=stories())
def test_the_database_has_the_same_states(story: Story) -> None:
    with tempfile.TemporaryDirectory() as name:
        _check_database(make_run(Path(name) / "run", JOBS, story.entries), story)


def _check_recovery(run: Path, story: Story) -> None:
    recovery = Recovery(RunReader(run).plan.header)
    for body in JournalReader(run / "journal.jsonl").bodies():
        recovery.read(body)

    assert list(recovery.states) == story.states
    assert list(recovery.succeeded) == [state == State.SUCCEEDED for state in story.states]
    assert list(recovery.attempts) == story.attempts
    assert {(job, it.number) for job, it in recovery.under_way.items()} == {
        (job, story.attempts[job]) for job in story.under_way
    }
    assert (recovery.runs, recovery.outcome) == (story.runs, story.outcome)


def _check_reports(run: Path, story: Story) -> None:
    counts = Counter(story.states)
    reader = RunReader(run)
    status = current_status(reader)
    assert list(reader.history.states) == story.states
    assert (status.succeeded, status.failed) == (counts[State.SUCCEEDED], counts[State.FAILED])
    analyzer = Analyzer(run)
    found = analyzer.analyze()
    analyzer.close()
    assert (found.left["succeeded"], found.left["failed"]) == (status.succeeded, status.failed)
    assert found.left["incomplete"] == counts[State.INCOMPLETE]
    assert found.left["lost"] >= len(story.under_way) and found.state == status.state
    assert found.engine_crashed == (story.runs > 0 and story.outcome is None)
    page = RunData(run)
    ended = ("succeeded", "failed", "incomplete", "lost")
    assert [state if state in ended else "none" for state in page.states] == [
        shown(state) for state in story.states
    ]
    assert page.status.state == status.state and len(page.engines) == story.runs


def _check_database(run: Path, story: Story) -> None:
    projector = Projector(run)
    projector.update()
    projector.close()
    with open_database(run) as database:
        ended = queries.run_state(database).ended
    assert (ended is not None) == (story.outcome is not None)
    file = next(run.glob("*.stampede.db"))
    rows = ask(
        file,
        "SELECT j.job_id, i.exitcode FROM job j LEFT JOIN job_instance i ON i.job_id = j.job_id "
        "ORDER BY j.job_id, i.job_submit_seq",
    )
    made = Counter(job for job, _ in ask(file, "SELECT job_id, job_instance_id FROM job_instance"))
    first = rows[0][0]
    assert [made[first + job] for job in range(len(JOBS))] == story.attempts
    last = {job - first: code for job, code in rows}
    succeeded = {job for job, code in last.items() if code == 0}
    undone = _undone(story)
    assert succeeded - undone == {job for job, s in enumerate(story.states) if s == State.SUCCEEDED}
    done_in_part = {
        row[0] - first
        for row in ask(
            file,
            "SELECT j.job_id FROM job j JOIN job_instance i USING (job_id) "
            "JOIN markab_attempt a USING (job_instance_id) WHERE a.error_kind = 'incomplete'",
        )
    }
    open_attempts = {job for job, code in last.items() if code is None and story.attempts[job]}
    assert open_attempts - done_in_part == story.under_way - done_in_part
    assert story.under_way <= open_attempts


def _undone(story: Story) -> set[int]:
    """Return the jobs whose last attempt succeeded and was taken back: the schema cannot express that."""
    undone: set[int] = set()
    for entry in story.entries:
        if isinstance(entry, Undone):
            undone.add(entry.job)
        elif isinstance(entry, Refresh):
            undone.update(entry.jobs)
        elif isinstance(entry, AttemptStart):
            undone.discard(entry.job)
    return undone


def test_stories_have_every_kind_of_record() -> None:
    kinds: set[type[AnyRecord]] = set()

    @settings(max_examples=200, database=None, derandomize=True)
    @given(story=stories())
    def collect(story: Story) -> None:
        kinds.update(type(entry) for entry in story.entries)

    collect()
    assert kinds == set(EVENTS)
