"""What is recorded of a run: under which keys, with which bytes, at which places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.made_run import T0, compute, make_run
from markab.engine.result_recording import RunResults, read_results, record_results, record_unrecorded
from markab.journal.records import AttemptEnd, Entry
from markab.plan.model import Content, Input, Kind, Output, Place, PlannedJob, Transfer
from markab.plan.submit_dir import SubmitDir
from markab.reuse.content_key import content_key
from markab.reuse.file_checksums import FileChecksums
from markab.reuse.result_index import open_index

X1, X2, Y1, Y2, Z = ("1" * 64, "2" * 64, "3" * 64, "4" * 64, "5" * 64)


def maker(name: str, reads: str, makes: str, *parents: int, **content: Any) -> PlannedJob:
    return compute(
        name,
        *parents,
        task={"content": Content(f"recipe of {name}", **content)},
        inputs=[Input(reads)],
        outputs=[Output(makes)],
    )


def ended(job: int, attempt: int = 1, *, ok: bool = True, **record: Any) -> AttemptEnd[dict[str, Any]]:
    return AttemptEnd(T0, job, attempt, {"ok": ok, **record})


def made(**files: str) -> dict[str, Any]:
    return {"outputs": [{"lfn": lfn, "size": 5, "sha256": sha256} for lfn, sha256 in files.items()]}


def moved(**files: str) -> dict[str, Any]:
    return {"transfers": [{"lfn": lfn, "bytes": 5, "sha256": sha256} for lfn, sha256 in files.items()]}


def results(tmp_path: Path, jobs: list[PlannedJob], *entries: Entry) -> RunResults:
    run = make_run(tmp_path / "run0001", jobs, entries)
    return read_results(SubmitDir(run), "7a3c", lambda path, sha256: sha256 != X2)


STAGE_IN = PlannedJob("stage_in", Kind.STAGE_IN, "local", transfers=[Transfer("in", [], [])])


def test_the_key_is_made_of_what_was_read(tmp_path: Path) -> None:
    jobs = [STAGE_IN, maker("a", "in", "x", 0), maker("b", "x", "y", 1)]

    found = results(
        tmp_path, jobs, ended(0, **moved(**{"in": X1})), ended(1, **made(x=X2)), ended(2, **made(y=Y1))
    )

    keys = [content_key("recipe of a", [("in", X1)]), content_key("recipe of b", [("x", X2)])]
    assert keys == [entry.key for entry in found.entries]
    assert [("7a3c", "wc_a", X2), ("7a3c", "wc_b", Y1)] == [
        (entry.run, entry.job, entry.made[0].sha256) for entry in found.entries
    ]


def test_what_a_job_makes_again_does_not_change_what_was_made_of_its_first_output(tmp_path: Path) -> None:
    jobs = [STAGE_IN, maker("a", "in", "x", 0), maker("b", "x", "y", 1), maker("c", "x", "z", 1)]

    found = results(
        tmp_path,
        jobs,
        ended(0, **moved(**{"in": Z})),
        ended(1, **made(x=X1)),
        ended(2, **made(y=Y1)),
        ended(1, 2, **made(x=X2)),
        ended(3, **made(z=Z)),
    )

    read = {entry.job: entry.key for entry in found.entries if entry.job != "wc_a"}
    assert {
        "wc_b": content_key("recipe of b", [("x", X1)]),
        "wc_c": content_key("recipe of c", [("x", X2)]),
    } == read


@pytest.mark.parametrize(
    ("job", "end"),
    [
        (maker("a", "in", "x", 0), ended(1, ok=False, **made(x=X1))),
        (maker("a", "other", "x", 0), ended(1, **made(x=X1))),
        (maker("a", "in", "x", 0), ended(1, outputs=[{"lfn": "x", "size": 5}])),
        (maker("a", "in", "x", 0), ended(1, **made(w=X1))),
        (maker("a", "in", "x", 0), ended(1, **made(x=X1), reused={"key": "k", "run": "r", "job": "j"})),
        (maker("a", "in", "x", 0, programs={"/opt/a": X2}), ended(1, **made(x=X1))),
        (compute("a", 0, inputs=[Input("in")], outputs=[Output("x")]), ended(1, **made(x=X1))),
    ],
    ids=[
        "it failed",
        "the checksum of an input is unknown",
        "the checksum of an output is unknown",
        "an output is missing",
        "it was made earlier",
        "its program was replaced",
        "what makes it is unknown",
    ],
)
def test_a_job_of_which_anything_is_in_doubt_is_not_recorded(
    tmp_path: Path, job: PlannedJob, end: AttemptEnd[dict[str, Any]]
) -> None:
    assert [] == results(tmp_path, [STAGE_IN, job], ended(0, **moved(**{"in": X1})), end).entries


def test_a_file_that_a_job_fetches_itself_counts_by_the_checksum_in_the_plan(tmp_path: Path) -> None:
    fetched = Input("in", sha256=X1.upper(), sources=[Place("local", "/data/in")])
    job = compute("a", task={"content": Content("r")}, inputs=[fetched], outputs=[Output("x")])

    (entry,) = results(tmp_path, [job], ended(0, **made(x=X2))).entries

    assert content_key("r", [("in", X1)]) == entry.key


def test_a_link_that_is_not_verified_counts_for_nothing(tmp_path: Path) -> None:
    linked = Input("in", sha256=X1, sources=[Place("local", "/data/in")], link=True)
    job = compute("a", task={"content": Content("r")}, inputs=[linked], outputs=[Output("x")])

    assert [] == results(tmp_path, [job], ended(0, **made(x=X2))).entries


def test_places_are_where_results_were_delivered_and_what_cleanup_left(tmp_path: Path) -> None:
    jobs = [
        STAGE_IN,
        maker("a", "in", "x", 0),
        maker("b", "x", "y", 1),
        PlannedJob(
            "out",
            Kind.STAGE_OUT,
            "local",
            parents=[2],
            transfers=[Transfer("y", [], [Place("local", "/results/y"), Place("far", "https://far/y")])],
        ),
        PlannedJob("clean", Kind.CLEANUP, "local", parents=[3], removes=["y"]),
    ]

    found = results(
        tmp_path,
        jobs,
        ended(0, **moved(**{"in": X1})),
        ended(1, **made(x=X1)),
        ended(2, **made(y=Y1)),
        ended(3, **moved(y=Y1)),
        ended(4),
    )

    assert [("/results/y", Y1, T0)] == [(one.path, one.sha256, one.at) for one in found.delivered]
    assert [(X1, f"{tmp_path}/run0001/scratch/x")] == found.scratch


def test_recording_twice_or_after_a_kill_is_as_recording_once(tmp_path: Path) -> None:
    jobs = [STAGE_IN, maker("a", "in", "x", 0)]
    run = make_run(tmp_path / "run0001", jobs, [ended(0, **moved(**{"in": X1})), ended(1, **made(x=X1))])
    key = content_key("recipe of a", [("in", X1)])
    with open_index(str(tmp_path / "index.db"), create=True) as index:
        index.add_run("7a3c", str(run), "words", T0)
        record_unrecorded(index)
        assert [] == index.unrecorded()
        assert record_results(index, FileChecksums(index), SubmitDir(run), "7a3c", is_over=True)

        assert "wc_a" == index.find([key])[key].job


def test_a_run_that_is_gone_or_replaced_by_another_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run0001", [STAGE_IN], [ended(0)], uuid="another")
    with open_index(str(tmp_path / "index.db"), create=True) as index:
        index.add_run("7a3c", str(run), "words", T0)
        index.add_run("8b4d", str(tmp_path / "gone"), "words", T0)

        record_unrecorded(index)

        assert ["7a3c", "8b4d"] == [uuid for uuid, _, _ in index.unrecorded()]
