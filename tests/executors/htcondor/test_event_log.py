"""The log of events, as HTCondor 23.9 wrote it for six jobs: `recorded_jobs.log`.

9.0 lacks an input, 9.1 an output, 9.2 was vacated, held, released and removed, 9.3 and 9.5 were removed, 9.4 ended with 3.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import compute
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, RunContext, Seen
from markab.executors.htcondor.event_log import EventLog, JobId, LoggedEvent, attempt_of, read_events
from markab.executors.htcondor.tracked_job import TrackedJob

RECORDED = Path(__file__).with_name("recorded_jobs.log").read_bytes()


def events(proc: int) -> list[LoggedEvent]:
    return [event for event in read_events(RECORDED)[0] if event.job == JobId(9, proc)]


def states(proc: int) -> list[str]:
    """What was seen of a job, each state once, after its events."""
    job = tracked(proc)
    seen = []
    for event in events(proc):
        job.apply(event)
        if not seen or seen[-1] != job.seen.value:
            seen.append(job.seen.value)
    return [*seen, "over"] if job.is_over else seen


def tracked(proc: int) -> TrackedJob:
    context = RunContext("u", "w", "/submit", "full", 1, 1, None)
    return TrackedJob(Attempt(AttemptId("u", proc, 1), compute("j"), context, "", ""))


def story_of(proc: int) -> TrackedJob:
    job = tracked(proc)
    for event in events(proc):
        job.apply(event)
    return job


def test_a_recorded_log_is_read_whole() -> None:
    found, read = read_events(RECORDED)

    assert read == len(RECORDED)
    assert {event.type for event in found} == {
        "Submit", "Execute", "JobEvicted", "JobHeld", "JobRelease", "JobTerminated", "JobAborted", "RemoteError",
    }  # fmt: skip
    assert [attempt_of(event) for event in found if event.type == "Submit"] == [(n, 1) for n in range(1, 7)]


def test_a_log_that_is_cut_anywhere_is_read_on_when_the_rest_is_there(tmp_path: Path) -> None:
    path, whole = tmp_path / "log", read_events(RECORDED)[0]
    for size in range(0, len(RECORDED), 97):
        path.write_bytes(RECORDED[:size])
        log = EventLog(path)
        first = log.read()
        assert first == whole[: len(first)]
        path.write_bytes(RECORDED)
        assert first + log.read() == whole
        assert log.read() == []


def test_half_an_event_of_a_schedd_that_was_killed_costs_that_event_only() -> None:
    whole, first = read_events(RECORDED)[0], RECORDED.index(b"</c>\n")
    found, _ = read_events(RECORDED[: first - 40] + b"\n" + RECORDED[first + 5 :])

    assert found == whole[1:]


def test_what_is_no_event_is_skipped() -> None:
    found, read = read_events(b'noise\n<c>\n    <a n="Cluster"><i>1</i></a>\n</c>\n' + RECORDED)

    assert found == read_events(RECORDED)[0] and read > len(RECORDED)


def test_a_log_that_is_not_there_has_nothing_new(tmp_path: Path) -> None:
    assert EventLog(tmp_path / "none").read() == []


def test_a_reason_over_several_lines_with_markup_is_one_line_of_text() -> None:
    text = (
        b'<c>\n    <a n="Proc"><i>0</i></a>\n    <a n="MyType"><s>JobHeldEvent</s></a>\n    <a n="Cluster"><i>1</i></a>\n'
        b'    <a n="HoldReason"><s>disk &lt;full&gt;\n on  \x1b[31mnode</s></a>\n</c>\n'
    )
    (event,) = read_events(text)[0]

    assert event.text("HoldReason") == "disk <full> on \x1b[31mnode"


@pytest.mark.parametrize(
    ("proc", "expected"),
    [
        (0, ["queued", "held", "over"]),
        (1, ["queued", "running", "queued", "held", "over"]),
        (
            2,
            [
                "queued",
                "running",
                "queued",
                "running",
                "queued",
                "held",
                "queued",
                "running",
                "queued",
                "over",
            ],
        ),
        (4, ["queued", "running", "over"]),
    ],
)
def test_the_events_of_a_job_tell_its_states(proc: int, expected: list[str]) -> None:
    assert states(proc) == expected


def test_an_input_that_cannot_be_sent_is_an_error_of_the_transfer_with_the_words_of_htcondor() -> None:
    job = story_of(0)

    assert job.failure == "transfer"
    assert "/run/nope: (errno 2) No such file or directory" in job.reason
    assert job.removed == "via condor_rm (by user ada)"


def test_an_exit_code_is_known() -> None:
    assert story_of(4).exit_text == "exit code 3" and not story_of(4).removed


def test_a_second_job_of_an_attempt_is_known_and_its_events_do_not_count() -> None:
    job = tracked(4)
    first, second = events(4), events(0)
    job.apply(first[0])
    for event in second:
        job.apply(event)

    assert job.others == [JobId(9, 0)] and job.seen is Seen.QUEUED and not job.is_over
