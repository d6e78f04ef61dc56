"""Plan and journal into a database: once, bit by bit, by many at once, and after every kind of accident."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.databases import ask, contents
from kit.diamond import (
    DIAMOND,
    T0,
    began,
    brought,
    compute,
    diamond_story,
    end,
    failed,
    failing_story,
    made,
    make_diamond,
    process,
    running,
    start,
    strange_story,
    transfer,
    write_journal,
)
from kit.made_run import make_run
from markab.errors import CorruptJournal, NotARun
from markab.journal.records import AttemptHeld, AttemptReleased, AttemptRunning, Entry, RunEnd
from markab.journal.writer import encode
from markab.plan.model import Kind, PlannedTask
from markab.provenance import row_writer
from markab.provenance.projection import Projector

DATABASE = "words-0.stampede.db"
SRC = Path(__file__).resolve().parents[2] / "src"


def project(directory: Path) -> dict[str, list[tuple[object, ...]]]:
    projector = Projector(directory)
    try:
        projector.update()
    finally:
        projector.close()
    return contents(directory / DATABASE)


def test_every_attempt_is_kept_with_its_raw_exit_status(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=diamond_story())
    project(run)

    sql = (
        "SELECT exec_job_id, job_submit_seq, exitcode FROM job_instance NATURAL JOIN job "
        "WHERE exec_job_id = 'wc_B' ORDER BY 2"
    )
    assert [("wc_B", 3, 256), ("wc_B", 5, 0)] == ask(run / DATABASE, sql)


def test_an_attempt_goes_through_the_states_of_the_schema(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=diamond_story())
    project(run)

    sql = "SELECT state, timestamp FROM jobstate WHERE job_instance_id = 4 ORDER BY jobstate_submit_seq"
    assert [
        ("SUBMIT", T0 + 1),
        ("EXECUTE", T0 + 2),
        ("JOB_TERMINATED", T0 + 3),
        ("JOB_SUCCESS", T0 + 3),
    ] == ask(run / DATABASE, sql)


def test_what_fails_after_the_processes_did_well_is_the_post_scripts(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=failing_story())
    project(run)

    last = ask(
        run / DATABASE,
        "SELECT state, reason FROM jobstate ORDER BY job_instance_id DESC, jobstate_submit_seq DESC",
    )[0]
    assert last == ("POST_SCRIPT_FAILED", "missing-output: output 'f.b' is missing")
    assert [(256,)] == ask(run / DATABASE, "SELECT exitcode FROM job_instance WHERE job_instance_id = 2")


@pytest.mark.parametrize(
    ("record", "states", "exitcode"),
    [
        ({"kind": "exit", "invocations": [process("A", 3 << 8)]}, "JOB_TERMINATED JOB_FAILURE", 3 << 8),
        ({"kind": "signal", "invocations": [process("A", 9)]}, "JOB_TERMINATED JOB_FAILURE", 9),
        ({"kind": "no-program", "invocations": [process("A", -1)]}, "JOB_TERMINATED JOB_FAILURE", 127 << 8),
        ({"kind": "checksum"}, "JOB_TERMINATED JOB_FAILURE", 256),
        ({"kind": "cancelled", "invocations": [process("A", 15)]}, "JOB_ABORTED JOB_FAILURE", 15),
        ({"kind": "lost"}, "JOB_ABORTED JOB_FAILURE", 256),
    ],
)
def test_ways_to_fail_are_distinguished(
    tmp_path: Path, record: dict[str, object], states: str, exitcode: int
) -> None:
    run = make_run(tmp_path / "run", [compute("A")], [began(), start(0), failed(0, **record)])
    project(run)

    seen = ask(run / DATABASE, "SELECT state FROM jobstate ORDER BY jobstate_submit_seq")
    assert ["SUBMIT", "EXECUTE", *states.split()] == [state for (state,) in seen]
    assert [(exitcode,)] == ask(run / DATABASE, "SELECT exitcode FROM job_instance")


def test_an_attempt_at_a_site_with_a_queue_runs_when_the_site_reports_it_and_not_before(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path / "run", [compute("A", site="pool")], [began(), start(0, site="pool")])
    states = "SELECT state FROM jobstate ORDER BY jobstate_submit_seq"
    project(run)
    assert [("SUBMIT",)] == ask(run / DATABASE, states)

    write_journal(run, [began(), start(0, site="pool"), running(0)])
    project(run)
    assert [("SUBMIT",), ("EXECUTE",)] == ask(run / DATABASE, states)


def test_files_have_places_checksums_and_metadata(tmp_path: Path) -> None:
    jobs = [*DIAMOND]
    jobs[1] = compute("A", 0, inputs="f.a", outputs="f.b", task={"metadata": {"step": "1"}})
    jobs[1].outputs[0].metadata = {"unit": "K"}
    run = make_run(tmp_path / "run", jobs, diamond_story(), metadata={"author": "ada"})
    project(run)

    meta = "SELECT key, value FROM rc_meta NATURAL JOIN rc_lfn WHERE lfn = 'f.b' ORDER BY 1"
    assert [("checksum.type", "sha256"), ("checksum.value", "ab" * 32), ("size", "10"), ("unit", "K")] == ask(
        run / DATABASE, meta
    )
    places = "SELECT lfn, pfn, site FROM rc_pfn NATURAL JOIN rc_lfn ORDER BY 1"
    assert [("f.a", "/data/f.a", "local"), ("f.e", "/results/f.e", "out")] == ask(run / DATABASE, places)
    assert [("author", "ada")] == ask(run / DATABASE, "SELECT key, value FROM workflow_meta")
    assert [("A", "step", "1")] == ask(
        run / DATABASE, "SELECT abs_task_id, key, value FROM task_meta NATURAL JOIN task"
    )


def test_a_file_that_no_task_uses_is_known_when_it_was_delivered(tmp_path: Path) -> None:
    story = [began(), start(0), end(0, transfers=[brought("f.z")])]
    run = make_run(tmp_path / "run", [transfer(Kind.STAGE_OUT, "stage_out_local", lfns="f.z")], story)
    project(run)

    assert [("f.z", "/results/f.z")] == ask(run / DATABASE, "SELECT lfn, pfn FROM rc_pfn NATURAL JOIN rc_lfn")


def test_jobs_of_one_task_of_several_and_of_another_workflow_are_distinguished(tmp_path: Path) -> None:
    jobs = [compute("A"), compute("B", 0, inputs="in"), compute("C", 1), compute("E", 2)]
    jobs[1].tasks.append(PlannedTask(id="B2", transformation="sort", executable="/bin/sort", arguments="-r"))
    jobs[2].kind = Kind.SUBWORKFLOW
    run = make_run(tmp_path / "run", jobs)
    project(run)

    assert [
        ("wc_A", "compute", 0, "/bin/wc", "-l in", 1),
        ("wc_B", "compute", 1, "/bin/wc", None, 2),
        ("wc_C", "dax", 0, "/bin/wc", "-l in", 1),
        ("wc_E", "compute", 0, "/bin/wc", "-l in", 1),
    ] == ask(
        run / DATABASE, "SELECT exec_job_id, type_desc, clustered, executable, argv, task_count FROM job"
    )
    assert [
        (1, "wc_A", "A", "ns::wc:1.0", "-l in", "compute"),
        (2, "wc_B", "B", "ns::wc:1.0", "-l in", "compute"),
        (3, "wc_B", "B2", "sort", "-r", "compute"),
        (4, "wc_C", "C", "ns::wc:1.0", "-l in", "dax"),
        (5, "wc_E", "E", "ns::wc:1.0", "-l in", "compute"),
    ] == ask(
        run / DATABASE,
        "SELECT task_id, exec_job_id, abs_task_id, transformation, task.argv, task.type_desc "
        "FROM task JOIN job USING (job_id) ORDER BY 1",
    )
    assert [("B", "in")] == ask(
        run / DATABASE,
        "SELECT abs_task_id, lfn FROM workflow_files JOIN task USING (task_id) NATURAL JOIN rc_lfn",
    )
    assert [("C", "E")] == ask(run / DATABASE, "SELECT parent_abs_task_id, child_abs_task_id FROM task_edge")


@pytest.mark.parametrize("kept", ["stdout_text", "stderr_text", "stdout_file", "stderr_file"])
def test_what_a_job_that_succeeded_printed_is_kept(tmp_path: Path, kept: str) -> None:
    story = [began(), start(0), end(0, **{kept.removesuffix("_text"): "words"})]
    run = make_run(tmp_path / "run", [compute("A")], story)
    project(run)

    column, text = {
        "stdout_text": ("stdout_text", "#@ 1 stdout%0Awords"),
        "stderr_text": ("stdout_text", "#@ 1 stderr%0Awords"),
    }.get(kept, (kept, "words"))
    assert [(text, 0)] == ask(run / DATABASE, f"SELECT {column}, exitcode FROM job_instance")


@pytest.mark.parametrize(
    ("known", "meta"),
    [
        ({"size": 7}, {"size": "7"}),
        ({"sha256": "cd"}, {"checksum.type": "sha256", "checksum.value": "cd"}),
        ({"size": 7, "sha256": "cd"}, {"checksum.type": "sha256", "checksum.value": "cd", "size": "7"}),
        ({}, {}),
    ],
)
def test_what_is_known_of_a_file_is_its_metadata(
    tmp_path: Path, known: dict[str, object], meta: dict[str, str]
) -> None:
    story = [began(), start(0), end(0, outputs=[{"lfn": "f.b", **known}])]
    run = make_run(tmp_path / "run", [compute("A", outputs="f.b")], story)
    project(run)

    assert meta == dict(ask(run / DATABASE, "SELECT key, value FROM rc_meta"))


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("again", "planned", "meta"),
    [
        ({"size": 7}, {}, {"size": "7"}),
        ({"size": 7}, {"unit": "K"}, {"size": "7", "unit": "K"}),
        ({"size": 7}, {"checksum.value": "ef"}, {"size": "7", "checksum.value": "ef"}),
        ({"sha256": "cd"}, {}, {"checksum.type": "sha256", "checksum.value": "cd"}),
        ({}, {}, {}),
    ],
)
def test_old_facts_of_a_file_that_was_made_again_are_not_kept(
    tmp_path: Path, again: dict[str, object], planned: dict[str, str], meta: dict[str, str], at_once: bool
) -> None:
    job = compute("A", outputs="f.b")
    job.outputs[0].metadata = planned
    story = [began(), start(0), failed(0, outputs=[made("f.b")]), start(0, 2)]
    story.append(end(0, 2, outputs=[{"lfn": "f.b", **again}]))
    run = make_run(tmp_path / "run", [job], story if at_once else story[:3])
    project(run)
    write_journal(run, story)
    project(run)

    assert meta == dict(ask(run / DATABASE, "SELECT key, value FROM rc_meta"))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_file_brought_again_keeps_what_is_known_of_it(tmp_path: Path, at_once: bool) -> None:
    story = [began(), start(0), end(0, transfers=[brought("f.a")]), start(0, 2)]
    story.append(end(0, 2, transfers=[{"lfn": "f.a", "bytes": None}]))
    job = transfer(Kind.STAGE_IN, "stage_in_local", lfns="f.a")
    run = make_run(tmp_path / "run", [job], story if at_once else story[:3])
    project(run)
    write_journal(run, story)
    project(run)

    meta = {"checksum.type": "sha256", "checksum.value": "ab" * 32, "size": "10"}
    assert meta == dict(ask(run / DATABASE, "SELECT key, value FROM rc_meta"))


def test_a_task_uses_each_file_in_one_way(tmp_path: Path) -> None:
    job = compute("A", inputs="in both", outputs="both out state")
    job.outputs[2].checkpoint = True
    run = make_run(tmp_path / "run", [job])
    project(run)

    sql = "SELECT lfn, file_type FROM workflow_files NATURAL JOIN rc_lfn ORDER BY 1"
    assert [("both", "inout"), ("in", "input"), ("out", "output"), ("state", "checkpoint")] == ask(
        run / DATABASE, sql
    )


def test_tasks_and_jobs_have_graphs_of_their_own(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run")
    rows = project(run)

    assert [(1, *edge) for edge in ("AB", "AC", "BD", "CD")] == [
        (row[0], row[1], row[2]) for row in rows["task_edge"]
    ]
    assert (1, "stage_in_local", "wc_A") in rows["job_edge"]
    assert 6 == len(rows["job_edge"])


def test_restarts_are_counted(tmp_path: Path) -> None:
    run = make_diamond(
        tmp_path / "run",
        entries=[began(), RunEnd(T0 + 1, "halted"), began(T0 + 5, 1), RunEnd(T0 + 9, "failed")],
    )
    project(run)

    assert [
        ("WORKFLOW_STARTED", 0, None, None),
        ("WORKFLOW_TERMINATED", 0, 1, "halted"),
        ("WORKFLOW_STARTED", 1, None, None),
        ("WORKFLOW_TERMINATED", 1, 1, "failed"),
    ] == ask(
        run / DATABASE, "SELECT state, restart_count, status, reason FROM workflowstate ORDER BY timestamp"
    )


def test_an_engine_that_starts_and_ends_within_a_moment_did_both(tmp_path: Path) -> None:
    moments = [began(), RunEnd(T0, "halted"), began(T0, 1), RunEnd(T0, "halted")]
    run = make_diamond(tmp_path / "run", entries=moments)
    for count in (2, 4):
        write_journal(run, moments[:count])
        assert count == len(project(run)["workflowstate"])


STORY = diamond_story()
QUEUED_STORY: list[Entry] = [
    began(),
    start(0, site="pool"),
    AttemptHeld(T0 + 2, 0, 1, "no quota", "12.0"),
    AttemptReleased(T0 + 3, 0, 1),
    AttemptRunning(T0 + 4, 0, 1, "12.0", "node7"),
    AttemptHeld(T0 + 5, 0, 1, "suspended", "12.0"),
    end(0, time=T0 + 9, start=T0 + 6),
    start(1, site="pool", time=T0 + 10),
    AttemptRunning(T0 + 11, 1, 1, "13.0"),
    end(1, time=T0 + 12),
    start(2, site="pool", time=T0 + 10),
    AttemptHeld(T0 + 11, 2, 1, "no quota", "14.0"),
    failed(2, time=T0 + 12),
]
"""At a site that holds and has ids of its own."""
STORIES = [STORY, failing_story(), strange_story(), QUEUED_STORY]


def test_what_a_site_holds_and_calls_an_attempt_is_recorded(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=QUEUED_STORY)
    project(run)
    states = ask(
        run / DATABASE,
        "SELECT state, reason FROM jobstate WHERE job_instance_id = 1 ORDER BY jobstate_submit_seq",
    )
    assert states == [
        ("SUBMIT", None),
        ("JOB_HELD", "no quota"),
        ("JOB_RELEASED", None),
        ("EXECUTE", None),
        ("JOB_HELD", "suspended"),
        ("JOB_TERMINATED", None),
        ("JOB_SUCCESS", None),
    ]
    ids = ask(run / DATABASE, "SELECT sched_id FROM job_instance ORDER BY job_instance_id")
    assert ids == [("12.0",), ("13.0",), ("14.0",)]


def without_paths(rows: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    return {**rows, "workflow": [row[:5] for row in rows["workflow"]]}


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("number", range(len(STORIES)))
def test_taking_in_bit_by_bit_gives_what_taking_in_at_once_gives(
    tmp_path: Path, number: int, keep: bool
) -> None:
    """Cut anywhere, and into single records; by one process that goes on (`keep`), and by a new one for each bit."""
    story = STORIES[number]
    whole = project(make_diamond(tmp_path / "whole", entries=story))
    for cuts in [*([cut] for cut in range(len(story))), range(len(story))]:
        shutil.rmtree(tmp_path / "bits", ignore_errors=True)
        run = make_diamond(tmp_path / "bits")
        projector = Projector(run)
        for cut in [*cuts, len(story)]:
            write_journal(run, story[:cut])
            if not keep:
                projector = Projector(run)
            projector.update()

        assert without_paths(contents(run / DATABASE)) == without_paths(whole), cuts


def test_every_table_that_is_numbered_is_locked_where_others_may_number_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered: set[str] = set()
    real = row_writer.Writer.new_ids

    def new_ids(writer: row_writer.Writer, table: str, count: int) -> int:
        numbered.add(table)
        return real(writer, table, count)

    monkeypatch.setattr(row_writer.Writer, "new_ids", new_ids)
    for number, story in enumerate(STORIES):
        project(make_diamond(tmp_path / str(number), entries=story))

    assert {"workflow", "host", "job", "task", "job_instance", "invocation"} <= numbered
    assert numbered <= set(row_writer._NUMBERED)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("jobs_at_once", [1, 2, 5])
def test_few_records_at_a_time_give_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: list[Entry], jobs_at_once: int
) -> None:
    run = make_diamond(tmp_path / "run", entries=story)
    whole = project(run)
    (run / DATABASE).unlink()

    monkeypatch.setattr(row_writer, "JOBS_AT_ONCE", jobs_at_once)
    assert whole == project(run)


def test_an_attempt_without_a_recorded_end_is_kept(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", [compute("A")], [began(), start(0), began(restart=1), start(0, 2), end(0, 2)]
    )
    project(run)

    assert [(1, None), (2, 0)] == ask(run / DATABASE, "SELECT job_submit_seq, exitcode FROM job_instance")
    assert [(1, 2), (2, 4)] == ask(
        run / DATABASE, "SELECT job_instance_id, count(*) FROM jobstate GROUP BY 1 ORDER BY 1"
    )


def test_projecting_again_changes_nothing(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    assert project(run) == project(run)


def test_a_deleted_database_is_made_anew_the_same(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    first = project(run)
    (run / DATABASE).unlink()
    assert first == project(run)


def test_a_journal_cut_anywhere_is_a_shorter_story(tmp_path: Path) -> None:
    """What is not a whole line is not there yet; what was cut off after it was read is forgotten."""
    run = make_diamond(tmp_path / "run", entries=STORY)
    text = (run / "journal.jsonl").read_bytes()
    project(run)
    for size in [*range(len(text) - 1, 0, -len(text) // 40), 0]:
        (run / "journal.jsonl").write_bytes(text[:size])
        ends = sum(b'"end"' in line for line in text[:size].splitlines(keepends=True) if line.endswith(b"\n"))
        rows = project(run)
        assert ends == sum(row[-1] is not None for row in rows["job_instance"])


def test_a_journal_that_was_cut_and_went_on_differently_is_read_anew(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    project(run)
    other = [*STORY[:4], failed(1, message="something else")]
    write_journal(run, other + [RunEnd(T0 + i, "failed") for i in range(50, 90)])

    project(run)
    assert [(256,)] == ask(run / DATABASE, "SELECT exitcode FROM job_instance WHERE job_instance_id = 2")


def test_damage_in_the_middle_is_an_error_and_what_is_above_it_is_kept(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    text = bytearray((run / "journal.jsonl").read_bytes())
    lines = text.splitlines(keepends=True)
    text[sum(map(len, lines[:5])) + 40] ^= 1
    (run / "journal.jsonl").write_bytes(text)

    for _ in range(2):
        with pytest.raises(CorruptJournal, match=f"byte {sum(map(len, lines[:5]))}"):
            project(run)
    assert [(2,)] == ask(run / DATABASE, "SELECT count(*) FROM job_instance")


@pytest.mark.parametrize("entry", [start(99), end(0), end(3)])
def test_a_journal_of_another_plan_is_refused(tmp_path: Path, entry: Entry) -> None:
    run = make_diamond(tmp_path / "run", entries=[began(), entry])
    with pytest.raises(CorruptJournal):
        project(run)


def test_ended_attempts_are_not_under_way_when_projection_continues(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [compute("A")], [began(), start(0), end(0)])
    project(run)
    write_journal(run, [began(), start(0), end(0), end(0)])
    with pytest.raises(CorruptJournal, match="not its start"):
        project(run)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARun):
        Projector(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0" + b"\xff" * 5000, b"no database", None])
def test_a_damaged_database_of_ours_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    whole = project(run)
    file = run / DATABASE
    file.write_bytes(file.read_bytes()[:8192] if damage is None else damage)
    (run / "journal.jsonl").open("ab").write(encode(RunEnd(T0 + 99, "success")))

    rows = project(run)
    assert len(rows["job_instance"]) == len(whole["job_instance"])


def test_a_database_of_another_format_is_made_anew(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    whole = project(run)
    import sqlite3

    with sqlite3.connect(run / DATABASE) as connection:
        connection.execute("UPDATE markab_projection SET format = 0")
        connection.execute("DELETE FROM jobstate")
    assert whole == project(run)


PROJECT = "import sys; from markab.provenance.projection import Projector; Projector(sys.argv[1]).update()"


def in_another_process(run: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    return subprocess.Popen(
        [sys.executable, "-c", PROJECT, str(run)], env=environment, stderr=subprocess.PIPE
    )


def many_jobs(directory: Path, count: int = 3000) -> Path:
    jobs = [compute(f"t{n}", outputs=f"o{n}") for n in range(count)]
    entries: list[Entry] = [began()]
    for n in range(count):
        entries += [start(n), end(n, invocations=[process(f"t{n}")])]
    return make_run(directory, jobs, entries)


def test_several_processes_may_project_at_once(tmp_path: Path) -> None:
    run = many_jobs(tmp_path / "run")
    children = [in_another_process(run) for _ in range(3)]
    for child in children:
        _, said = child.communicate(timeout=60)
        assert child.returncode == 0, said.decode()

    together = contents(run / DATABASE)
    (run / DATABASE).unlink()
    assert together == project(run)


UNTIL = """
import os, signal, sys
from markab.provenance import projection, row_writer
name, left = sys.argv[2], int(sys.argv[3])
real = getattr(row_writer.Writer, name)
def dying(*arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
setattr(row_writer.Writer, name, dying)
projection.Projector(sys.argv[1]).update()
"""


def test_a_projection_that_is_killed_has_not_happened(tmp_path: Path) -> None:
    run = many_jobs(tmp_path / "run")
    whole = project(run)
    (run / DATABASE).unlink()
    for method, calls in [("insert", 0), ("insert", 20), ("insert", 60), ("keep_sequences", 0)]:
        words = [sys.executable, "-c", UNTIL, str(run), method, str(calls)]
        done = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(SRC)})
        assert done.returncode == -signal.SIGKILL
    assert whole == project(run)
