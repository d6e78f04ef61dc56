"""The entries of a worker's record, whose names other programs read."""

from __future__ import annotations

import resource

import msgspec

from markab.journal.attempt_record import AttemptRecord, Invocation
from markab.worker.record import (
    checked_entry,
    hashed_entry,
    invocation_entry,
    make_record,
    output_entry,
    unseen_record,
    usage_entry,
)

USAGE = resource.struct_rusage(tuple(float(n) if n < 2 else n for n in range(16)))


def test_all_that_the_system_measures_of_a_process_is_recorded_by_name() -> None:
    assert usage_entry(USAGE) == {
        "utime_s": 0.0,
        "stime_s": 1.0,
        "maxrss_kb": 2,
        "minflt": 6,
        "majflt": 7,
        "inblock": 9,
        "oublock": 10,
        "nvcsw": 14,
        "nivcsw": 15,
    }


def test_what_readers_expect_of_a_process_is_written() -> None:
    """Whatever has a default there, and another name here, would be zero for ever."""
    entry = {**invocation_entry("t", ["a", "b"], 1.0, 2.123456789, 3, 256), **usage_entry(USAGE)}

    read = msgspec.convert(entry, Invocation)

    assert (read.utime_s, read.stime_s, read.maxrss_kb) == (0.0, 1.0, 2)
    assert msgspec.to_builtins(read).items() <= entry.items()
    assert entry["duration_s"] == 2.123457


def test_a_record_names_the_first_error_as_the_reason_and_the_others_beside_it() -> None:
    from markab.transfers.error_kinds import ErrorKind
    from markab.worker.failure import AttemptFailed

    errors = [
        AttemptFailed(ErrorKind.STORAGE, "full", "make room"),
        AttemptFailed(ErrorKind.EXIT, "exit code 1"),
    ]
    record = make_record(0.0, errors, "/w")

    assert not record["ok"] and record["cwd"] == "/w" and record["start"] == 0.0 < record["end"]
    assert record["error"] == {"kind": "storage", "message": "full", "hint": "make room"}
    assert record["also"] == [{"kind": "exit", "message": "exit code 1"}]
    alone = make_record(0.0, errors[:1])
    assert "also" not in alone and "cwd" not in alone and alone["host"]
    assert make_record(0.0)["ok"] is True
    assert msgspec.convert(record, AttemptRecord).ok is False


def test_an_attempt_that_no_worker_saw_has_only_its_error() -> None:
    assert unseen_record("lost", "why") == {"ok": False, "error": {"kind": "lost", "message": "why"}}


def test_entries_of_files_have_what_is_known_of_them() -> None:
    assert output_entry("f", 3, "ab", False) == {"lfn": "f", "size": 3, "sha256": "ab"}
    assert output_entry("f", 0, None, True) == {"lfn": "f", "size": 0, "checkpoint": True}
    assert checked_entry(2, 1, 0.12345678) == {"count": 2, "failed": 1, "duration_s": 0.123457}
    assert hashed_entry(2, 0.12345678) == {"count": 2, "duration_s": 0.123457}
