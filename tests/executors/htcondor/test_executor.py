"""The executor on a schedd in memory: every order of events, answers that are lost, and crashes of the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Never

import pytest

from executors.htcondor.fake_schedd import FakeSchedd
from kit.made_run import compute
from kit.waiting import PATIENCE_S
from markab.errors import ExecutorUnavailable
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Report, RunContext, Seen
from markab.executors.htcondor import executor as module
from markab.executors.htcondor.executor import HTCondorExecutor
from markab.executors.htcondor.schedd import refusal


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.005)
    monkeypatch.setattr(module, "LOOK_EVERY_AT_MOST_S", 0.005)
    monkeypatch.setattr(module, "AGAIN_AFTER_S", 0.02)
    monkeypatch.setattr(module, "SETTLES_AFTER_S", 0.02)


class Bench:
    """An engine with one run, whose executor may be replaced by that of the next engine."""

    def __init__(self, top: Path) -> None:
        self.scratch = top / "scratch"
        self.scratch.mkdir()
        self.context = RunContext("u1", "w", str(top), "full", 1, 1, None)
        self.schedd = FakeSchedd()
        self.executor = HTCondorExecutor(make=lambda contact: self.schedd)
        self.reports: list[Report] = []

    def attempt(self, position: int = 1, number: int = 1) -> Attempt:
        job = compute(f"j{position}")
        return Attempt(AttemptId("u1", position, number), job, self.context, str(self.scratch), "/work")

    def submit(self, *attempts: Attempt) -> None:
        self.executor.submit(attempts or [self.attempt()])
        self.until(lambda: len(self.schedd.jobs) >= len(attempts or [0]))

    def until(self, is_so: Callable[[], object]) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < give_up, self.reports
            self.reports += self.executor.wait(0.01)

    def until_seen(self, seen: Seen, count: int = 1) -> Report:
        """Wait until a state was reported so often; return the last report of it."""
        self.until(lambda: len([one for one in self.reports if one.seen is seen]) >= count)
        return [one for one in self.reports if one.seen is seen][-1]

    def error(self) -> dict[str, str]:
        record = self.until_seen(Seen.ENDED).record
        assert record is not None
        error: dict[str, str] = record["error"]
        return error

    def crash(self) -> None:
        """Let another engine take over; what this one has not handed out is lost."""
        self.executor.close()
        self.reports = []
        self.executor = HTCondorExecutor(make=lambda contact: self.schedd)

    def recover(self, *attempts: Attempt) -> list[Report]:
        return list(self.executor.recover(attempts or [self.attempt()]))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.executor.close()


def test_an_attempt_waits_runs_and_ends_with_the_record_that_came_back(bench: Bench) -> None:
    bench.submit()
    job = bench.schedd.find(1)
    assert bench.until_seen(Seen.QUEUED).native_id == "1.0"
    bench.schedd.execute(job)
    bench.until_seen(Seen.RUNNING)
    bench.schedd.terminate(job)

    assert bench.until_seen(Seen.ENDED).record == {"ok": True, "host": "node7", "start": 1.0, "end": 2.0}
    assert [one.seen for one in bench.reports] == [Seen.QUEUED, Seen.RUNNING, Seen.ENDED]


def test_attempts_that_ask_for_the_same_are_one_cluster(bench: Bench) -> None:
    bench.submit(*[bench.attempt(n) for n in range(1, 6)])

    assert {job.cluster for job in bench.schedd.jobs} == {1}
    (text,) = bench.schedd.texts
    assert text.endswith("1.items\n")


def test_the_sandbox_is_removed_once_the_end_is_recorded(bench: Bench, tmp_path: Path) -> None:
    bench.submit()
    bench.schedd.terminate(bench.schedd.find(1))
    bench.until_seen(Seen.ENDED)
    assert list(tmp_path.glob("htcondor/*/1.1")), "the engine may end before it has recorded that"

    bench.until(lambda: not list(tmp_path.glob("htcondor/*/1.1")))


def test_a_job_that_is_evicted_is_queued_again_and_is_the_same_attempt(bench: Bench) -> None:
    bench.submit()
    job = bench.schedd.find(1)
    bench.schedd.execute(job)
    bench.until_seen(Seen.RUNNING)
    bench.schedd.evict(job)
    bench.until_seen(Seen.QUEUED, 2)
    bench.schedd.execute(job)
    bench.schedd.terminate(job)

    assert bench.until_seen(Seen.ENDED).record["ok"]  # type: ignore[index]


def test_a_job_that_a_person_holds_waits_with_the_words_of_htcondor_until_it_is_released(
    bench: Bench,
) -> None:
    bench.submit()
    job = bench.schedd.find(1)
    bench.schedd.hold(job, 1, "via condor_hold (by user ada)")
    assert bench.until_seen(Seen.HELD).reason == "via condor_hold (by user ada)"
    bench.schedd.release(job)
    bench.until_seen(Seen.QUEUED, 2)

    assert bench.schedd.removals == []


def test_a_job_that_is_held_too_long_has_failed_as_held(bench: Bench) -> None:
    bench.submit()
    job = bench.schedd.find(1)
    bench.schedd.hold(job, 1, "via condor_hold (by user ada)")
    bench.until_seen(Seen.HELD)
    bench.schedd.abort(job, "The job attribute PeriodicRemove expression evaluated to TRUE")

    assert bench.error()["kind"] == "held" and "by user ada" in bench.error()["message"]


def test_a_hold_that_no_waiting_ends_is_removed_and_is_an_error_of_its_kind(bench: Bench) -> None:
    bench.submit()
    bench.schedd.hold(bench.schedd.find(1), 47, "job exceeded allowed execute duration of 0+00:00:05")

    assert bench.error()["kind"] == "timeout" and "0+00:00:05" in bench.error()["message"]
    assert len(bench.schedd.removals) == 1


def test_files_that_are_being_spooled_hold_a_job_without_a_word(bench: Bench) -> None:
    bench.submit()
    job = bench.schedd.find(1)
    bench.schedd.hold(job, 16, "Spooling input data files")
    bench.schedd.execute(job)
    bench.until_seen(Seen.RUNNING)

    assert not [one for one in bench.reports if one.seen is Seen.HELD]


def test_a_job_that_somebody_removed_is_cancelled(bench: Bench) -> None:
    bench.submit()
    bench.schedd.abort(bench.schedd.find(1), "via condor_rm (by user ada)")

    assert bench.error()["kind"] == "cancelled" and "by user ada" in bench.error()["message"]


def test_a_cancelled_job_is_removed(bench: Bench) -> None:
    bench.submit()
    bench.executor.cancel([bench.attempt().id, AttemptId("u1", 99, 1), AttemptId("other", 1, 1)])

    assert bench.error()["kind"] == "cancelled"
    assert not bench.schedd.jobs


def test_what_is_cancelled_before_it_was_submitted_never_is(bench: Bench) -> None:
    bench.schedd.silent = 1_000_000
    bench.executor.submit([bench.attempt()])
    bench.executor.cancel([bench.attempt().id])
    bench.until(lambda: bench.reports)
    bench.schedd.silent = 0

    assert bench.error()["kind"] == "cancelled" and not bench.schedd.texts


def test_what_is_cancelled_while_it_is_not_known_whether_it_was_submitted_is_removed_if_it_was(
    bench: Bench,
) -> None:
    bench.schedd.swallows = 1
    bench.executor.submit([bench.attempt()])
    bench.until_seen(Seen.QUEUED)
    bench.schedd.silent = 5
    bench.executor.cancel([bench.attempt().id])

    assert bench.error()["kind"] == "cancelled"
    assert not bench.schedd.jobs and len(bench.schedd.texts) == 1


def test_a_removal_without_an_answer_is_requested_again(bench: Bench) -> None:
    bench.submit()
    bench.until_seen(Seen.QUEUED)
    bench.schedd.silent = 3
    bench.executor.cancel([bench.attempt().id])

    assert bench.error()["kind"] == "cancelled"


def test_a_job_without_a_record_says_how_it_ended_and_what_it_printed(bench: Bench, tmp_path: Path) -> None:
    bench.submit()
    (sandbox,) = tmp_path.glob("htcondor/*/1.1")
    (sandbox / "start.err").write_text("Traceback: no space\n")
    job = bench.schedd.find(1)
    bench.schedd.execute(job)
    bench.schedd.terminate(job, 1, record=None)

    message = bench.error()["message"]
    for fact in ("1.0", "node7", "exit code 1", "Traceback: no space"):
        assert fact in message


def test_a_node_without_python_is_named_as_that(bench: Bench) -> None:
    bench.submit()
    bench.schedd.terminate(bench.schedd.find(1), 127, record=None)

    assert bench.error()["kind"] == "no-program" and "python3" in bench.error()["message"]


def test_a_worker_that_was_killed_is_an_end_by_signal(bench: Bench) -> None:
    bench.submit()
    bench.schedd.terminate(bench.schedd.find(1), record=None, signal=9)

    assert bench.error()["kind"] == "signal" and "signal 9" in bench.error()["message"]


# --- submissions ---


def test_a_schedd_that_does_not_answer_delays_jobs_and_says_why(bench: Bench) -> None:
    bench.schedd.silent = 4
    bench.executor.submit([bench.attempt()])
    assert "Failed to connect" in bench.until_seen(Seen.QUEUED).reason
    bench.until(lambda: bench.schedd.jobs)

    bench.until_seen(Seen.QUEUED)
    assert len(bench.schedd.jobs) == 1


def test_a_submission_whose_answer_is_lost_is_not_made_twice(bench: Bench) -> None:
    bench.schedd.swallows = 1
    bench.executor.submit([bench.attempt(1), bench.attempt(2)])
    bench.until(lambda: [one for one in bench.reports if one.native_id == "1.1"])
    bench.schedd.terminate(bench.schedd.find(1))
    bench.schedd.terminate(bench.schedd.find(2))
    bench.until_seen(Seen.ENDED, 2)

    assert len(bench.schedd.texts) == 1


def test_a_submission_whose_answer_is_lost_and_that_ended_meanwhile_is_not_made_twice(bench: Bench) -> None:
    bench.schedd.swallows = 1
    bench.executor.submit([bench.attempt()])
    bench.until_seen(Seen.QUEUED)
    if bench.schedd.jobs:
        bench.schedd.terminate(bench.schedd.find(1))
    bench.until_seen(Seen.ENDED)

    assert len(bench.schedd.texts) == 1


def test_what_htcondor_will_never_accept_fails_with_its_words_and_is_not_tried_again(bench: Bench) -> None:
    bench.schedd.refuses = "I don't know about the 'foo' universe."
    bench.executor.submit([bench.attempt()])

    assert bench.error()["kind"] == "refused" and "'foo' universe" in bench.error()["message"]


def test_an_attempt_that_a_schedd_does_not_take_from_a_stranger_says_so_and_is_cancelled_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> Never:
        raise refusal("AUTHENTICATE:1003:Failed to authenticate with any method")

    for call in ("submit", "query"):
        monkeypatch.setattr(bench.schedd, call, nobody)
    attempt = bench.attempt(1)
    bench.executor.submit([attempt])
    bench.until(lambda: [one for one in bench.reports if "authenticate" in one.reason])
    assert "condor_ping" in bench.reports[-1].reason
    bench.executor.cancel([attempt.id])

    record = bench.until_seen(Seen.ENDED).record
    assert record is not None and record["error"]["kind"] == "cancelled"


def test_a_second_job_of_an_attempt_is_removed_as_soon_as_it_is_seen(bench: Bench) -> None:
    bench.submit()
    job = bench.schedd.find(1)
    (path,) = bench.schedd.log.parent.glob("*.sub")
    bench.schedd.submit(path)
    bench.until(lambda: bench.schedd.removals)

    assert list(bench.schedd.jobs) == [job]


def test_an_attempt_with_the_number_of_an_earlier_one_does_nothing(bench: Bench) -> None:
    bench.submit()
    bench.executor.submit([bench.attempt()])
    bench.submit(bench.attempt(1), bench.attempt(2))

    assert len(bench.schedd.jobs) == 2


# --- what the log does not tell ---


def test_a_job_that_no_machine_suits_waits_with_the_words_of_htcondor(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUERY_EVERY_S", 0.02)
    bench.submit()
    bench.schedd.jobs[bench.schedd.find(1)]["LastRejMatchReason"] = "no match found "

    bench.until(lambda: [one for one in bench.reports if one.reason.startswith("no match found: ")])
    assert f"condor_q -better-analyze {bench.schedd.find(1)}" in bench.reports[-1].reason
    assert {one.seen for one in bench.reports} == {Seen.QUEUED}


@pytest.mark.parametrize("record", ["", None], ids=["with record", "without"])
def test_the_end_of_a_job_that_the_log_missed_is_found_in_the_history(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, record: str | None
) -> None:
    monkeypatch.setattr(module, "QUERY_EVERY_S", 0.02)
    bench.schedd.writes_log = False
    bench.submit()
    bench.schedd.terminate(bench.schedd.find(1), 3, record=record)

    ended = bench.until_seen(Seen.ENDED).record
    assert ended is not None and ended["ok"] is (record == "")
    assert ended["ok"] or "exit code 3" in ended["error"]["message"]


def test_a_hold_that_the_log_missed_is_found_in_the_queue(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUERY_EVERY_S", 0.02)
    bench.schedd.writes_log = False
    bench.submit()
    bench.schedd.hold(bench.schedd.find(1), 1, "by hand")

    assert bench.until_seen(Seen.HELD).reason == "by hand"


def test_a_job_that_the_queue_and_the_history_do_not_know_is_lost_after_a_second_look(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUERY_EVERY_S", 0.02)
    bench.submit()
    bench.schedd.jobs.clear()

    assert "neither in the queue" in bench.until_seen(Seen.LOST).reason
    assert "MarkabJob == 1 && MarkabAttempt == 1" in bench.schedd.removals[-1], "it can not start any more"


def test_a_job_is_lost_only_when_it_is_sure_that_it_cannot_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUERY_EVERY_S", 0.02)
    bench.submit()
    remove, refused = bench.schedd.remove, []

    def fail_twice(constraint: str) -> None:
        assert not any(one.seen is Seen.LOST for one in bench.reports)
        if len(refused) < 2:
            refused.append(constraint)
            raise ExecutorUnavailable("no answer")
        remove(constraint)

    monkeypatch.setattr(bench.schedd, "remove", fail_twice)
    bench.schedd.jobs.clear()

    bench.until_seen(Seen.LOST)
    assert len(refused) == 2


def test_jobs_of_which_nothing_is_new_are_not_looked_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    say = HTCondorExecutor._say
    monkeypatch.setattr(
        HTCondorExecutor, "_say", lambda self, job: (looked.append(job.attempt.job.id), say(self, job))[1]
    )
    bench.submit(*[bench.attempt(n) for n in range(1, 6)])
    bench.until_seen(Seen.QUEUED, 5)
    job = bench.schedd.find(3)
    for number in range(1, 8):
        bench.schedd.execute(job)
        bench.until_seen(Seen.RUNNING, number)
        bench.schedd.evict(job)
        bench.until_seen(Seen.QUEUED, 5 + number)

    assert looked.count("wc_j3") > 10
    assert looked.count("wc_j5") <= 2, "when it is submitted, and when the log has that"


def test_a_query_that_fails_is_no_jobs_failure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUERY_EVERY_S", 0.01)
    bench.submit()
    bench.schedd.silent = 20
    bench.until(lambda: not bench.schedd.silent)
    bench.schedd.terminate(bench.schedd.find(1))

    assert bench.until_seen(Seen.ENDED).record["ok"]  # type: ignore[index]
    assert Seen.LOST not in [one.seen for one in bench.reports]


def test_a_job_of_an_attempt_that_is_not_under_way_is_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUERY_EVERY_S", 0.02)
    bench.submit(bench.attempt(1), bench.attempt(2))
    stale = bench.schedd.find(2)
    bench.crash()
    bench.recover(bench.attempt(1))
    bench.submit(bench.attempt(3))
    bench.until(lambda: stale not in bench.schedd.jobs)

    assert bench.schedd.find(1) and bench.schedd.find(3)


# --- a schedd elsewhere ---


@pytest.fixture
def far(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Its schedd is named by a contact, and its log stays there."""
    monkeypatch.setattr(module, "QUERY_ELSEWHERE_EVERY_S", 0.02)
    bench.executor.close()
    bench.schedd.writes_log = False
    bench.executor = HTCondorExecutor("schedd@far", make=lambda contact: bench.schedd)
    return bench


def test_files_of_a_job_that_a_schedd_elsewhere_completed_are_brought_back_before_it_is_removed(
    far: Bench,
) -> None:
    far.submit()
    job = far.schedd.find(1)
    far.schedd.execute(job)
    far.until_seen(Seen.RUNNING)
    far.schedd.complete(job)

    assert far.until_seen(Seen.ENDED).record["ok"]  # type: ignore[index]
    assert len(far.schedd.retrieved) == 1
    far.until(lambda: not far.schedd.jobs)


def test_files_that_do_not_come_back_from_a_schedd_elsewhere_are_fetched_again(
    far: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieve, failures = far.schedd.retrieve, iter(range(3))

    def failing(constraint: str) -> None:
        if next(failures, None) is not None:
            raise ExecutorUnavailable("permission denied")
        retrieve(constraint)

    monkeypatch.setattr(far.schedd, "retrieve", failing)
    far.submit()
    far.schedd.complete(far.schedd.find(1))

    assert "permission denied" in far.until_seen(Seen.HELD).reason
    assert far.until_seen(Seen.ENDED).record["ok"]  # type: ignore[index]


# --- crashes of the engine ---


def test_after_a_crash_every_attempt_has_the_state_that_the_log_and_the_queue_tell(bench: Bench) -> None:
    attempts = [bench.attempt(n) for n in range(1, 6)]
    bench.submit(*attempts)
    bench.schedd.execute(bench.schedd.find(2))
    bench.schedd.hold(bench.schedd.find(3), 1, "by hand")
    bench.schedd.terminate(bench.schedd.find(4))
    bench.schedd.abort(bench.schedd.find(5), "by hand")
    bench.crash()

    reports = {one.id.job: one for one in bench.recover(*attempts)}
    assert {position: one.seen.value for position, one in reports.items()} == {
        1: "queued", 2: "running", 3: "held", 4: "ended", 5: "ended",
    }  # fmt: skip
    assert reports[4].record is not None and reports[4].record["ok"]
    for position in (1, 2):
        bench.schedd.terminate(bench.schedd.find(position))
    bench.until_seen(Seen.ENDED, 2)


def test_after_a_crash_without_a_log_the_queue_and_the_history_suffice(bench: Bench, tmp_path: Path) -> None:
    attempts = [bench.attempt(n) for n in (1, 2, 3)]
    bench.submit(*attempts)
    bench.schedd.execute(bench.schedd.find(2))
    bench.schedd.terminate(bench.schedd.find(3))
    bench.schedd.log.unlink()
    bench.crash()

    assert [one.seen.value for one in sorted(bench.recover(*attempts), key=lambda one: one.id)] == [
        "queued", "running", "ended",
    ]  # fmt: skip


def test_an_attempt_that_was_never_submitted_is_lost_at_once(bench: Bench) -> None:
    bench.submit(bench.attempt(1))
    bench.crash()

    reports = {one.id.job: one.seen for one in bench.recover(bench.attempt(1), bench.attempt(2))}
    assert reports == {1: Seen.QUEUED, 2: Seen.LOST}


def test_an_engine_that_was_killed_while_it_submitted_gives_the_schedd_a_moment(bench: Bench) -> None:
    """The submission is on disk, and HTCondor has not shown it yet."""
    bench.submit()
    job = bench.schedd.find(1)
    hidden = bench.schedd.jobs.pop(job)
    bench.schedd.log.unlink()
    bench.crash()

    assert [one.seen for one in bench.recover()] == [Seen.QUEUED]
    bench.schedd.jobs[job] = hidden
    bench.until(lambda: not bench.reports)
    bench.schedd.terminate(job)
    assert bench.until_seen(Seen.ENDED).record["ok"]  # type: ignore[index]


def test_while_the_schedd_is_away_recovered_attempts_wait_and_none_is_lost(bench: Bench) -> None:
    bench.submit(bench.attempt(1), bench.attempt(2))
    bench.schedd.log.unlink()
    bench.crash()
    bench.schedd.silent = 5

    assert {one.seen for one in bench.recover(bench.attempt(1), bench.attempt(2))} == {Seen.QUEUED}
    bench.until(lambda: not bench.schedd.silent)
    bench.schedd.terminate(bench.schedd.find(1))
    bench.schedd.terminate(bench.schedd.find(2))
    bench.until_seen(Seen.ENDED, 2)
    assert Seen.LOST not in [one.seen for one in bench.reports]


def test_an_end_that_was_reported_and_not_recorded_is_recovered(bench: Bench) -> None:
    bench.submit()
    bench.schedd.terminate(bench.schedd.find(1))
    bench.until_seen(Seen.ENDED)
    bench.executor._reported = []  # it was killed, and did not close
    bench.crash()

    (report,) = bench.recover()
    assert report.seen is Seen.ENDED and report.record is not None and report.record["ok"]


def test_what_a_crash_left_of_attempts_that_are_over_is_removed(bench: Bench, tmp_path: Path) -> None:
    bench.submit()
    bench.schedd.terminate(bench.schedd.find(1))
    bench.until_seen(Seen.ENDED)
    bench.executor._reported = []
    bench.crash()
    bench.submit(bench.attempt(2))

    assert [path.name for path in tmp_path.glob("htcondor/*/*.1")] == ["2.1"]


def test_closing_leaves_jobs_in_the_pool(bench: Bench) -> None:
    bench.submit()
    bench.executor.close()
    bench.executor.close()

    assert bench.schedd.jobs and not bench.schedd.removals
