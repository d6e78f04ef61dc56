from __future__ import annotations

import pytest

from markab.errors import CorruptJournal
from markab.journal.attempt_record import AttemptSuccess
from markab.journal.history import EFFECTS, History
from markab.journal.lifecycle import State
from markab.journal.records import (
    EVENTS,
    AttemptEnd,
    AttemptRunning,
    AttemptStart,
    Entry,
    GiveUp,
    Halt,
    Incomplete,
    Retry,
    RunEnd,
    RunStart,
    Undone,
    decoder,
)
from markab.journal.writer import encode
from markab.plan.model import FORMAT, Header, PlanSite

decode = decoder(AttemptSuccess)
BEGAN = RunStart(1.0, "u", 1, "h")


def history(jobs: int, *entries: Entry) -> History:
    sites = {"local": PlanSite(), "pool": PlanSite(executor="condor")}
    after = History(Header(FORMAT, "w", jobs, sites=sites))
    for entry in entries:
        after.apply(decode(encode(entry)[9:-1]))
    return after


def start(job: int, attempt: int = 1, site: str = "local") -> AttemptStart:
    return AttemptStart(5.0, job, f"j{job}", attempt, site)


def end(job: int, attempt: int = 1, ok: bool = True) -> AttemptEnd:
    return AttemptEnd(6.0, job, attempt, {"ok": ok})


def test_every_kind_of_record_has_a_declared_effect() -> None:
    assert set(EFFECTS) == set(EVENTS)


def test_jobs_that_succeeded_are_done_and_attempt_numbers_continue() -> None:
    after = history(3, start(0), end(0, ok=False), Retry(6.0, 0, 1), start(0, 2), end(0, 2))

    assert list(after.succeeded) == [1, 0, 0] and list(after.attempts) == [2, 0, 0]
    assert not after.under_way and not after.is_complete


def test_a_start_without_an_end_is_under_way() -> None:
    after = history(3, start(0), start(1), end(0), start(2, 4, "pool"))

    assert {job: (it.number, it.start) for job, it in after.under_way.items()} == {1: (1, 5.0), 2: (4, 5.0)}
    assert list(after.states) == [State.SUCCEEDED, State.RUNNING, State.QUEUED]


def test_an_attempt_that_was_queued_runs_since_that_was_reported() -> None:
    after = history(1, start(0, 1, "pool"), AttemptRunning(9.0, 0, 1))

    assert after.states[0] == State.RUNNING
    assert (after.under_way[0].start, after.under_way[0].since) == (5.0, 9.0)


def test_a_failed_job_waits_again_when_the_next_engine_starts() -> None:
    failed = [BEGAN, start(0), end(0, ok=False), GiveUp(6.0, 0, 1)]
    assert list(history(1, *failed).states) == [State.FAILED]
    assert list(history(1, *failed, BEGAN).states) == [State.WAITING]


def test_children_that_go_on_although_an_attempt_failed_are_known_until_the_next_engine_starts() -> None:
    failed = [BEGAN, start(0), end(0, ok=False), Retry(6.0, 0, 1, served=[1])]
    failed += [start(0, 2), end(0, 2, ok=False), GiveUp(6.0, 0, 2, served=[2])]

    assert history(3, *failed).served == {0: {1, 2}}
    assert not history(3, *failed, BEGAN).served
    assert history(3, BEGAN, start(0), end(0, ok=False), Incomplete(6.0, 0, 1, [2])).served == {0: {2}}


def test_an_incomplete_job_waits_again_when_the_next_engine_starts() -> None:
    part = [BEGAN, start(0), end(0, ok=False), Incomplete(6.0, 0, 1)]
    assert list(history(1, *part).states) == [State.INCOMPLETE]
    assert list(history(1, *part, BEGAN).states) == [State.WAITING]


def test_a_job_that_is_undone_has_not_succeeded() -> None:
    assert history(1, start(0), end(0)).is_complete
    assert not any(history(1, start(0), end(0), Undone(7.0, 0, 1, "gone")).succeeded)


def test_a_pause_lasts_until_the_next_start_or_engine() -> None:
    failed = [BEGAN, start(0), end(0, ok=False), Retry(6.0, 0, 1, 10.0)]
    assert history(1, *failed).paused == {0: 16.0}
    assert history(1, *failed, start(0, 2)).paused == history(1, *failed, BEGAN).paused == {}


def test_the_outcome_is_that_of_the_last_engine_if_it_wrote_one() -> None:
    assert history(1, BEGAN, RunEnd(2.0, "failed")).outcome == "failed"
    killed = history(1, BEGAN, RunEnd(2.0, "failed"), BEGAN)
    assert killed.outcome is None and killed.runs == 2


def test_a_request_is_over_when_the_engine_is() -> None:
    assert history(1, BEGAN, Halt(2.0)).requested_stop == "halt"
    assert history(1, BEGAN, Halt(2.0), RunEnd(3.0, "halted")).requested_stop == ""


@pytest.mark.parametrize(
    "entry",
    [start(3), end(3), AttemptRunning(1.0, 3, 1), Retry(1.0, 3, 1), GiveUp(1.0, 3, 1), Undone(1.0, 3, 1, "")],
)
def test_a_journal_of_another_plan_is_refused(entry: Entry) -> None:
    with pytest.raises(CorruptJournal, match="position 3, and the plan has 2 jobs"):
        history(2, entry)
