from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kit.made_run import T0, began, compute, end, ended, engine_alive, failed, gave_up, make_run, start
from markab.errors import MarkabError
from markab.journal.records import Incomplete
from markab.journal.writer import encode
from markab.plan.model import Input, Kind, Output, Place, PlannedJob, Transfer
from markab.reports.debug_job import make_debug_directory
from markab.reports.trace_reader import read_trace

SHA = hashlib.sha256(b"four").hexdigest()


def move(id: str, kind: Kind, lfn: str, source: str, destination: str, *parents: int) -> PlannedJob:
    transfer = Transfer(lfn=lfn, sources=[Place("local", source)], destinations=[Place("local", destination)])
    return PlannedJob(id=id, kind=kind, site="local", transfers=[transfer], parents=list(parents))


def made(job: int, lfn: str) -> list[object]:
    return [start(job), end(job, outputs=[{"lfn": lfn, "size": 4, "sha256": SHA}])]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """raw → mid → left and right → end.txt, delivered to out/."""
    out = tmp_path / "out/end.txt"
    jobs = [
        move("stage_in", Kind.STAGE_IN, "raw", "https://data.example/raw", "/scratch/raw"),
        compute("mid", 0, inputs=[Input(lfn="raw")], outputs=[Output(lfn="mid")]),
        compute("left", 1, inputs=[Input(lfn="mid")], outputs=[Output(lfn="left")]),
        compute("right", 1, inputs=[Input(lfn="mid")], outputs=[Output(lfn="right")]),
        compute("end", 2, 3, inputs=[Input(lfn="left"), Input(lfn="right")], outputs=[Output(lfn="end.txt")]),
        move("stage_out", Kind.STAGE_OUT, "end.txt", "/scratch/end.txt", f"file://{out}", 4),
        compute("other", outputs=[Output(lfn="other")]),
    ]
    moved = {"lfn": "raw", "source": "https://data.example/raw", "bytes": 9, "sha256": "ab" * 32}
    entries = [began(), start(0), end(0, transfers=[moved])]
    for n, lfn in ((1, "mid"), (2, "left"), (3, "right"), (4, "end.txt")):
        entries += made(n, lfn)  # type: ignore[arg-type]
    delivered = {"lfn": "end.txt", "source": "/scratch/end.txt", "destination": f"file://{out}", "bytes": 4}
    entries += [start(5), end(5, transfers=[delivered]), ended("success")]
    return make_run(tmp_path / "run", jobs, entries)


def test_the_ancestry_is_a_tree_in_which_nothing_is_drawn_twice(run_dir: Path) -> None:
    text = read_trace(run_dir, "end.txt").text()
    assert (
        f"/out/end.txt  (gone, or of another size)\n  to make it again: markab run --restore {run_dir}\n"
        in text
    )
    (run_dir.parent / "out").mkdir()
    (run_dir.parent / "out/end.txt").write_text("four")
    text = read_trace(run_dir, "end.txt").text()
    assert text.startswith(f"end.txt  4 B, sha256 {SHA}\n  at file://{run_dir.parent}/out/end.txt\n")
    assert text.count("made by wc_mid") == 1 and "mid (see above)" in text
    assert f"raw  9 B, sha256 {'ab' * 32}, from https://data.example/raw" in text
    assert "other" not in text


def test_where_and_when_a_job_made_a_file_is_told_and_what_became_of_one_that_did_not(tmp_path: Path) -> None:
    jobs = [
        compute("first", outputs=[Output(lfn="a")]),
        compute("second", 0, inputs=[Input(lfn="a")], outputs=[Output(lfn="b")]),
        compute("third", 1, inputs=[Input(lfn="b")], outputs=[Output(lfn="c")]),
    ]
    entries = [began(), *made(0, "a"), start(1), failed(1), start(1, 2), end(1, 2, outputs=[{"lfn": "b"}])]
    run_dir = make_run(tmp_path / "run", jobs, [*entries, start(2), failed(2), gave_up(2), ended("failed")])

    lines = read_trace(run_dir, "c").text()
    assert "made by wc_third (wc at local): failed" in lines
    assert "made by wc_second (wc at local on here, 2027-01-15 08:00:01 +0000, 0.0 s, attempt 2)" in lines
    assert "made by wc_first (wc at local on here, 2027-01-15 08:00:01 +0000, 0.0 s)" in lines


def test_the_source_of_a_file_is_shown_without_secrets(tmp_path: Path) -> None:
    url = "https://store/raw?token=hush"
    jobs = [
        move("stage_in", Kind.STAGE_IN, "raw", url, "/scratch/raw"),
        compute(
            "a", 0, inputs=[Input("raw"), Input("far", sources=[Place("web", url)])], outputs=[Output("end")]
        ),
    ]
    text = read_trace(make_run(tmp_path, jobs, [began()]), "end").text()
    assert "hush" not in text and text.count("https://store/raw?token=***") == 2


def test_a_delivered_file_is_compared_with_the_checksum_on_record(run_dir: Path) -> None:
    out = run_dir.parent / "out/end.txt"
    assert read_trace(run_dir, str(out)).verdict() == f"{out} is gone: it was delivered there"
    out.parent.mkdir()
    out.write_text("four")
    assert read_trace(run_dir, str(out)).agrees is True
    assert read_trace(run_dir, f"file://{out}").agrees is True
    out.write_text("five")
    assert read_trace(run_dir, str(out)).agrees is False
    assert "is NOT what this run recorded" in read_trace(run_dir, str(out)).text()


def test_a_copy_elsewhere_is_known_by_its_name(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "left").write_text("four")
    found = read_trace(run_dir, str(tmp_path / "left"))
    assert (found.file, found.agrees) == ("left", True)


def test_programs_get_files_and_jobs(run_dir: Path) -> None:
    found = json.loads(json.dumps(read_trace(run_dir, "left").to_json()))
    assert found["files"].keys() == {"left", "mid", "raw"} and found["jobs"].keys() == {"wc_left", "wc_mid"}
    assert found["jobs"]["wc_mid"]["commands"] == ["/usr/bin/wc -l in"]
    assert found.keys() == {"file", "workflow", "wf_uuid", "files", "jobs"}
    dot = read_trace(run_dir, "left").dot()
    assert '  "file mid" -> "job wc_left"\n' in dot and '  "job wc_left" -> "file left"\n' in dot


def test_the_parameters_of_the_workflow_are_named(tmp_path: Path) -> None:
    metadata = {"parameter.n": "5", "parameter.method": "ols", "script": "w.py"}
    make_run(tmp_path, [compute("a", outputs=[Output(lfn="x")])], metadata=metadata)
    found = read_trace(tmp_path, "x")
    assert found.text().endswith("\nparameters of the workflow: n=5, method=ols\n")
    assert found.to_json()["parameters"] == {"n": "5", "method": "ols"}


def test_a_file_that_is_not_made_yet_has_its_future_ancestry(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a", outputs=[Output(lfn="x")])])
    assert "made by wc_a (wc at local): not done yet" in read_trace(tmp_path, "x").text()


def test_a_file_that_was_not_delivered_is_not_called_gone(run_dir: Path) -> None:
    (run_dir / "journal.jsonl").unlink()
    out = run_dir.parent / "out/end.txt"
    assert read_trace(run_dir, str(out)).verdict() == f"{out} was not delivered (yet)"


def test_a_file_that_will_not_come_says_where_its_job_was_left(tmp_path: Path) -> None:
    jobs = [
        compute("a", outputs=[Output(lfn="x")]),
        compute("b", 0, inputs=[Input(lfn="x")], outputs=[Output(lfn="y")]),
        compute("c", outputs=[Output(lfn="z")]),
    ]
    failure = [start(0), failed(0, message="output 'x' is missing"), gave_up(0)]
    text = read_trace(make_run(tmp_path / "over", jobs, [began(), *failure, ended("failed")]), "y").text()
    assert "made by wc_b (wc at local): not started\n" in text
    assert "made by wc_a (wc at local): failed: output 'x' is missing, no output is recorded\n" in text

    dead = make_run(tmp_path / "dead", jobs, [began(), start(2)])
    assert "wc_c (wc at local): lost with the engine\n" in read_trace(dead, "z").text()
    with engine_alive(dead):
        assert "wc_c (wc at local): under way\n" in read_trace(dead, "z").text()
        assert "wc_b (wc at local): not done yet\n" in read_trace(dead, "y").text()


def test_what_a_delivery_delivered_that_was_done_in_part_is_known(run_dir: Path) -> None:
    journal = (run_dir / "journal.jsonl").read_bytes().splitlines(keepends=True)
    moved = {"lfn": "end.txt", "source": "/scratch/end.txt", "destination": "/out/end.txt", "bytes": 4}
    error = {"kind": "incomplete", "message": "1 file not delivered"}
    part = [end(5, ok=False, error=error, transfers=[moved]), Incomplete(T0 + 3, 5, 1)]
    (run_dir / "journal.jsonl").write_bytes(b"".join([*journal[:-2], *map(encode, part)]))

    (replica,) = read_trace(run_dir, "end.txt").files["end.txt"].replicas
    assert replica.endswith("/out/end.txt")


def test_metadata_of_files_is_shown(tmp_path: Path) -> None:
    raw = Input(lfn="raw", metadata={"year": "2026", "from": "ada"})
    jobs = [
        move("in", Kind.STAGE_IN, "raw", "https://data.example/raw", "/scratch/raw"),
        compute("a", 0, inputs=[raw], outputs=[Output(lfn="x", metadata={"unit": "K"})]),
    ]
    run = make_run(tmp_path, jobs)
    assert "  with unit=K\n" in read_trace(run, "x").text()
    assert "       with from=ada, year=2026\n" in read_trace(run, "x").text()
    assert read_trace(run, "raw").files["raw"].metadata == {"year": "2026", "from": "ada"}


def test_an_unknown_file_gets_a_suggestion(run_dir: Path) -> None:
    with pytest.raises(MarkabError, match="no file 'end.tx'") as caught:
        read_trace(run_dir, "end.tx")
    assert "did you mean end.txt" in caught.value.hint


def test_a_chain_of_thousands_is_no_problem(tmp_path: Path) -> None:
    jobs = [compute("0", outputs=[Output(lfn="f0")])]
    jobs += [
        compute(str(n), n - 1, inputs=[Input(lfn=f"f{n - 1}")], outputs=[Output(lfn=f"f{n}")])
        for n in range(1, 3000)
    ]
    text = read_trace(make_run(tmp_path, jobs), "f2999").text()
    lines = text.splitlines()
    assert [
        line.strip().partition("made by ")[2].partition(" ")[0] for line in lines if "made by" in line
    ] == [f"wc_{n}" for n in range(2999, -1, -1)]
    assert max(map(len, lines)) < 200, "a line does not grow with the depth"
    assert text.count(" (see below)\n") == text.count("\n\n") == 3000 // 20 - 1


def test_inputs_for_debugging_come_from_where_they_came_once_scratch_is_gone(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("x")
    name = 'a "b" ü'
    jobs = [
        move("in", Kind.STAGE_IN, name, str(tmp_path / "source"), str(tmp_path / "gone")),
        compute("a", 0, inputs=[Input(lfn=name)]),
    ]
    make_run(tmp_path / "run", jobs, [began(), start(1), failed(1), gave_up(1), ended("failed")])
    made = make_debug_directory(tmp_path / "run", "a", tmp_path / "debug")
    assert (made.path / name).read_text() == "x" and not made.missing
