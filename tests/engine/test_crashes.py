"""The engine is killed, or its disk fills up, at its first, second, third … external call."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.engine_fakes import OK, UUID, FakeExecutor, FakeTime, World, failure, job, make_run
from markab.engine.control import engine_pid
from markab.engine.run import Outcome, RunOptions, run
from markab.errors import ExecutorUnavailable, StorageError
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record, Report
from markab.journal.progress import Progress, read_progress
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, AttemptStart, RunEnd, decode
from markab.journal.writer import Journal
from markab.plan.model import Kind, Output

JOBS = [
    job("dir", kind=Kind.CREATE_DIR),
    job("in", 0, kind=Kind.STAGE_IN),
    *(job(f"work{i}", 1, retries=2, outputs=[Output(lfn=f"f{i}")]) for i in range(4)),
    job("join", 2, 3, 4, 5, retries=1),
    job("clean", 6, kind=Kind.CLEANUP),
]


class Crash(BaseException):
    """The engine was killed."""


class Faults:
    """Calls that are counted; one of them raises, before or after it had its effect."""

    def __init__(self, where: str, at: int, error: Callable[[], BaseException] = Crash) -> None:
        self.where, self.at, self.error = where, at, error
        self.count = 0

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        point, _, moment = self.where.partition("-")
        if name != point:
            return call()
        self.count += 1
        if self.count != self.at:
            return call()
        if moment == "after":
            call()
        raise self.error()

    @property
    def struck(self) -> bool:
        return self.count >= self.at


class FaultyDisk:
    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.safe = 0
        """Bytes that a power loss would leave."""

    def write(self, descriptor: int, data: memoryview) -> int:
        return int(self.faults.around("write", lambda: os.write(descriptor, data)))

    def fdatasync(self, descriptor: int) -> None:
        self.faults.around("sync", lambda: None)
        self.safe = os.fstat(descriptor).st_size

    def ftruncate(self, descriptor: int, length: int) -> None:
        os.ftruncate(descriptor, length)


class FaultyExecutor(FakeExecutor):
    def __init__(self, faults: Faults, *rest: Any) -> None:
        super().__init__(*rest)
        self.faults = faults

    def submit(self, attempts: Sequence[Attempt]) -> None:
        self.faults.around("submit", partial(super().submit, attempts))

    def wait(self, timeout_s: float) -> Sequence[Report]:
        reports: Sequence[Report] = self.faults.around("wait", partial(super().wait, timeout_s))
        return reports

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        reports: Sequence[Report] = self.faults.around("recover", partial(super().recover, attempts))
        return reports


def fails_at_first(attempt: Attempt) -> Record:
    if attempt.job.id in ("work1", "join") and attempt.id.number == 1:
        return failure()
    outputs = [{"lfn": output.lfn, "size": 1, "sha256": "ab" * 32} for output in attempt.job.outputs]
    return {**OK, "outputs": outputs}


class Story:
    """One run, continued after every crash until it ends."""

    def __init__(self, directory: Path, faults: Faults, world: World) -> None:
        self.directory = make_run(directory, JOBS)
        self.faults, self.world, self.time = faults, world, FakeTime()
        self.disk = FaultyDisk(faults)
        self.reported = 0
        """The largest number of succeeded jobs that was reported to an observer."""

    def call(self, observer: Callable[[Progress], None] = lambda progress: None) -> Outcome:
        def see(progress: Progress) -> None:
            observer(progress)
            self.reported = max(self.reported, progress.succeeded)
            self.faults.around("observe", lambda: None)

        return run(
            self.directory,
            RunOptions(cores=2, memory_mb=100, gpus=0),
            see,
            back_ends={"local": lambda site: FaultyExecutor(self.faults, self.world, self.time)},
            clock=self.time.clock,
            look=lambda site, place, size_bytes: True,  # fake jobs make no real files
            open_journal=lambda path, each: Journal.open(
                path, each, clock=self.time.clock.monotonic, storage=self.disk
            ),
        )

    def succeeded(self) -> int:
        entries = [decode(body) for body in JournalReader(self.directory / "journal.jsonl").bodies()]
        return sum(1 for entry in entries if isinstance(entry, AttemptEnd) and entry.record["ok"])

    def check_journal(self) -> None:
        """The guarantees of the engine, checked against the journal."""
        done: set[int] = set()
        alive: set[AttemptId] = set()
        last: dict[int, int] = {}
        for entry in (decode(body) for body in JournalReader(self.directory / "journal.jsonl").bodies()):
            if isinstance(entry, AttemptStart):
                assert set(JOBS[entry.job].parents) <= done, "started before its parents succeeded"
                assert entry.job not in done, "started although it had succeeded"
                assert entry.job not in {id.job for id in alive}, "two attempts alive"
                assert entry.attempt == last.get(entry.job, 0) + 1
                last[entry.job] = entry.attempt
                alive.add(AttemptId(UUID, entry.job, entry.attempt))
            elif isinstance(entry, AttemptEnd):
                alive.remove(AttemptId(UUID, entry.job, entry.attempt))
                if entry.record["ok"]:
                    assert entry.job not in done, "succeeded twice"
                    done.add(entry.job)
            elif isinstance(entry, RunEnd):
                assert not alive
        assert done == set(range(len(JOBS)))


def stories(
    tmp_path: Path, where: str, error: Callable[[], BaseException] = Crash, *, survives: bool = False
) -> Iterator[Story]:
    """Yield a run that fails at the first, second, … call, until one has fewer calls."""
    for at in range(1, 1000):
        world = World(fails_at_first, seed=at, survives=survives, ends_at_once=1)
        story = Story(tmp_path / f"run{at}", Faults(where, at, error), world)
        yield story
        if not story.faults.struck:
            assert at > 2, "it was never called"
            return


@pytest.mark.parametrize("survives", [False, True], ids=["jobs end too", "jobs run on"])
@pytest.mark.parametrize(
    "where",
    ["write", "write-after", "sync", "submit", "submit-after", "wait", "wait-after", "observe"],
)
def test_whenever_the_engine_is_killed_the_next_one_continues(
    tmp_path: Path, where: str, survives: bool
) -> None:
    for story in stories(tmp_path, where, survives=survives):
        try:
            outcome = story.call()
        except Crash:
            assert engine_pid(story.directory) is None
            assert story.succeeded() >= story.reported
            outcome = story.call()

        assert outcome.state == "success"
        story.check_journal()
        if survives:
            assert sorted(story.world.succeeded) == list(range(len(JOBS))), "work was done twice"
        assert not story.world.alive
        story.faults.where = "nowhere"
        assert (story.call().was_complete, outcome.counts) == (True, {"succeeded": len(JOBS)})


@pytest.mark.parametrize("moment", ["", "-after"])
def test_an_engine_that_is_killed_while_it_recovers_is_followed_by_another(
    tmp_path: Path, moment: str
) -> None:
    for survives in (False, True):
        story = Story(
            tmp_path / str(survives),
            Faults("wait", 3),
            World(fails_at_first, survives=survives, ends_at_once=1),
        )
        with pytest.raises(Crash):
            story.call()
        story.faults = Faults("recover" + moment, 1)
        with pytest.raises(Crash):
            story.call()

        assert story.call().state == "success"
        story.check_journal()


def test_reported_progress_survives_a_power_loss(tmp_path: Path) -> None:
    """The machine stops, and of the journal only what was flushed to disk is left, and part of the rest."""
    for where in ("wait-after", "observe", "submit-after"):
        for story in stories(tmp_path / where, where):
            try:
                story.call()
            except Crash:
                size = (story.directory / "journal.jsonl").stat().st_size
                assert story.disk.safe <= size
                os.truncate(story.directory / "journal.jsonl", (story.disk.safe + size) // 2)
                assert story.succeeded() >= story.reported
                kept = [decode(body) for body in JournalReader(story.directory / "journal.jsonl").bodies()]
                known = {AttemptId(UUID, e.job, e.attempt) for e in kept if isinstance(e, AttemptStart)}
                story.world.ended = {id: r for id, r in story.world.ended.items() if id in known}
                assert story.call().state == "success"
            story.check_journal()


def no_room() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("moment", ["", "-after"])
def test_a_disk_that_is_full_for_a_moment_delays_the_run_and_loses_nothing(
    tmp_path: Path, moment: str
) -> None:
    """With "-after", the failing write had written a part."""
    failed = 0
    for story in stories(tmp_path, "write" + moment, no_room):
        try:
            outcome = story.call()
        except StorageError as error:  # nothing ran that was worth waiting for
            failed += 1
            assert "No space left on device" in str(error)
            outcome = story.call()
        assert outcome.state == "success"
        story.check_journal()
    assert failed >= 1


def test_a_disk_that_stays_full_stops_new_jobs_lets_old_ones_end_and_is_reported(tmp_path: Path) -> None:
    story = Story(tmp_path / "run", Faults("", 0), World(fails_at_first, ends_at_once=1))
    seen: list[Progress] = []

    def fill_up() -> None:
        if len(story.world.started) == 4:

            def full(descriptor: int, data: memoryview) -> int:
                raise no_room()

            story.disk.write = full  # type: ignore[method-assign]

    story.world.on_wait = fill_up
    with pytest.raises(StorageError, match="No space left"):
        run(
            story.directory,
            RunOptions(cores=2),
            seen.append,
            back_ends=story.world.back_ends(story.time),
            clock=story.time.clock,
            open_journal=lambda path, each: Journal.open(
                path, each, clock=story.time.clock.monotonic, storage=story.disk
            ),
        )

    assert len(story.world.started) == 4 and not story.world.alive
    assert "No space left" in seen[-1].held and "nothing new is started" in seen[-1].held
    assert seen[-1].outcome is None


def test_a_disk_that_cannot_flush_ends_the_engine_at_once(tmp_path: Path) -> None:
    for story in stories(tmp_path, "sync", lambda: OSError(errno.EIO, os.strerror(errno.EIO))):
        seen: list[Progress] = []
        try:
            story.call(seen.append)
        except StorageError as error:
            assert "Input/output error" in str(error)
            is_over = bool(seen and seen[-1].outcome)
            assert is_over or "Input/output error" in seen[-1].held, "a view says why it stopped"
            assert not story.world.alive
            story.call()
        story.check_journal()


def test_a_site_that_is_down_for_a_while_gets_its_jobs_later(tmp_path: Path) -> None:
    struck = 0
    for story in stories(tmp_path, "submit", lambda: ExecutorUnavailable("the queue does not answer")):
        outcome = story.call()

        assert outcome.state == "success"
        assert any("does not answer" in w for w in outcome.warnings) == story.faults.struck
        struck += story.faults.struck
        story.check_journal()
    assert struck >= 4


def test_a_status_file_that_cannot_be_written_is_only_a_warning(tmp_path: Path) -> None:
    story = Story(tmp_path / "run", Faults("", 0), World())
    (story.directory / "status.json").mkdir()
    seen: list[Progress] = []

    assert story.call(seen.append).state == "success"

    assert read_progress(story.directory / "status.json") is None
    (warning,) = seen[-1].warnings
    assert warning.startswith(f"cannot write '{story.directory}/status.json'")
