from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.engine_fakes import OK, REMOTE, UUID, FakeTime, World, failure, job, make_run
from markab import operations
from markab.engine.control import request_halt, request_remove
from markab.engine.run import Outcome, RunOptions, run
from markab.errors import CorruptJournal, CorruptPlan, ExecutorUnavailable, JobRejected, NotARun, RunBusy
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record
from markab.journal.lock import RunLock
from markab.journal.progress import Progress, read_progress
from markab.journal.reader import JournalReader
from markab.journal.records import (
    AttemptEnd,
    AttemptRunning,
    AttemptStart,
    Entry,
    GiveUp,
    Halt,
    Interrupt,
    Refused,
    Remove,
    Retry,
    RunEnd,
    RunStart,
    decode,
)
from markab.plan.model import Input, Kind, Output, Place, PlanSite, Registration, Transfer, local_directory

SHA, OTHER = "ab" * 32, "cd" * 32


def call(directory: Path, world: World, observer: Any = None, **options: Any) -> Outcome:
    time = FakeTime()
    options = {"cores": 2, "memory_mb": 100, "gpus": 0, **options}
    return run(
        directory,
        RunOptions(**options),
        observer,
        back_ends=world.back_ends(time),
        clock=time.clock,
        look=lambda site, place, size_bytes: True,  # fake jobs make no real files
    )


def journal(directory: Path) -> list[Entry]:
    return [decode(body) for body in JournalReader(directory / "journal.jsonl").bodies()]


def test_a_run_goes_from_plan_to_success_and_records_every_step(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a"), job("b", 0)])
    outcome = call(directory, World())

    assert outcome == Outcome(state="success", counts={"succeeded": 2})
    kinds = [type(entry) for entry in journal(directory)]
    assert kinds == [RunStart, AttemptStart, AttemptEnd, AttemptStart, AttemptEnd, RunEnd]
    status = read_progress(directory / "status.json")
    assert status is not None and (status.succeeded, status.total, status.outcome) == (2, 2, "success")


def test_between_failures_of_a_job_the_engine_pauses_longer_each_time(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a", retries=3)])

    call(directory, World(lambda attempt: failure("transfer")))

    entries = journal(directory)
    ends = [entry.time for entry in entries if isinstance(entry, AttemptEnd)]
    starts = [entry.time for entry in entries if isinstance(entry, AttemptStart)]
    pauses_s = [start - end for end, start in zip(ends, starts[1:], strict=False)]
    assert [0, 1, 2] == [round(pause_s, 1) for pause_s in pauses_s]


def test_a_run_that_is_complete_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])
    call(directory, World())
    before = (directory / "journal.jsonl").read_bytes()
    seen: list[Progress] = []
    world = World()

    outcome = call(directory, world, seen.append)

    assert outcome.was_complete and outcome.state == "success" and not world.started
    assert (directory / "journal.jsonl").read_bytes() == before
    assert seen[-1].outcome == "success" and seen[-1].done == 1


def test_a_run_without_jobs_succeeds(tmp_path: Path) -> None:
    assert call(make_run(tmp_path / "run", []), World()).state == "success"


def test_a_run_leaves_no_file_open_whether_it_begins_or_is_refused(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])
    refused = make_run(tmp_path / "refused", [job("train", gpus=1)])
    before = len(os.listdir("/proc/self/fd"))

    call(directory, World())
    call(directory, World())
    with pytest.raises(JobRejected):
        call(refused, World())

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_failed_run_is_its_own_rescue(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a"), job("b", 0, retries=1), job("c", 1), job("d", 0)])
    broken = World(lambda attempt: failure() if attempt.job.id == "b" else OK)

    outcome = call(directory, broken)

    assert outcome.state == "failed" and outcome.counts == {"succeeded": 2, "failed": 1, "skipped": 1}
    assert outcome.failed == [("b", 2, {"kind": "exit", "message": "exit code 1"})]
    assert any(isinstance(entry, Retry) for entry in journal(directory))
    broken.verdict = lambda attempt: OK
    assert call(directory, broken).state == "success"
    assert broken.started[-2:] == [AttemptId(UUID, 1, 3), AttemptId(UUID, 2, 1)]


def test_every_call_gives_all_retries_again_and_continues_the_numbers(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a", retries=2)])
    world = World(lambda attempt: failure())

    call(directory, world)
    call(directory, world)

    assert [id.number for id in world.started] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kind", ["no-program", "not-executable", "arguments", "missing-input"])
def test_a_failure_that_would_occur_again_is_given_up_with_a_reason(tmp_path: Path, kind: str) -> None:
    directory = make_run(tmp_path / "run", [job("a", retries=5)])
    world = World(lambda attempt: failure(kind))

    assert call(directory, world).failed[0].attempt == 1
    (gave_up,) = [entry for entry in journal(directory) if isinstance(entry, GiveUp)]
    assert gave_up.why == f"trying again would not help against {kind!r}"


def test_without_keep_going_nothing_starts_after_the_first_failure(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a"), *(job(f"b{i}") for i in range(5))])
    world = World(lambda attempt: failure() if attempt.job.id == "a" else OK, ends_at_once=1)

    outcome = call(directory, world, cores=1, keep_going=False)

    assert outcome.state == "failed" and len(world.started) == 1 and outcome.counts["ready"] == 5
    assert ["job 'a' failed: no others are started, as --fail-fast says"] == outcome.warnings


@pytest.mark.parametrize(
    ("fail_fast", "asked", "keeps_going"),
    [(False, None, True), (True, None, False), (True, True, True), (False, False, False)],
)
def test_the_plan_says_whether_to_keep_going_unless_the_call_does(
    tmp_path: Path, fail_fast: bool, asked: bool | None, keeps_going: bool
) -> None:
    directory = make_run(tmp_path / "run", [job("a"), job("b")], fail_fast=fail_fast)
    world = World(lambda attempt: failure() if attempt.job.id == "a" else OK, ends_at_once=1)

    outcome = call(directory, world, cores=1, keep_going=asked)

    assert (2 if keeps_going else 1) == len(world.started)
    assert keeps_going == (not outcome.warnings)
    assert [keeps_going] == [entry.keep_going for entry in journal(directory) if isinstance(entry, RunStart)]


def test_with_fail_fast_running_jobs_end_retries_end_and_the_run_continues_later(tmp_path: Path) -> None:
    jobs = [job("bad", retries=1), job("long"), job("flaky", retries=5), job("next"), job("after", 1)]
    directory = make_run(tmp_path / "run", jobs, fail_fast=True)
    broken = {"bad", "flaky"}
    world = World(lambda attempt: failure() if attempt.job.id in broken else OK)

    outcome = call(directory, world, cores=3)

    ended = {(e.job, e.attempt) for e in journal(directory) if isinstance(e, AttemptEnd)}
    assert {(0, 1), (0, 2), (1, 1)} <= ended, (
        "the failure that counts is the last one, and what ran has ended"
    )
    assert "failed" == outcome.state and ["bad"] == [failed.id for failed in outcome.failed]
    begun = {attempt.job for attempt in world.started}
    assert 4 not in begun, "what was waiting does not start"
    broken.clear()
    assert "success" == call(directory, world, cores=3).state
    again = [e.job for e in journal(directory) if isinstance(e, AttemptEnd)]
    assert 1 == again.count(1), "what succeeded is kept"


def test_the_rescue_file_lists_what_is_done(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a"), job("b", 0, retries=1), job("c", 1)])
    world = World(lambda attempt: failure() if attempt.job.id == "b" else OK)

    assert call(directory, world).rescue == directory / "wf-0.dag.rescue001"
    assert call(directory, world).rescue == directory / "wf-0.dag.rescue002"

    lines = (directory / "wf-0.dag.rescue002").read_text().splitlines()
    assert "# Total number of Nodes: 3" in lines and "# Nodes premarked DONE: 1" in lines
    assert "#   b,<ENDLIST>" in lines and lines[-2:] == ["DONE a", "RETRY b 1"]


def test_an_attempt_has_its_directories_and_the_checksums_of_its_files(tmp_path: Path) -> None:
    sites = {
        "local": PlanSite(scratch=local_directory("local", "/scratch/run")),
        "far": PlanSite(scratch=local_directory("far", "/far"), work="/fast/work"),
        "submit": PlanSite(),
    }
    move = Transfer("made", [Place("local", "file:///a")], [Place("far", "file:///b")])
    jobs = [
        job("make", inputs=[Input(lfn="given", sha256=OTHER)], outputs=[Output(lfn="made")]),
        job("read", 0, inputs=[Input(lfn="made"), Input(lfn="given"), Input(lfn="unknown")]),
        job("move", 0, kind=Kind.STAGE_OUT, transfers=[move]),
        job("register", 2, kind=Kind.REGISTER, registrations=[Registration("made", "file:///b", "far")]),
    ]
    for planned, site, staging in zip(
        jobs, ["local", "far", "submit", "submit"], ["", "local", "local", ""], strict=True
    ):
        planned.site, planned.staging = site, staging
    directory = make_run(tmp_path / "run", jobs, sites)
    places: dict[str, tuple[str, str]] = {}

    def verdict(attempt: Attempt) -> Record:
        places[attempt.job.id] = (attempt.scratch, attempt.work)
        return {
            "ok": True,
            "outputs": [{"lfn": o.lfn, "size": 1, "sha256": SHA} for o in attempt.job.outputs],
        }

    world = World(verdict)
    assert call(directory, world).state == "success"

    assert [world.checksums[AttemptId(UUID, i, 1)] for i in range(4)] == [
        {"given": OTHER},
        {"made": SHA},
        {"made": SHA},
        {"made": SHA},
    ]
    assert places["make"] == ("/scratch/run", "/scratch/run/.work")
    assert places["read"] == ("/scratch/run", "/fast/work")
    assert places["register"] == ("", f"{directory}/.work")


def test_checksums_are_known_again_after_a_restart(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("make"), job("read", 0, inputs=[Input(lfn="made")])])
    made: Record = {"ok": True, "outputs": [{"lfn": "made", "size": 1, "sha256": SHA}]}
    world = World(lambda attempt: made if attempt.job.id == "make" else failure())
    call(directory, world)
    call(directory, world)

    assert world.checksums[AttemptId(UUID, 1, 1)] == world.checksums[AttemptId(UUID, 1, 2)] == {"made": SHA}


def test_a_computation_at_a_site_without_scratch_is_refused(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")], {"local": PlanSite()})

    with pytest.raises(CorruptPlan, match="site 'local', which has no scratch directory"):
        call(directory, World())


def test_only_one_engine_runs_a_directory(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])
    with RunLock(directory / "lock"), pytest.raises(RunBusy, match=f"process {os.getpid()} on ") as caught:
        call(directory, World())
    assert f"markab remove {directory}" in caught.value.hint
    assert call(directory, World()).state == "success"


def test_a_damaged_journal_is_reported_and_left_alone(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a", retries=1)])
    call(directory, World())
    damaged = bytearray((directory / "journal.jsonl").read_bytes())
    damaged[30] ^= 1
    (directory / "journal.jsonl").write_bytes(damaged)

    with pytest.raises(CorruptJournal, match="line 1"):
        call(directory, World())
    assert (directory / "journal.jsonl").read_bytes() == damaged


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARun):
        call(tmp_path, World())


def test_gpus_that_are_not_there_are_refused_and_the_journal_says_only_that(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a"), job("train", gpus=1)])

    with pytest.raises(JobRejected, match=r"no GPUs, too few for 'train' \(1\)") as caught:
        call(directory, World())
    [refused] = journal(directory)
    assert isinstance(refused, Refused)
    assert (refused.why, refused.hint) == (caught.value.message, caught.value.hint)
    assert call(directory, World(), gpus=1).state == "success"


def test_a_run_is_accepted_when_the_journal_says_that_an_engine_runs_it(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])
    time, world = FakeTime(), World()
    seen: list[list[type]] = []
    complete: list[bool] = []

    def accepted(is_complete: bool) -> None:
        complete.append(is_complete)
        seen.append([type(entry) for entry in journal(directory)])

    for _ in range(2):
        run(directory, back_ends=world.back_ends(time), clock=time.clock, on_accepted=accepted)
    assert seen[0] == [RunStart]
    assert complete == [False, True], "a run that is complete is accepted too"


def test_a_run_that_is_refused_is_not_accepted(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("train", gpus=1)])
    accepted: list[bool] = []
    with pytest.raises(JobRejected):
        run(directory, RunOptions(gpus=0), on_accepted=accepted.append)
    assert accepted == []


def test_an_executor_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    directory = make_run(
        tmp_path / "run", [job("a")], {"local": PlanSite("abacus", local_directory("local", "/s"))}
    )

    with pytest.raises(
        JobRejected, match="needs the executor 'abacus', which this version does not have"
    ) as caught:
        call(directory, World())
    assert caught.value.hint == "it has: local, queue"


def test_jobs_that_are_larger_than_the_machine_run_alone_after_a_warning(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job(f"big{i}", cores=64) for i in range(7)])
    world = World()

    outcome = call(directory, world)

    assert outcome.state == "success" and world.most_alive == 1
    (warning,) = outcome.warnings
    assert warning.startswith(
        "jobs big0, big1, big2, big3, big4 and 2 more need more than there is, and this machine has "
    )
    assert warning.endswith(" of memory: each runs alone, with what there is")


@pytest.mark.parametrize(
    ("plan", "option", "most"), [(3, None, 3), (3, 2, 2), (None, 2, 2), (0, None, 9), (2, 5, 2)]
)
def test_the_smaller_of_two_limits_holds(
    tmp_path: Path, plan: int | None, option: int | None, most: int
) -> None:
    directory = make_run(tmp_path / "run", [job(f"j{i}") for i in range(9)], max_jobs=plan)
    world = World()

    call(directory, world, cores=9, max_jobs=option)

    assert world.most_alive == most


def test_limits_of_categories_come_from_the_plan(tmp_path: Path) -> None:
    jobs = [job(f"j{i}", kind=Kind.STAGE_IN, category="stagein") for i in range(9)]
    world = World()

    call(make_run(tmp_path / "run", jobs, limits={"stagein": 3}), world)

    assert world.most_alive == 3


def test_halt_lets_running_jobs_finish_and_the_next_call_continues(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job(f"j{i}") for i in range(6)])
    world = World(ends_at_once=1)

    def halt_after_two(progress: Progress) -> None:
        if len(world.started) == 2 and progress.outcome is None:
            assert request_halt(directory)

    outcome = call(directory, world, halt_after_two, poll_s=0.0)

    assert outcome.state == "halted" and len(world.succeeded) == len(world.started) < 6
    assert any(isinstance(entry, Halt) for entry in journal(directory))
    assert not list((directory / "control").iterdir())
    assert call(directory, world).state == "success"
    assert sorted(world.succeeded) == list(range(6))


def test_remove_cancels_what_runs_and_the_next_call_continues(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job(f"j{i}", retries=0) for i in range(6)])
    world = World(ends_at_once=1)

    def remove(progress: Progress) -> None:
        if progress.outcome is None:
            request_remove(directory)

    outcome = call(directory, world, remove, poll_s=0.0)

    assert outcome.state == "removed" and world.cancelled and not outcome.failed
    assert any(isinstance(entry, Remove) for entry in journal(directory))
    assert call(directory, world).state == "success"
    assert [id.number for id in world.started if id in world.cancelled] == [1] * len(world.cancelled)


def test_remove_without_an_engine_marks_the_run(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a"), job("b", 0)])
    call(directory, World(lambda attempt: failure()))

    assert request_remove(directory) is False

    last = journal(directory)[-1]
    assert isinstance(last, RunEnd) and last.outcome == "removed"
    status = read_progress(directory / "status.json")
    assert status is not None and status.outcome == "removed"
    assert call(directory, World()).state == "success"


def test_remove_leaves_a_run_that_has_succeeded_as_it_is(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])
    call(directory, World())

    assert request_remove(directory) is False

    last = journal(directory)[-1]
    assert isinstance(last, RunEnd) and last.outcome == "success"
    status = read_progress(directory / "status.json")
    assert status is not None and status.outcome == "success"


def test_halt_without_an_engine_returns_false(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])

    assert request_halt(directory) is False
    assert not (directory / "control").exists()
    with pytest.raises(NotARun):
        request_halt(tmp_path)


def test_requests_to_an_engine_that_has_ended_are_dropped(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])
    (directory / "control").mkdir()
    (directory / "control" / "remove").touch()

    assert call(directory, World(), poll_s=0.0).state == "success"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_cancels_what_runs_and_ends_cleanly(tmp_path: Path, number: int) -> None:
    directory = make_run(tmp_path / "run", [job(f"j{i}") for i in range(6)])
    world = World(ends_at_once=1)
    world.on_wait = lambda: (
        signal.raise_signal(number) if len(world.started) == 3 and not world.cancelled else None
    )
    before = signal.getsignal(number)

    outcome = call(directory, world)

    assert outcome.state == "interrupted" and world.cancelled
    assert any(isinstance(entry, Interrupt) for entry in journal(directory))
    assert signal.getsignal(number) is before
    world.on_wait = lambda: None
    assert call(directory, world).state == "success"


def test_the_second_signal_ends_at_once_and_the_next_call_continues(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job(f"j{i}") for i in range(6)])
    world = World(ends_at_once=1)

    def interrupt_twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    world.on_wait = interrupt_twice
    with pytest.raises(KeyboardInterrupt):
        call(directory, world)
    assert not world.alive

    world.on_wait = lambda: None
    assert call(directory, world).state == "success"


def test_a_run_in_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])
    outcomes: list[Outcome] = []

    thread = threading.Thread(target=lambda: outcomes.append(call(directory, World())))
    thread.start()
    thread.join()

    assert outcomes[0].state == "success"


def test_jobs_that_queue_are_seen_queued_then_running(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a", cores=50)], executor=REMOTE)
    world = World(ends_at_once=1)
    world.reports_running = True
    seen: list[tuple[int, int]] = []
    world.on_wait = lambda: None

    outcome = call(directory, world, lambda p: seen.append((p.queued, p.running)))

    assert outcome.state == "success" and not outcome.warnings
    assert seen[0] == (1, 0)
    assert sum(isinstance(entry, AttemptRunning) for entry in journal(directory)) == 1


def test_what_was_found_in_place_was_not_moved(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a"), job("b")])
    moved = [{"lfn": "x", "bytes": 10}, {"lfn": "y", "bytes": 100, "found": True}, {"lfn": "z"}]
    seen: list[Progress] = []

    call(directory, World(lambda attempt: {"ok": True, "transfers": moved}, ends_at_once=1), seen.append)

    assert seen[-1].bytes_moved == 20


def test_the_observer_sees_running_jobs_rates_and_bytes(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job(f"j{i}") for i in range(300)])
    moved: Record = {"ok": True, "transfers": [{"lfn": "x", "bytes": 10, "duration_s": 1.0}]}
    seen: list[Progress] = []

    call(directory, World(lambda attempt: moved, ends_at_once=1), seen.append, cores=3)

    middle = seen[1]
    assert middle.running == 3 and [j.attempt for j in middle.jobs] == [1, 1, 1]
    assert middle.rate_per_s > 0 and middle.left_s is not None and middle.left_s > 0
    assert seen[-1].bytes_moved == 3000 and seen[-1].outcome == "success" and seen[-1].left_s is None
    assert all(b.time - a.time >= 0.0999 for a, b in itertools.pairwise(seen[:-1]))
    for p in seen:
        assert (
            p.unready + p.ready + p.queued + p.running + p.succeeded + p.failed + p.skipped == p.total == 300
        )


def test_an_executor_that_does_not_report_an_attempt_is_an_error(tmp_path: Path) -> None:
    from engine.engine_fakes import FakeExecutor
    from markab.errors import ExecutorError

    directory = make_run(tmp_path / "run", [job("a")])
    world = World()

    def kill_engine() -> None:
        raise MemoryError

    world.on_wait = kill_engine
    with pytest.raises(MemoryError):
        call(directory, world)

    class Unreporting(FakeExecutor):
        def recover(self, attempts: Sequence[Attempt]) -> Sequence[Any]:
            return []

    time = FakeTime()
    with pytest.raises(ExecutorError, match="does not report 1 attempts that were under way"):
        run(directory, back_ends={"local": lambda site: Unreporting(world, time)}, clock=time.clock)


def test_an_ignored_hangup_stays_ignored(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])
    world = World()
    world.on_wait = lambda: signal.raise_signal(signal.SIGHUP)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert call(directory, world).state == "success"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_was_never_submitted_is_taken_back_when_the_run_is_removed(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a"), job("b")])
    world = World()

    def refuse(attempts: Sequence[Attempt]) -> None:
        request_remove(directory)
        raise ExecutorUnavailable("down")

    world.on_submit = refuse
    assert call(directory, world, poll_s=0.0).state == "removed"
    assert not world.started

    world.on_submit = lambda attempts: None
    assert call(directory, world).state == "success"
    assert world.started == [AttemptId(UUID, 0, 2), AttemptId(UUID, 1, 2)]


@pytest.mark.parametrize(("planned", "asked"), [(False, False), (True, False), (False, True)])
def test_attempts_know_whether_their_directories_are_kept(tmp_path: Path, planned: bool, asked: bool) -> None:
    directory = make_run(tmp_path / "run", [job("a")], keep_failed=planned)
    world = World()
    kept: list[bool] = []
    world.on_submit = lambda attempts: kept.extend(attempt.context.keep_failed for attempt in attempts)

    call(directory, world, keep_failed=asked)
    assert kept == [planned or asked]


def test_jobs_that_lose_files_are_named_once_at_the_end(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "my run", [job(f"j{n}") for n in range(3)])
    made: Record = {"ok": True, "undeclared": ["a.csv", "b", "c", "d"]}
    outcome = call(directory, World(lambda attempt: made), cores=1)

    (warning,) = outcome.warnings
    assert warning == (
        "j0, and 2 more jobs wrote files that are not declared as outputs, and so are not kept: "
        f"'a.csv', 'b', 'c', … (`markab show '{directory}' j0`)"
    )


def test_jobs_that_lost_files_before_the_engine_was_killed_are_counted_too(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job(f"j{n}") for n in range(3)])
    made: Record = {"ok": True, "undeclared": ["a.csv"]}
    world = World(lambda attempt: made)

    def kill_engine() -> None:
        if len(world.started) == 2:
            raise MemoryError

    world.on_wait = kill_engine
    with pytest.raises(MemoryError):
        call(directory, world, cores=1)
    world.on_wait = lambda: None

    (warning,) = call(directory, world, cores=1).warnings
    assert warning.startswith("j0, and 2 more jobs wrote files that are not declared")
    with operations.analyze(directory) as report:
        assert f"  warning: {warning}" in report.headline()
