"""Plans that the real DAGMan runs: results and reports are those of a run of Markab, and what failed is gone on with."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.test_htcondor import DIAMOND_RESULT, write_diamond
from integration.tools import ends_of, job_line, journal, markab, plan, write_workflow
from kit.htcondor_pool import Pool
from kit.htcondor_site import shell_catalog, write_sites
from kit.waiting import wait_until

pytestmark = pytest.mark.integration

DAG_PATIENCE_S = 300.0


class Dag:
    """A plan for DAGMan, and what runs of it."""

    def __init__(self, pool: Pool, submit_dir: Path) -> None:
        self.pool, self.submit_dir = pool, submit_dir
        self.file = submit_dir / "w-0.dag"

    def submit(self) -> None:
        """Start DAGMan, from another directory than that of the DAG."""
        self.pool.command("condor_submit_dag", str(self.file))

    def wait(self) -> int:
        """Return the exit code of DAGMan."""
        log = Path(f"{self.file}.dagman.out")
        ended = re.compile(r"condor_DAGMAN\) pid \d+ EXITING WITH STATUS (\d+)")
        wait_until(
            lambda: not self.pool.queue(), DAG_PATIENCE_S, every_s=0.5, what=lambda: (self._story(), log)
        )
        return int(ended.findall(log.read_text())[-1])

    def run(self) -> int:
        """Run it to its end."""
        self.submit()
        return self.wait()

    def until(self, event: str, job: str) -> None:
        """Wait until the journal has an event of a job."""
        wait_until(lambda: self.events(event, job), DAG_PATIENCE_S, every_s=0.2, what=self._story)

    def events(self, event: str, job: str) -> list[dict[str, Any]]:
        """Return the events of one kind of a job."""
        if not (self.submit_dir / "journal.jsonl").exists():
            return []
        records = journal(self.submit_dir)
        positions = {one["job"] for one in records if one["event"] == "start" and one["id"] == job}
        return [one for one in records if one["event"] == event and one.get("job") in positions]

    def state(self) -> str:
        """Return the state of the run, as `markab status` has it."""
        done = markab("status", "--json", self.submit_dir, cwd=self.submit_dir, check=False)
        return str(json.loads(done.stdout)["dags"]["root"]["state"])

    def _story(self) -> str:
        errors = self.submit_dir / "dagman/errors.log"
        told = [one.read_text(errors="replace")[-2000:] for one in [errors] if one.exists()]
        return "\n".join([*self.pool.queue(), *told])


@pytest.fixture
def pool(htcondor: Pool) -> Iterator[Pool]:
    """A pool whose queue is empty, before and after."""
    with htcondor.alone():
        yield htcondor
        htcondor.clear()
        wait_until(lambda: not htcondor.queue(), every_s=0.2, what=htcondor.queue)


def plan_dag(pool: Pool, top: Path, workflow: Path, *words: str | Path) -> Dag:
    found = ["--engine", "dagman", "--sites", "pool", "--output-dir", top / "out", *words]
    return Dag(pool, plan(workflow, *found, cwd=top))


def write_chain(top: Path, first: str, **keys: Any) -> Path:
    """Write a workflow of two jobs: `a` runs a piece of shell that makes f.a, `b` copies that."""
    jobs = [
        job_line("a", "sh", f"-c '{first}'", outputs=["f.a"], **keys),
        job_line("b", "sh", "-c 'cat f.a > f.b'", inputs=["f.a"], outputs=["f.b"]),
    ]
    return write_workflow(top, jobs, **shell_catalog())


def test_a_diamond_gives_the_results_of_a_local_run_and_every_report_reads_it(
    pool: Pool, tmp_path: Path
) -> None:
    write_sites(tmp_path)
    workflow = write_diamond(tmp_path)
    words = ["--sites", "pool", "-Dmarkab.executor=local", "--output-dir", tmp_path / "local"]
    local = plan(workflow, *words, cwd=tmp_path)
    markab("run", local, cwd=tmp_path)
    dag = plan_dag(pool, tmp_path, workflow, "--cleanup", "none")

    assert dag.run() == 0

    results = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert results == {path.name: path.read_text() for path in (tmp_path / "local").iterdir()}
    assert results["f.e"] == DIAMOND_RESULT
    assert dag.state() == "Success"
    (record,) = ends_of(dag.submit_dir, "sh_e")
    assert record["ok"] and record["cwd"].startswith(f"{pool.top}/execute/")
    (runs,) = dag.events("running", "sh_e")
    assert "." in runs["native_id"]
    assert "succeeded" in markab("analyze", dag.submit_dir, cwd=tmp_path).stdout.lower()
    assert "sh_e" in markab("trace", dag.submit_dir, "f.e", cwd=tmp_path).stdout
    assert "12" in markab("statistics", dag.submit_dir, cwd=tmp_path).stdout
    assert "sh_e" in markab("why", dag.submit_dir, "sh_e", cwd=tmp_path).stdout
    listed = markab("runs", "--json", cwd=tmp_path).stdout
    assert str(dag.submit_dir) in listed
    assert not list((dag.submit_dir / "dagman").glob("[0-9]*[0-9]"))
    assert not (dag.submit_dir / "dagman/errors.log").exists()


def test_a_job_that_fails_is_analysed_and_the_rescue_dag_goes_on(pool: Pool, tmp_path: Path) -> None:
    write_sites(tmp_path)
    (tmp_path / "switch").mkdir()
    workflow = write_chain(
        tmp_path, f"test -e {tmp_path}/switch/on && echo made > f.a", profiles={"dagman": {"RETRY": "1"}}
    )
    dag = plan_dag(pool, tmp_path, workflow, "--cleanup", "none")

    assert dag.run() == 1

    assert dag.state() == "Failure"
    assert [record["ok"] for record in ends_of(dag.submit_dir, "sh_a")] == [False, False]
    assert Path(f"{dag.file}.rescue001").exists()
    analysis = markab("analyze", dag.submit_dir, cwd=tmp_path, check=False).stdout
    assert "sh_a" in analysis and "condor_submit_dag" in analysis
    before = len(journal(dag.submit_dir))

    (tmp_path / "switch/on").touch()
    assert dag.run() == 0

    assert (tmp_path / "out/f.b").read_text() == "made\n"
    assert dag.state() == "Success"
    again = [one["id"] for one in journal(dag.submit_dir)[before:] if one["event"] == "start"]
    assert again[0] == "sh_a" and not any(name.startswith("create_dir") for name in again)
    assert [one["attempt"] for one in dag.events("start", "sh_a")] == [1, 2, 3]


def test_a_run_that_is_removed_goes_on(pool: Pool, tmp_path: Path) -> None:
    write_sites(tmp_path)
    workflow = write_chain(tmp_path, f"test -e {tmp_path}/on || sleep 1000; echo made > f.a")
    dag = plan_dag(pool, tmp_path, workflow, "--cleanup", "none")
    dag.submit()
    dag.until("running", "sh_a")
    assert dag.state() == "Running"

    markab("remove", dag.submit_dir, cwd=tmp_path, check=False)
    dag.wait()

    assert dag.state() == "Removed"
    (tmp_path / "on").touch()
    assert dag.run() == 0
    assert dag.state() == "Success"
    assert [record["ok"] for record in ends_of(dag.submit_dir, "sh_a")] == [False, True]


def test_a_dagman_that_is_killed_is_started_again_by_htcondor_and_repeats_nothing(
    pool: Pool, tmp_path: Path
) -> None:
    write_sites(tmp_path)
    workflow = write_chain(tmp_path, f"while ! test -e {tmp_path}/on; do sleep 0.2; done; echo made > f.a")
    dag = plan_dag(pool, tmp_path, workflow, "--cleanup", "none")
    dag.submit()
    dag.until("running", "sh_a")
    (start,) = [one for one in journal(dag.submit_dir) if one["event"] == "run-start"]

    os.kill(start["pid"], signal.SIGKILL)
    (tmp_path / "on").touch()

    assert dag.wait() == 0
    assert dag.state() == "Success"
    assert (tmp_path / "out/f.b").read_text() == "made\n"
    assert [record["ok"] for record in ends_of(dag.submit_dir, "sh_a")] == [True]


def test_a_job_that_is_held_for_a_reason_that_lasts_fails_with_the_words_of_htcondor(
    pool: Pool, tmp_path: Path
) -> None:
    write_sites(tmp_path)
    profiles = {"condor": {"transfer_input_files": f"{tmp_path}/missing"}, "dagman": {"RETRY": "0"}}
    dag = plan_dag(
        pool, tmp_path, write_chain(tmp_path, "echo made > f.a", profiles=profiles), "--cleanup", "none"
    )

    assert dag.run() == 1

    (record,) = ends_of(dag.submit_dir, "sh_a")
    assert record["error"]["kind"] == "transfer" and "missing" in record["error"]["message"]


def test_an_exit_code_ends_the_dag_without_further_tries(pool: Pool, tmp_path: Path) -> None:
    write_sites(tmp_path)
    profiles = {"dagman": {"ABORT-DAG-ON": "3 RETURN 5", "RETRY": "3"}}
    dag = plan_dag(pool, tmp_path, write_chain(tmp_path, "exit 3", profiles=profiles), "--cleanup", "none")

    code = dag.run()

    assert [record["ends_run"] for record in ends_of(dag.submit_dir, "sh_a")] == [5]
    assert dag.state() == "Removed"
    assert code == 1


def test_a_dag_that_is_halted_starts_nothing_new_and_goes_on(pool: Pool, tmp_path: Path) -> None:
    write_sites(tmp_path)
    workflow = write_chain(tmp_path, f"while ! test -e {tmp_path}/on; do sleep 0.2; done; echo made > f.a")
    dag = plan_dag(pool, tmp_path, workflow, "--cleanup", "none")
    dag.submit()
    dag.until("running", "sh_a")

    markab("halt", dag.submit_dir, cwd=tmp_path)
    wait_until(lambda: Path(f"{dag.file}.halt").exists(), every_s=0.2, what="no halt file")
    (tmp_path / "on").touch()
    dag.wait()

    assert dag.state() == "Halted"
    assert [record["ok"] for record in ends_of(dag.submit_dir, "sh_a")] == [True]
    assert not dag.events("start", "sh_b")
    assert dag.run() == 0
    assert dag.state() == "Success"


def test_markab_run_says_how_a_plan_for_dagman_is_run(pool: Pool, tmp_path: Path) -> None:
    write_sites(tmp_path)
    dag = plan_dag(pool, tmp_path, write_chain(tmp_path, "true"))

    done = markab("run", dag.submit_dir, cwd=tmp_path, check=False)

    assert done.returncode and "condor_submit_dag" in done.stderr
