from __future__ import annotations

import pytest

from markab.engine.recovery import Checksums, History, decode_brief
from markab.errors import CorruptJournal
from markab.journal.records import AttemptEnd, AttemptStart, Entry, Retry, RunEnd, RunStart
from markab.journal.writer import encode

SHA = "ab" * 32


def history(jobs: int, *entries: Entry) -> History:
    told = History(jobs)
    for entry in entries:
        told.apply(decode_brief(encode(entry)[9:-1]))
    return told


def start(job: int, attempt: int) -> AttemptStart:
    return AttemptStart(5.0, job, f"j{job}", attempt, "local")


def end(job: int, attempt: int, **record: object) -> AttemptEnd:
    return AttemptEnd(6.0, job, attempt, record)


def test_jobs_that_succeeded_are_done_and_attempts_go_on_counting() -> None:
    told = history(3, start(0, 1), end(0, 1, ok=False), Retry(6.0, 0, 1), start(0, 2), end(0, 2, ok=True))

    assert list(told.succeeded) == [1, 0, 0] and list(told.attempts) == [2, 0, 0]
    assert not told.under_way and not told.is_complete


def test_a_start_without_an_end_was_under_way() -> None:
    told = history(3, start(0, 1), start(1, 1), end(0, 1, ok=True), start(2, 4))

    assert told.under_way == {1: 5.0, 2: 5.0} and list(told.attempts) == [1, 1, 4]


def test_checksums_come_from_what_successful_attempts_made_or_moved() -> None:
    told = history(
        2,
        end(
            0, 1, ok=True, outputs=[{"lfn": "made", "size": 3, "sha256": SHA}, {"lfn": "unhashed", "size": 1}]
        ),
        end(1, 1, ok=False, outputs=[{"lfn": "half", "sha256": SHA}]),
        end(1, 2, ok=True, transfers=[{"lfn": "moved", "bytes": 7, "sha256": SHA}]),
    )

    assert [told.checksums.get(lfn) for lfn in ("made", "unhashed", "half", "moved")] == [
        SHA,
        None,
        None,
        SHA,
    ]
    assert told.bytes_moved == 7


def test_the_outcome_is_that_of_the_last_engine_if_it_lived_to_tell() -> None:
    began = RunStart(1.0, "u", 1, "h")
    assert history(1, began, RunEnd(2.0, "failed")).outcome == "failed"
    killed = history(1, began, RunEnd(2.0, "failed"), began)
    assert killed.outcome is None and killed.runs == 2


def test_a_journal_of_another_plan_is_refused() -> None:
    with pytest.raises(CorruptJournal, match="position 3, and the plan has 2 jobs"):
        history(2, start(3, 1))


@pytest.mark.parametrize(
    "body", [b'{"event":"party","time":1}', b'{"event":"end","time":"noon"}', b"[]", b"?"]
)
def test_a_record_that_nobody_understands_is_shown(body: bytes) -> None:
    with pytest.raises(CorruptJournal, match="cannot be understood") as caught:
        History(1).read(body)
    assert body.decode() in str(caught.value)


def test_checksums_fall_back_to_what_the_plan_says() -> None:
    checksums = Checksums()
    checksums.learn({"outputs": [{"lfn": "a", "sha256": SHA}]})

    assert checksums.get("a", "old") == SHA
    assert checksums.get("b", "old") == "old"
