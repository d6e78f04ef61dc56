"""From a script through planning and running to the database: the numbers are those of what really happened."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from integration.tools import environment, job_line, write_workflow
from kit.databases import ask
from kit.waiting import wait_until
from markab.api import (
    File,
    Job,
    ReplicaCatalog,
    Transformation,
    TransformationCatalog,
    Workflow,
)
from markab.engine.run import RunOptions, run
from markab.planner.options import PlanOptions
from markab.planner.planning import plan
from markab.provenance import queries
from markab.provenance.run_database import open_database


def script(path: Path, text: str) -> Path:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


@pytest.fixture
def submit_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plan and run: copy, then two that read the copy, of which one fails."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("hello\n")
    copy = script(tmp_path / "copy", 'cat "$1" > "$2"\n')
    fail = script(tmp_path / "fail", "echo 'it is 100% broken' >&2; exit 3\n")
    tools = [
        Transformation(path.name, site="local", pfn=str(path), is_stageable=False) for path in (copy, fail)
    ]
    tools[0].add_metadata(language="sh")
    start = File("in.txt").add_metadata(origin="nowhere")
    middle, last = File("middle.txt"), File("last.txt").add_metadata(unit="K")
    workflow = Workflow("words").add_metadata(author="ada")
    workflow.add_transformation_catalog(TransformationCatalog().add_transformations(*tools))
    workflow.add_replica_catalog(ReplicaCatalog().add_replica("local", start, str(tmp_path / "in.txt")))
    workflow.add_jobs(
        Job(tools[0], _id="one")
        .add_args(start, middle)
        .add_inputs(start)
        .add_outputs(middle, stage_out=False)
        .add_metadata(step="1"),
        Job(tools[0], _id="two").add_args(middle, last).add_inputs(middle).add_outputs(last),
        Job(tools[1], _id="bad").add_inputs(middle).add_dagman_profile(retry="1"),
    )
    workflow.write("workflow.yml")
    planned = plan(
        PlanOptions(
            workflow=Path("workflow.yml"), directory=tmp_path, sites=["local"], output_sites=["local"]
        )
    )
    assert planned.submit_dir is not None
    assert run(planned.submit_dir, RunOptions(cores=2)).state == "failed"
    return planned.submit_dir


def test_a_real_run_is_recorded_as_it_was(submit_dir: Path, tmp_path: Path) -> None:
    with open_database(submit_dir) as database:
        tasks = queries.summary(database).tasks
        assert (tasks.succeeded, tasks.failed, tasks.unfinished, tasks.retries) == (2, 1, 0, 1)
        (bad,) = queries.failed_jobs(database)
        assert (bad.exitcode, bad.attempts, bad.error_kind) == (3 << 8, 2, "exit")
        assert bad.stderr == "it is 100% broken\n"
        times = queries.wall_times(database)
        assert 0 < times.bad_jobs_s < times.jobs_s < times.jobs_submit_side_s
        checks = {(it.type, it.file_type): it for it in queries.integrity(database)}
        assert checks["compute", "output"].count == 2
        assert checks["compute", "output"].duration_s > 0
        stats = {row.transformation: row for row in queries.transformations(database)}
        assert (stats["copy"].succeeded, stats["fail"].failed) == (2, 2)
        assert (stats["copy"].max_rss_kb or 0) > 100
        assert database.target.file is not None
        file = database.target.file

    sha256 = hashlib.sha256(b"hello\n").hexdigest()
    meta = dict(ask(file, "SELECT key, value FROM rc_meta NATURAL JOIN rc_lfn WHERE lfn = 'last.txt'"))
    assert meta == {"unit": "K", "size": "6", "checksum.type": "sha256", "checksum.value": sha256}
    assert ("origin", "nowhere") in ask(
        file, "SELECT key, value FROM rc_meta NATURAL JOIN rc_lfn WHERE lfn = 'in.txt'"
    )
    task_meta = ask(file, "SELECT abs_task_id, key, value FROM task_meta NATURAL JOIN task ORDER BY 1, 2")
    assert task_meta == [("one", "language", "sh"), ("one", "step", "1"), ("two", "language", "sh")]
    assert ask(file, "SELECT key, value FROM workflow_meta") == [("author", "ada")]
    edges = ask(file, "SELECT parent_abs_task_id, child_abs_task_id FROM task_edge ORDER BY 1, 2")
    assert edges == [("one", "bad"), ("one", "two")]
    delivered = ask(file, "SELECT pfn, site FROM rc_pfn NATURAL JOIN rc_lfn WHERE lfn = 'last.txt'")
    assert len(delivered) == 1 and delivered[0][0].endswith("/last.txt") and delivered[0][1] == "local"


def test_what_is_registered_has_checksum_size_and_metadata(submit_dir: Path) -> None:
    (catalog,) = submit_dir.glob("*.replicas.db")
    rows = ask(catalog, "SELECT lfn, key, value FROM rc_lfn NATURAL JOIN rc_meta ORDER BY lfn, key")
    sha256 = hashlib.sha256(b"hello\n").hexdigest()
    assert rows == [
        ("last.txt", "checksum.type", "sha256"),
        ("last.txt", "checksum.value", sha256),
        ("last.txt", "size", "6"),
        ("last.txt", "unit", "K"),
        ("middle.txt", "checksum.type", "sha256"),
        ("middle.txt", "checksum.value", sha256),
        ("middle.txt", "size", "6"),
    ]
    places = dict(ask(catalog, "SELECT lfn, pfn FROM rc_lfn NATURAL JOIN rc_pfn"))
    assert "scratch" in places["middle.txt"], "it is not delivered"


def test_a_run_leaves_its_database_and_log_and_stands_in_the_list_of_runs(tmp_path: Path) -> None:
    """From the command line; the last pass may end a moment after the command."""
    jobs = [job_line(f"j{n}", "true") for n in range(3)]
    tools = [{"name": "true", "sites": [{"name": "local", "type": "installed", "pfn": "/bin/true"}]}]
    workflow = write_workflow(tmp_path, jobs, transformationCatalog={"transformations": tools})
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "markab", "run", "--sites", "local", str(workflow)],
        cwd=tmp_path,
        env=environment({"HOME": str(home)}),
        capture_output=True,
        text=True,
        check=True,
    )
    (run_dir,) = tmp_path.glob("*/pegasus/w/run0001")
    log = run_dir / "jobstate.log"

    wait_until(lambda: log.exists() and "MONITORD_FINISHED" in log.read_text())
    wait_until(lambda: _has_ended(home / ".pegasus/workflow.db"))
    assert all(f"true_j{n} JOB_SUCCESS 0 local" in log.read_text() for n in range(3))
    sql = "SELECT count(*) FROM job_instance NATURAL JOIN job WHERE type_desc = 'compute' AND exitcode = 0"
    assert [(3,)] == ask(log.with_name("w-0.stampede.db"), sql)
    assert "warning" not in done.stderr


def _has_ended(master: Path) -> bool:
    sql = "SELECT status FROM master_workflowstate WHERE state = 'WORKFLOW_TERMINATED'"
    try:
        return ask(master, sql) == [(0,)]
    except sqlite3.Error:
        return False
