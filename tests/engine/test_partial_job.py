"""What a job that serves several others does when some of them failed."""

from __future__ import annotations

import pytest

from markab.engine.partial_job import FailedParent, partial_job, served_children
from markab.journal.lifecycle import State
from markab.plan.model import Input, Kind, Output, Place, PlannedJob, Registration, Transfer


def work(name: str, reads: str = "", makes: str = "") -> PlannedJob:
    inputs, outputs = [Input(lfn) for lfn in reads.split()], [Output(lfn) for lfn in makes.split()]
    return PlannedJob(name, Kind.COMPUTE, "local", inputs=inputs, outputs=outputs)


def moves(kind: Kind, lfns: str) -> PlannedJob:
    transfers = [Transfer(lfn, [Place("local", f"/s/{lfn}")], []) for lfn in lfns.split()]
    return PlannedJob("move", kind, "local", transfers=transfers)


def failed(job: PlannedJob, arrived: str = "", state: State = State.FAILED) -> FailedParent:
    return FailedParent(job, state, arrived.split())


@pytest.mark.parametrize(
    ("kind", "word"), [(Kind.STAGE_OUT, "not delivered"), (Kind.STAGE_INTER, "not moved")]
)
def test_nothing_is_moved_that_a_failed_job_makes(kind: Kind, word: str) -> None:
    job, incomplete = partial_job(moves(kind, "a b c"), [failed(work("two", "a", "b"))])

    assert [transfer.lfn for transfer in job.transfers] == ["a", "c"]
    assert incomplete == f"1 file {word}, because two failed: 'b'"


def test_only_what_was_delivered_is_registered() -> None:
    rows = [Registration(lfn, f"/out/{lfn}", site) for lfn in "abc" for site in ("x", "y")]
    job = PlannedJob("register", Kind.REGISTER, "local", registrations=rows)

    kept, incomplete = partial_job(job, [failed(moves(Kind.STAGE_OUT, "a b c"), "a c")])

    assert [(each.lfn, each.site) for each in kept.registrations] == [(n, s) for n in "ac" for s in "xy"]
    assert incomplete == "1 file not registered, because move failed: 'b'"


def test_nothing_is_removed_that_a_job_to_be_run_again_reads_makes_or_moves() -> None:
    job = PlannedJob("clean", Kind.CLEANUP, "local", removes=list("abcdef"))
    parents = [failed(work("two", "a", "b")), failed(moves(Kind.STAGE_OUT, "c d"), "c", state=State.SKIPPED)]

    kept, incomplete = partial_job(job, parents)

    assert kept.removes == ["e", "f"]
    assert incomplete == "4 files kept, because two failed, and 1 more job: 'a', 'b', 'c', …"


def test_a_job_that_lacks_no_file_says_that_it_is_to_be_done_again() -> None:
    job, incomplete = partial_job(
        moves(Kind.STAGE_OUT, "a"), [failed(work("two", makes="b"), state=State.SKIPPED)]
    )

    assert len(job.transfers) == 1 and incomplete == "to be done again, because two was not run"


def test_a_task_is_served_when_all_it_reads_arrived_and_a_registration_when_anything_did() -> None:
    rows = [Registration("a", "/out/a", "x"), Registration("b", "/out/b", "x")]
    children = [
        (4, work("needs a", "a other")),
        (5, work("needs both", "a b")),
        (6, PlannedJob("register", Kind.REGISTER, "local", registrations=rows)),
        (7, PlannedJob("register b", Kind.REGISTER, "local", registrations=rows[1:])),
        (8, PlannedJob("clean", Kind.CLEANUP, "local", removes=["a"])),
    ]

    assert served_children(moves(Kind.STAGE_IN, "a b"), children, ["a"]) == [4, 6]
    assert served_children(moves(Kind.STAGE_IN, "a b"), children, []) == []
