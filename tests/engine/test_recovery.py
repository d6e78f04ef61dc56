from __future__ import annotations

import pytest

from markab.engine.recovery import Checksums, Recovery
from markab.errors import CorruptJournal
from markab.journal.attempt_record import DoneTask
from markab.journal.records import AttemptEnd, AttemptStart, Entry, Refresh, RefreshedFile, Undone
from markab.journal.writer import encode
from markab.plan.model import FORMAT, Header

SHA = "ab" * 32
NEW = "ef" * 32


def recovery(jobs: int, *entries: Entry) -> Recovery:
    known = Recovery(Header(FORMAT, "w", jobs))
    for entry in entries:
        known.read(encode(entry)[9:-1])
    return known


def start(job: int, attempt: int) -> AttemptStart:
    return AttemptStart(5.0, job, f"j{job}", attempt, "local")


def end(job: int, attempt: int, **record: object) -> AttemptEnd:
    return AttemptEnd(6.0, job, attempt, record)


def test_an_attempt_that_started_and_did_not_end_is_under_way() -> None:
    known = recovery(3, start(0, 1), start(1, 1), end(0, 1, ok=True), start(2, 4))

    assert list(known.under_way) == [1, 2] and list(known.attempts) == [1, 1, 4]


def test_checksums_come_from_what_successful_attempts_made_or_moved() -> None:
    known = recovery(
        2,
        end(
            0, 1, ok=True, outputs=[{"lfn": "made", "size": 3, "sha256": SHA}, {"lfn": "unhashed", "size": 1}]
        ),
        end(1, 1, ok=False, outputs=[{"lfn": "half", "sha256": SHA}]),
        end(1, 2, ok=True, transfers=[{"lfn": "moved", "bytes": 7, "sha256": SHA}]),
    )

    assert [known.checksums.get(lfn) for lfn in ("made", "unhashed", "half", "moved")] == [
        SHA,
        None,
        None,
        SHA,
    ]
    assert known.bytes_moved == 7


def test_what_a_failed_attempt_moved_is_known_until_its_job_succeeds() -> None:
    moved = [{"lfn": "a", "bytes": 7, "sha256": SHA}, {"lfn": "b", "bytes": 5, "found": True}]
    failed = [end(0, 1, ok=False, transfers=moved), end(0, 2, ok=False)]
    known = recovery(1, *failed)

    assert [one.lfn for one in known.arrived[0]] == ["a", "b"], "a lost attempt changes nothing"
    assert known.bytes_moved == 7 and not known.sizes and known.checksums.get("a") is None
    assert known.arrived_sizes(0) == {"a": 7, "b": 5} and known.arrived_sizes(1) == {}
    assert not recovery(1, *failed, end(0, 3, ok=True, transfers=moved)).arrived


def test_a_checksum_that_is_known_is_not_replaced_by_one_of_what_only_arrived() -> None:
    moved = [{"lfn": "a", "bytes": 7, "sha256": SHA}, {"lfn": "b", "bytes": 5, "sha256": SHA}]
    known = recovery(1, end(0, 1, ok=False, transfers=moved))
    known.checksums.add("b", "cd" * 32)

    known.checksums.learn_arrived(known.arrived[0])

    assert (known.checksums.get("a"), known.checksums.get("b")) == (SHA, "cd" * 32)


def test_what_a_cluster_has_done_is_what_its_last_attempt_says_until_it_succeeds() -> None:
    def failed(number: int, *done: str) -> AttemptEnd:
        tasks = [{"task": task, "makes": [f"of {task}"]} for task in done]
        made = [{"lfn": f"of {task}", "size": 1, "sha256": SHA} for task in done]
        return end(0, number, ok=False, done=tasks, outputs=made)

    known = recovery(1, failed(1, "a"), failed(2, "a", "b"))

    assert known.done[0] == [DoneTask("a", ["of a"]), DoneTask("b", ["of b"])]
    assert known.checksums.get("of b") == SHA, "it is kept, and verified when it is read"
    assert not known.sizes, "it has not succeeded"
    assert not recovery(1, failed(1, "a"), failed(2)).done
    assert not recovery(1, failed(1, "a"), end(0, 2, ok=True)).done


def refresh(*lfns: str, **more: list[object]) -> Refresh:
    return Refresh(8.0, [RefreshedFile(lfn, f"/{lfn}", NEW) for lfn in lfns], **more)  # type: ignore[arg-type]


def test_of_a_file_that_is_taken_anew_only_the_new_content_is_expected() -> None:
    moved = [{"lfn": "a", "bytes": 7, "sha256": SHA}, {"lfn": "b", "bytes": 5, "sha256": SHA}]
    known = recovery(
        2, end(0, 1, ok=True, transfers=moved), end(1, 1, ok=False, transfers=moved), refresh("a")
    )

    assert (known.checksums.get("a"), known.checksums.get("b")) == (NEW, SHA)
    assert known.sizes == {"b": 5}
    assert [one.lfn for one in known.arrived[1]] == ["b"], "what arrived of it is the old content"


def test_a_refresh_counts_tasks_done_before_it_no_more() -> None:
    half = {"ok": False, "done": [{"task": "a", "makes": []}]}
    known = recovery(2, end(0, 1, **half), end(1, 1, **half), refresh("f", unfinished=[0]))

    assert list(known.done) == [1]


def test_a_checkpoint_of_the_old_content_counts_as_old_until_another_is_written() -> None:
    def written(ok: bool) -> AttemptEnd:
        return end(0, 2, ok=ok, outputs=[{"lfn": "state", "size": 1, "checkpoint": True}])

    refreshed = [end(0, 1, ok=False), refresh("f", checkpoints=["state", "other"])]

    assert recovery(1, *refreshed).old_checkpoints == {"state", "other"}
    assert recovery(1, *refreshed, written(False)).old_checkpoints == {"other"}
    assert recovery(1, *refreshed, written(True)).old_checkpoints == {"other"}


def test_which_jobs_had_succeeded_before_a_refresh_is_known_until_they_have_again() -> None:
    done = [end(0, 1, ok=True), end(1, 1, ok=True), end(2, 1, ok=True)]
    known = recovery(3, *done, refresh("f", jobs=[0, 1]))

    assert known.done_before == {0, 1}
    known.read(encode(end(0, 2, ok=False))[9:-1])
    assert known.done_before == {0, 1}
    known.read(encode(end(0, 3, ok=True))[9:-1])
    assert known.done_before == {1}


def test_a_job_counts_as_done_before_when_it_is_refreshed_but_not_when_its_files_were_lost() -> None:
    undone = Undone(9.0, 0, 1, "why")
    refreshed = [end(0, 1, ok=True), refresh("f", jobs=[0]), undone]

    assert recovery(1, *refreshed).done_before == {0}, "what it delivered is there"
    assert not recovery(1, *refreshed, undone).done_before


def test_the_checksum_of_a_checkpoint_is_that_of_the_last_attempt_even_if_it_failed() -> None:
    state = {"lfn": "state", "sha256": "cd" * 32, "checkpoint": True}
    known = recovery(
        2,
        end(0, 1, ok=True, transfers=[{"lfn": "state", "sha256": SHA}]),
        end(1, 1, ok=False, outputs=[state]),
    )

    assert known.checksums.get("state") == "cd" * 32


def test_the_size_of_a_file_is_known_unless_only_a_link_was_made() -> None:
    moved = [{"lfn": "copied", "bytes": 7}, {"lfn": "linked", "bytes": 9, "link": "symlink"}]
    known = recovery(1, end(0, 1, ok=True, outputs=[{"lfn": "made", "size": 3}], transfers=moved))

    assert known.sizes == {"made": 3, "copied": 7, "linked": None}


@pytest.mark.parametrize(
    "body",
    [
        b'{"event":"party","time":1}',
        b'{"event":"end","time":"noon"}',
        b'{"event":"end","time":1,"job":0,"attempt":1,"record":{"ok":true,"outputs":[{"lfn":"a","sha256":"?"}]}}',
        b"[]",
        b"?",
    ],
)
def test_a_record_that_cannot_be_understood_is_shown(body: bytes) -> None:
    with pytest.raises(CorruptJournal, match="cannot be understood") as caught:
        recovery(1).read(body)
    assert body[:80].decode() in str(caught.value)


def test_checksums_fall_back_to_those_of_the_plan() -> None:
    checksums = Checksums()
    checksums.learn({"outputs": [{"lfn": "a", "sha256": SHA}]})

    assert checksums.get("a", "old") == SHA
    assert checksums.get("b", "old") == "old"
