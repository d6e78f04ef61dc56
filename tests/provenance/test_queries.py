"""The questions of reports, on a run made by hand of which every answer is known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kit.databases import ask
from kit.diamond import (
    T0,
    began,
    compute,
    diamond_story,
    end,
    failed,
    failing_story,
    make_diamond,
    process,
    start,
    write_journal,
)
from kit.made_run import ended, make_run
from markab.journal.records import Incomplete
from markab.plan.model import Kind, PlannedJob, PlannedTask
from markab.provenance import queries
from markab.provenance.run_database import Database, open_database


@pytest.fixture
def diamond(tmp_path: Path) -> Database:
    return open_database(make_diamond(tmp_path / "diamond", entries=diamond_story()))


@pytest.fixture
def failing(tmp_path: Path) -> Database:
    return open_database(make_diamond(tmp_path / "failing", entries=failing_story()))


def test_the_summary_counts_each_job_once_and_retries_apart(diamond: Database) -> None:
    found = queries.summary(diamond)
    assert found.tasks == queries.Count(4, 0, 0, 1)
    assert found.jobs == queries.Count(6, 0, 0, 1)
    assert found.sub_workflows.total == 0


def test_a_task_failed_when_its_job_did_even_if_its_process_ended_well(failing: Database) -> None:
    assert queries.summary(failing).tasks == queries.Count(0, 1, 3, 0)
    assert queries.summary(failing).jobs == queries.Count(1, 1, 4, 0)


def test_a_job_that_was_done_in_part_is_unfinished_and_no_failure(tmp_path: Path) -> None:
    """Pegasus' columns have no word for it: its last attempt has no exit code, as one that still runs."""
    out = PlannedJob("out", Kind.STAGE_OUT, "local", parents=[0, 1])
    bad = end(2, ok=False, error={"kind": "incomplete", "message": "1 file not delivered"})
    entries = [began(), start(0), failed(0), start(1), end(1), start(2), bad, Incomplete(T0 + 4, 2, 1)]
    run = make_run(tmp_path / "run", [compute("A"), compute("B"), out], entries)
    with open_database(run) as database:
        assert queries.summary(database).jobs == queries.Count(1, 1, 1, 0)
        assert [row.job for row in queries.failed_jobs(database)] == ["wc_A"]
    file = run / "words-0.stampede.db"
    assert ask(file, "SELECT exitcode FROM job_instance ORDER BY 1 DESC") == [(256,), (0,), (None,)]
    assert ask(file, "SELECT state FROM jobstate WHERE reason LIKE 'incomplete%'") == [("JOB_TERMINATED",)]


def test_a_job_that_was_done_in_part_is_not_under_way_when_projection_continues(tmp_path: Path) -> None:
    out = PlannedJob("out", Kind.STAGE_OUT, "local", parents=[0])
    bad = end(1, ok=False, error={"kind": "incomplete", "message": "1 file not delivered"})
    story = [began(), start(0), failed(0), start(1), bad, Incomplete(T0 + 4, 1, 1), ended("failed")]
    again = [began(restart=1), start(1, 2), end(1, 2), ended("failed")]
    run = make_run(tmp_path / "run", [compute("A"), out], story)
    open_database(run).close()
    write_journal(run, [*story, *again])
    with open_database(run) as database:
        assert queries.summary(database).jobs == queries.Count(1, 1, 0, 1)
    assert ask(run / "words-0.stampede.db", "SELECT exitcode FROM job_instance ORDER BY 1") == [
        (None,),
        (0,),
        (256,),
    ]


def test_what_an_earlier_attempt_moved_is_not_moved_again(tmp_path: Path) -> None:
    moved = [{"lfn": "a", "bytes": 7}, {"lfn": "b", "bytes": 5, "found": True}]
    job = PlannedJob("out", Kind.STAGE_OUT, "local")
    run = make_run(tmp_path / "run", [job], [began(), start(0), end(0, transfers=moved)])
    open_database(run).close()
    rows = ask(next(run.glob("*.stampede.db")), "SELECT files_moved, bytes_moved FROM markab_attempt")
    assert rows == [(1, 7)]


def test_an_attempt_under_way_is_unfinished(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [compute("A")], [began(), start(0)])
    with open_database(run) as database:
        assert queries.summary(database).jobs == queries.Count(0, 0, 1, 0)
        assert queries.run_state(database).ended is None


def test_of_a_cluster_the_tasks_that_ran_well_succeeded(tmp_path: Path) -> None:
    cluster = compute("t1")
    cluster.tasks += [PlannedTask(f"t{n}", "wc", "/bin/wc") for n in (2, 3)]
    bad = failed(0, invocations=[process("t1"), process("t2", 256, start=T0 + 3)])
    run = make_run(tmp_path / "run", [cluster], [began(), start(0), bad])
    with open_database(run) as database:
        assert queries.summary(database).tasks == queries.Count(1, 1, 1, 0)
    start_and_duration = ask(
        run / "words-0.stampede.db", "SELECT cluster_start, cluster_duration FROM job_instance"
    )
    assert start_and_duration == [(T0 + 1.5, 2.5)]


def test_only_the_last_attempt_of_a_cluster_decides_how_its_tasks_ended(tmp_path: Path) -> None:
    cluster = compute("t1")
    cluster.tasks.append(PlannedTask("t2", "wc", "/bin/wc"))
    bad = failed(0, invocations=[process("t1"), process("t2", 256, start=T0 + 3)])
    good = end(0, 2, invocations=[process("t1"), process("t2", start=T0 + 3)])
    run = make_run(tmp_path / "run", [cluster, compute("t3", 0)], [began(), start(0), bad, start(0, 2)])
    with open_database(run) as database:
        assert queries.summary(database).tasks == queries.Count(0, 0, 3, 2)
    write_journal(run, [began(), start(0), bad, start(0, 2), good])
    with open_database(run) as database:
        assert queries.summary(database).tasks == queries.Count(2, 0, 1, 2)
        assert queries.summary(database).jobs == queries.Count(1, 0, 1, 1)


def test_runs_in_one_database_are_counted_each_by_itself(tmp_path: Path) -> None:
    shared = tmp_path / "all.db"
    runs = []
    for name, story in (("diamond", diamond_story()), ("failing", failing_story())):
        run = make_diamond(tmp_path / name, entries=story[:3])
        dump = (run / "braindump.yml").read_text().replace("7a3c", name)
        (run / "braindump.yml").write_text(dump)
        (run / "pegasus.1.properties").write_text(f"pegasus.catalog.workflow.url = sqlite:///{shared}\n")
        open_database(run).close()
        write_journal(run, story)
        runs.append(run)
    for run in runs:
        open_database(run).close()
    for run, count, attempts, failures in zip(
        runs, (queries.Count(6, 0, 0, 1), queries.Count(1, 1, 4, 0)), (7, 2), (0, 1), strict=True
    ):
        with open_database(run) as database:
            assert queries.summary(database).jobs == count
            assert len(queries.attempts(database)) == attempts
            assert {position for position, *_ in queries.attempts(database)} <= set(range(6))
            assert sum(row.count for row in queries.attempts_by_host(database)) == attempts
            assert len(queries.jobs(database)) == 6
            assert len(queries.failed_jobs(database)) == failures


def test_wall_times(diamond: Database) -> None:
    assert queries.wall_times(diamond) == queries.WallTimes(7.0, 18.0, 1.0, 2.0)


def test_transformations_have_time_processor_and_memory(diamond: Database) -> None:
    wc = queries.transformations(diamond)[0]
    assert (wc.transformation, wc.kind, wc.count, wc.succeeded, wc.failed) == (
        "ns::wc:1.0",
        "compute",
        5,
        4,
        1,
    )
    assert (wc.min_s, wc.max_s, wc.mean_s, wc.total_s) == (1.0, 1.0, 1.0, 5.0)
    assert (wc.cpu_s, wc.max_rss_kb, wc.mean_cpu) == (2.5, 3000, 0.5)


def test_jobs_come_in_the_order_of_the_plan_with_their_last_attempt(diamond: Database) -> None:
    rows = queries.jobs(diamond)
    assert [row.job for row in rows] == [
        "stage_in_local",
        "wc_A",
        "wc_B",
        "wc_C",
        "wc_D",
        "stage_out_local",
    ]
    assert [row.attempt for row in rows] == [1, 1, 2, 1, 1, 1]
    assert (rows[3].queue_s, rows[3].runtime_s, rows[3].host) == (1.0, 1.0, "node7")
    assert [(256, 1), (0, 2)] == [
        (row.exitcode, row.attempt) for row in queries.jobs(diamond, all_attempts=True) if row.job == "wc_B"
    ]


def test_time_is_listed_by_host_and_hour(tmp_path: Path) -> None:
    hours = [process(f"t{n}", start=T0 + 3600 * n) for n in range(2)]
    entries = [began()]
    for n, each in enumerate(hours):
        entries += [start(n), end(n, invocations=[each])]
    with open_database(make_run(tmp_path / "run", [compute("t0"), compute("t1")], entries)) as database:
        assert queries.time_by_host(database) == [
            queries.HostHour("here", "local", int(T0), 1, 1.0),
            queries.HostHour("here", "local", int(T0) + 3600, 1, 1.0),
        ]


def test_integrity_and_bytes(tmp_path: Path, diamond: Database) -> None:
    assert queries.integrity(diamond) == [
        queries.IntegrityCount("check", "input", 1, 0.25),
        queries.IntegrityCount("compute", "output", 4, 0.0),
    ]
    assert queries.integrity_failures(diamond) == 0
    assert queries.moved(diamond) == [
        queries.TransferTotals("stage-in-tx", 1, 100, 0.5),
        queries.TransferTotals("stage-out-tx", 1, 99, 0.5),
    ]
    bad = failed(0, kind="checksum", checked={"count": 3, "failed": 2, "duration_s": 1.0})
    with open_database(make_run(tmp_path / "run", [compute("A")], [began(), start(0), bad])) as database:
        assert queries.integrity_failures(database) == 2


def test_a_failed_job_has_its_reason_and_the_place_of_its_record(tmp_path: Path, failing: Database) -> None:
    (job,) = queries.failed_jobs(failing)
    assert (job.job, job.attempts, job.exitcode, job.error_kind, job.state) == (
        "wc_A",
        1,
        256,
        "missing-output",
        "POST_SCRIPT_FAILED",
    )
    assert job.reason == "missing-output: output 'f.b' is missing"
    assert (job.executable, job.argv) == ("/bin/wc", "-l 'a file'")
    assert job.journal_start is not None and job.journal_bytes is not None
    record = (failing.submit_dir / "journal.jsonl").read_bytes()[job.journal_start :][: job.journal_bytes]
    assert b'"missing-output"' in record and record.endswith(b"\n")


def test_what_a_task_printed_comes_back_as_it_was(tmp_path: Path) -> None:
    text = '50% of "it\'s"\n\tÅ ✓ \x00\x7f\n'
    bad = failed(0, invocations=[process("A", 256)], stdout=text, stderr=text)
    with open_database(make_run(tmp_path / "run", [compute("A")], [began(), start(0), bad])) as database:
        (job,) = queries.failed_jobs(database)
        assert (job.stdout, job.stderr) == (text, text)


PAGE = Path(__file__).parents[2] / "docs/how-to/ask-the-database-with-sql.md"
ANSWERS: list[list[tuple[object, ...]]] = [
    [("ns::wc:1.0", 5, 1.0, 3000), ("pegasus::transfer", 2, 1.0, None)],
    [("wc_B", 3, 1)],
    [("wc_B", "JOB_FAILURE", "exit: exit code 1")],
    [("pool", "node7", 1, 1.0), ("local", "here", 6, 17.0)],
    [("f.e", "/results/f.e", "ab" * 32)],
]
NOTEBOOK = list(zip(re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.S), ANSWERS, strict=True))
"""What the documentation asks, and what comes out for the diamond."""


@pytest.mark.parametrize(("sql", "answer"), NOTEBOOK)
def test_sql_of_the_documentation_gives_right_numbers(
    diamond: Database, sql: str, answer: list[tuple[object, ...]]
) -> None:
    assert diamond.target.file is not None
    assert answer == ask(diamond.target.file, sql)


def test_scripts_around_a_job_are_processes_of_it_and_take_none_of_its_time(tmp_path: Path) -> None:
    """As in Pegasus' database: -1 is the script before the tasks, -2 the one after them."""
    script = {key: value for key, value in process("").items() if key != "task"}
    ran = end(0, invocations=[process("A")], pre=script, post={**script, "argv": ["/bin/check"]})
    only_pre = failed(1, pre={**script, "status": 256})
    entries = [began(), start(0), ran, start(1), only_pre, ended("failed")]
    run = make_run(tmp_path / "run", [compute("A"), compute("B")], entries)

    with open_database(run) as database:
        rows = ask(
            next(run.glob("*.stampede.db")),
            "SELECT task_submit_seq, transformation, executable, abs_task_id FROM invocation ORDER BY 1 DESC, 3 DESC",
        )
        assert [1, -1, -1, -2] == [row[0] for row in rows]
        assert ("dagman::post", "/bin/check", None) == rows[-1][1:]
        counts = {
            found.transformation: (found.count, found.failed) for found in queries.transformations(database)
        }
        assert ((2, 1), (1, 0)) == (counts["dagman::pre"], counts["dagman::post"])
        assert 1.0 == queries.wall_times(database).jobs_s
        assert queries.summary(database).tasks.total == 2
