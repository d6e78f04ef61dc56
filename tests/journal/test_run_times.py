"""The times of a run: against numbers worked out by hand."""

from __future__ import annotations

from kit.made_run import T0, began, end, ended, running, start
from markab.journal.attempt_record import AttemptSuccess
from markab.journal.history import History
from markab.journal.records import Entry, decoder
from markab.journal.run_times import RunTimes
from markab.journal.writer import encode
from markab.plan.model import FORMAT, Header, PlanSite

decode = decoder(AttemptSuccess)


def times(*entries: Entry, now: float | None = None) -> RunTimes:
    history = History(Header(format=FORMAT, workflow="w", jobs=2, sites={"pool": PlanSite("condor")}))
    for entry in entries:
        history.apply(decode(encode(entry)[9:]))
    return history.times(now)


ONE_CALL = (began(), start(0, time=T0 + 1), end(0, time=T0 + 5), ended("failed", T0 + 6))


def test_a_run_that_never_started_took_no_time() -> None:
    assert times(now=T0) == RunTimes(0, 0, 0)


def test_the_night_between_two_calls_is_elapsed_and_not_active() -> None:
    again = (began(T0 + 100), start(1, time=T0 + 102), end(1, time=T0 + 105), ended("success", T0 + 106))
    assert times(*ONE_CALL) == RunTimes(6, 6, 4)
    found = times(*ONE_CALL, *again)
    assert found == RunTimes(elapsed_s=106, active_s=12, job_s=7)
    assert found.text() == "1:46 (12 s active)" and times(*ONE_CALL).text() == "6.0 s"


def test_an_engine_that_was_killed_was_active_until_its_last_record() -> None:
    killed = (began(), start(0, time=T0 + 1), start(1, time=T0 + 4))
    assert times(*killed) == RunTimes(4, 4, 0)
    lost = end(0, time=T0 + 51, ok=False, error={"kind": "lost"})
    assert times(*killed, began(T0 + 50), lost, ended("failed", T0 + 52)) == RunTimes(52, 6, 3)


def test_an_attempt_that_went_on_without_an_engine_counts_while_one_was_at_work() -> None:
    story = (
        began(),
        start(0, time=T0 + 0, site="pool"),
        running(0, time=T0 + 1),
        ended("interrupted", T0 + 3),
        began(T0 + 10),
    )
    assert times(*story, end(0, time=T0 + 12), ended("success", T0 + 12)) == RunTimes(12, 5, 4)


def test_what_is_under_way_counts_until_now() -> None:
    assert times(began(), start(0, time=T0 + 1), now=T0 + 9) == RunTimes(9, 9, 8)


def test_a_mark_made_without_an_engine_adds_no_time() -> None:
    assert times(*ONE_CALL, ended("removed", T0 + 99)) == RunTimes(6, 6, 4)


def test_a_clock_that_goes_back_gives_no_negative_time() -> None:
    assert times(began(), start(0, time=T0 + 5), end(0, time=T0 + 2), ended("success", T0 - 9)) == RunTimes()
