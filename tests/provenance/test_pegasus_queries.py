"""What notebooks and tools ask a stampede database, about a real run whose story was counted by hand.

    in.txt → copy_one → mid.txt → flaky (fails once), bad (exit 3), sig (SIGSEGV), nothing (no output) → after

sig and nothing have one try in a call of the engine, the others two. The engine is called twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kit.databases import ask
from markab.api import Job, ReplicaCatalog, Transformation, TransformationCatalog, Workflow
from markab.engine.run import RunOptions, run
from markab.planner.options import PlanOptions
from markab.planner.planning import plan
from markab.provenance.run_database import open_database
from provenance.postgres_server import install, server

PROGRAMS = {
    "copy": 'cat "$1" > "$2"',
    "flaky": 'test -e "$3" && cat "$1" > "$2" && exit 0; touch "$3"; exit 7',
    "bad": "exit 3",
    "sig": "kill -SEGV $$",
    "nothing": "true",
}
LAST = "(SELECT job_id, max(job_submit_seq) AS seq FROM job_instance GROUP BY job_id)"
ENDS = f"job_instance i JOIN {LAST} l ON l.job_id = i.job_id AND l.seq = i.job_submit_seq"

QUESTIONS: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "how the run ended": (
        "SELECT state, status, restart_count FROM workflowstate ORDER BY timestamp DESC LIMIT 1",
        [("WORKFLOW_TERMINATED", 1, 1)],
    ),
    "how often it was started and ended": (
        "SELECT restart_count, state, count(*) FROM workflowstate GROUP BY 1, 2 ORDER BY 1, 2",
        [(n, state, 1) for n in (0, 1) for state in ("WORKFLOW_STARTED", "WORKFLOW_TERMINATED")],
    ),
    "jobs by type": (
        "SELECT type_desc, count(*) FROM job GROUP BY 1 ORDER BY 1",
        [("compute", 6), ("create-dir", 1), ("stage-in-tx", 1)],
    ),
    "jobs that succeeded": (f"SELECT count(*) FROM {ENDS} WHERE i.exitcode = 0", [(4,)]),
    "jobs that failed": (f"SELECT count(*) FROM {ENDS} WHERE i.exitcode <> 0", [(3,)]),
    "jobs that never started": (
        "SELECT exec_job_id FROM job WHERE job_id NOT IN (SELECT job_id FROM job_instance)",
        [("copy_after",)],
    ),
    "jobs under way": ("SELECT count(*) FROM job_instance WHERE exitcode IS NULL", [(0,)]),
    "attempts after the first": (
        "SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM job_instance GROUP BY job_id) AS t",
        [(6,)],
    ),
    "jobs that needed more than one attempt": (
        f"SELECT j.exec_job_id FROM {ENDS} JOIN job j ON j.job_id = i.job_id WHERE i.exitcode = 0 "
        "AND (SELECT count(*) FROM job_instance o WHERE o.job_id = i.job_id) > 1",
        [("flaky_flaky",)],
    ),
    "wait statuses": (
        "SELECT j.exec_job_id, i.exitcode, count(*) FROM job j JOIN job_instance i ON i.job_id = j.job_id "
        "WHERE i.exitcode <> 0 GROUP BY 1, 2 ORDER BY 1",
        [("bad_bad", 768, 4), ("flaky_flaky", 1792, 1), ("nothing_nothing", 256, 2), ("sig_sig", 11, 2)],
    ),
    "the last state of each job": (
        "SELECT s.state, count(*) FROM jobstate s JOIN (SELECT job_instance_id, max(jobstate_submit_seq) "
        "AS seq FROM jobstate GROUP BY 1) m ON m.job_instance_id = s.job_instance_id "
        f"AND m.seq = s.jobstate_submit_seq JOIN ({ENDS}) "
        "ON i.job_instance_id = s.job_instance_id GROUP BY 1 ORDER BY 1",
        [("JOB_FAILURE", 2), ("JOB_SUCCESS", 4), ("POST_SCRIPT_FAILED", 1)],
    ),
    "processes by transformation, and those that failed": (
        "SELECT transformation, count(*), count(CASE WHEN exitcode <> 0 THEN 1 END) FROM invocation "
        "GROUP BY 1 ORDER BY 1",
        [
            ("bad", 4, 4),
            ("copy", 1, 0),
            ("flaky", 2, 1),
            ("nothing", 2, 0),
            ("pegasus::dirmanager", 1, 0),
            ("pegasus::transfer", 1, 0),
            ("sig", 2, 2),
        ],
    ),
    "tasks whose process never ran": (
        "SELECT abs_task_id FROM task WHERE abs_task_id NOT IN "
        "(SELECT abs_task_id FROM invocation WHERE abs_task_id IS NOT NULL)",
        [("after",)],
    ),
    "children of a task": (
        "SELECT child_abs_task_id FROM task_edge WHERE parent_abs_task_id = 'one' ORDER BY 1",
        [("bad",), ("flaky",), ("nothing",), ("sig",)],
    ),
    "jobs that wait for none": (
        "SELECT exec_job_id FROM job WHERE exec_job_id NOT IN (SELECT child_exec_job_id FROM job_edge)",
        [("create_dir_usual_0_local",)],
    ),
    "checksums compared and made": (
        "SELECT type, file_type, sum(count) FROM integrity GROUP BY 1, 2 ORDER BY 1",
        [("check", "input", 11), ("compute", "output", 2)],
    ),
    "files that were made, and their size": (
        "SELECT l.lfn, m.value FROM rc_lfn l JOIN workflow_files f ON f.lfn_id = l.lfn_id AND f.file_type = "
        "'output' JOIN rc_meta m ON m.lfn_id = l.lfn_id AND m.key = 'size' ORDER BY 1",
        [("fl.txt", "6"), ("mid.txt", "6")],
    ),
    "who ran what where": (
        'SELECT DISTINCT i.abs_task_id, w."user" FROM invocation i JOIN workflow w ON w.wf_id = i.wf_id '
        "JOIN job_instance n ON n.job_instance_id = i.job_instance_id JOIN host h ON h.host_id = n.host_id "
        "WHERE i.abs_task_id = 'one' AND h.site = n.site",
        [("one", "ada")],
    ),
}


def make_usual_run(directory: Path) -> Path:
    """Plan and run, twice; return the submit directory. The current directory must be `directory`."""
    tools = {}
    for name, body in PROGRAMS.items():
        (directory / name).write_text(f"#!/bin/sh\n{body}\n")
        (directory / name).chmod(0o755)
        tools[name] = Transformation(name, site="local", pfn=str(directory / name), is_stageable=False)
    (directory / "in.txt").write_text("hello\n")
    workflow = Workflow("usual")
    workflow.add_transformation_catalog(TransformationCatalog().add_transformations(*tools.values()))
    workflow.add_replica_catalog(ReplicaCatalog().add_replica("local", "in.txt", str(directory / "in.txt")))
    flag = str(directory / "flag")
    workflow.add_jobs(
        Job("copy", _id="one").add_args("in.txt", "mid.txt").add_inputs("in.txt").add_outputs("mid.txt"),
        Job("flaky", _id="flaky")
        .add_args("mid.txt", "fl.txt", flag)
        .add_inputs("mid.txt")
        .add_outputs("fl.txt"),
        Job("bad", _id="bad").add_inputs("mid.txt"),
        Job("sig", _id="sig").add_inputs("mid.txt").add_dagman_profile(retry="0"),
        Job("nothing", _id="nothing").add_inputs("mid.txt").add_outputs("x").add_dagman_profile(retry="0"),
        Job("copy", _id="after").add_args("x", "y").add_inputs("x").add_outputs("y"),
    )
    workflow.write("workflow.yml")
    options = PlanOptions(
        workflow=Path("workflow.yml"),
        directory=directory,
        sites=["local"],
        cleanup="none",
        properties={"dagman.retry": "1"},
    )
    submit_dir = plan(options).submit_dir
    assert submit_dir is not None
    for _ in range(2):
        assert run(submit_dir, RunOptions(cores=2)).state == "failed"
    return submit_dir


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("usual")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setenv("HOME", str(directory))
        patch.setenv("USER", "ada")
        patch.setenv("LOGNAME", "ada")
        with open_database(make_usual_run(directory)) as opened:
            assert opened.target.file is not None
            return opened.target.file


@pytest.mark.parametrize("question", QUESTIONS)
def test_usual_questions_get_the_answers_that_were_counted_by_hand(database: Path, question: str) -> None:
    sql, answer = QUESTIONS[question]
    assert ask(database, sql) == answer


@pytest.mark.integration
def test_the_same_questions_get_the_same_answers_from_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    if not install():
        pytest.skip("there is no PostgreSQL server, and none can be installed")
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": str(tmp_path), "USER": "ada", "LOGNAME": "ada"}.items():
        monkeypatch.setenv(name, value)
    submit_dir = make_usual_run(tmp_path)
    (properties,) = submit_dir.glob("pegasus.*.properties")
    with server() as url:
        address = url.render_as_string(hide_password=False)
        properties.write_text(f"pegasus.catalog.workflow.url = {address}\n")
        with open_database(submit_dir) as opened:
            assert opened.target.file is None
            for question, (sql, answer) in QUESTIONS.items():
                assert [tuple(row) for row in opened.connection.execute(text(sql))] == answer, question
