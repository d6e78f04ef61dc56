"""What the scripts of nodes record, without an HTCondor: the tests call them in the order in which DAGMan would."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.tools import ends_of, journal
from kit.planned_workflow import Bench, task
from kit.waiting import is_alive, wait_for_line, wait_until
from markab import operations
from markab.dagman.dag_layout import DagLayout
from markab.dagman.dag_text import DONE, FAILED, GAVE_UP, SKIP
from markab.dagman.node_steps import after_job, before_job, end_run
from markab.engine.run import run
from markab.errors import NotARun
from markab.plan.plan_file import PlanFile


class FakeDagman:
    """Runs the nodes of a plan whose jobs are all of this machine, one after the other."""

    def __init__(self, submit_dir: Path) -> None:
        self.submit_dir = submit_dir
        self.plan = PlanFile(submit_dir / "plan.jsonl")
        self.layout = DagLayout(submit_dir)

    def work(self, job: int) -> None:
        """Run the worker, as HTCondor would."""
        subprocess.run([str(self.layout.step), "work"], cwd=self.layout.sandbox(job), check=False)

    def node(self, job: int, retry: int = 0) -> int:
        """Run PRE, job and POST once; return the exit code of the last of them that ran."""
        retries = self.plan.job(job).retries
        code = before_job(self.submit_dir, job, retry, retries)
        if code == DONE:
            self.work(job)
            code = after_job(self.submit_dir, job, retry, retries)
        return code

    def run(self) -> int:
        """Run all nodes, those that fail as often as they may; return the exit code of the FINAL node."""
        failed: set[int] = set()
        for job in range(len(self.plan)):
            planned = self.plan.job(job)
            if failed.intersection(planned.parents):
                failed.add(job)
                continue
            for retry in range(planned.retries + 1):
                code = self.node(job, retry)
                if code != FAILED:
                    break
            if code not in (DONE, SKIP):
                failed.add(job)
        return end_run(self.submit_dir, 2 if failed else 0)

    def position(self, name: str) -> int:
        return self.plan.positions[name]

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        return [one for one in journal(self.submit_dir) if one["event"] in kinds]


def make(
    top: Path, script: str = "cat in > out", workflow: dict[str, Any] | None = None, **profiles: Any
) -> FakeDagman:
    bench = Bench(top)
    (top / "bin/tool").write_text(f"#!/bin/sh\n{script}\n")
    bench.has("in")
    one = task("a", "in", "out", profiles=profiles)
    given = {"engine": "dagman", "output_dir": top / "results", "cleanup": "none"}
    planned = operations.plan(bench.options(one, workflow=workflow, **given))
    assert planned.submit_dir is not None
    return FakeDagman(planned.submit_dir)


@pytest.fixture(autouse=True)
def dagman(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDOR_ID", "7.0")


def test_a_run_has_the_results_and_the_states_of_a_run_of_markab(tmp_path: Path) -> None:
    dag = make(tmp_path)

    assert dag.run() == DONE

    assert (tmp_path / "results/out").read_text() == "content of in\n"
    status = operations.read_status(dag.submit_dir)
    assert (status.state, status.succeeded) == ("Success", len(dag.plan))
    assert len(dag.events("run-start")) == len(dag.events("run-end")) == 1
    assert not [path for path in dag.layout.directory.iterdir() if path.name.isdigit()]


def test_what_failed_is_tried_as_often_as_the_plan_says_and_what_depends_on_it_is_skipped(
    tmp_path: Path,
) -> None:
    dag = make(tmp_path, "exit 3", dagman={"RETRY": "2"})

    assert dag.run() == FAILED

    assert [record["ok"] for record in ends_of(dag.submit_dir, "tool_a")] == [False] * 3
    assert [one["event"] for one in dag.events("retry", "give-up")] == ["retry", "retry", "give-up"]
    status = operations.read_status(dag.submit_dir)
    assert status.state == "Failure" and status.failed == 1 and status.skipped > 0


def test_what_no_try_would_mend_is_given_up_at_once(tmp_path: Path) -> None:
    dag = make(tmp_path, dagman={"RETRY": "2"})
    (tmp_path / "bin/tool").unlink()

    assert dag.run() == FAILED

    assert [record["error"]["kind"] for record in ends_of(dag.submit_dir, "tool_a")] == ["no-program"]


def test_a_post_script_that_is_run_again_says_the_same_and_records_nothing(tmp_path: Path) -> None:
    good = make(tmp_path)
    assert good.node(0) == DONE
    before = journal(good.submit_dir)

    assert after_job(good.submit_dir, 0, 0, 1) == DONE
    assert journal(good.submit_dir) == before


def test_a_post_script_of_a_job_that_was_given_up_says_so_again(tmp_path: Path) -> None:
    dag = make(tmp_path, "exit 3", dagman={"RETRY": "0"})
    job = dag.position("tool_a")
    for earlier in range(job):
        dag.node(earlier)

    assert dag.node(job) == GAVE_UP
    assert after_job(dag.submit_dir, job, 0, 0) == GAVE_UP


def test_an_attempt_that_never_reached_htcondor_is_lost_and_the_next_has_another_number(
    tmp_path: Path,
) -> None:
    dag = make(tmp_path)
    before_job(dag.submit_dir, 0, 0, 1)

    assert dag.node(0) == DONE

    assert [one["attempt"] for one in dag.events("start")] == [1, 2]
    assert [one["record"]["ok"] for one in dag.events("end")] == [False, True]


def test_a_dagman_that_is_started_again_goes_on_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = make(tmp_path)
    done = dag.node(0)
    before_job(dag.submit_dir, 1, 0, 1)
    monkeypatch.setenv("CONDOR_ID", "8.0")

    assert done == DONE and dag.run() == DONE

    assert [one.get("restart", 0) for one in dag.events("run-start")] == [0, 1]
    succeeded = [one["job"] for one in dag.events("end") if one["record"]["ok"]]
    assert sorted(succeeded) == list(range(len(dag.plan)))


def test_a_process_that_dagman_left_on_this_machine_is_ended_before_the_next_try(
    tmp_path: Path,
) -> None:
    dag = make(tmp_path, f"echo $$ > {tmp_path}/pid; test -e {tmp_path}/on || sleep 1000; cat in > out")
    job = dag.position("tool_a")
    for earlier in range(job):
        dag.node(earlier)
    before_job(dag.submit_dir, job, 0, 1)
    worker = subprocess.Popen([str(dag.layout.step), "work"], cwd=dag.layout.sandbox(job))
    pid = int(wait_for_line(tmp_path / "pid"))
    (tmp_path / "on").touch()

    assert dag.node(job) == DONE
    worker.wait(60)
    assert not is_alive(pid)


def test_a_run_that_is_removed_says_so_and_its_attempts_are_over(tmp_path: Path) -> None:
    dag = make(tmp_path)
    before_job(dag.submit_dir, 0, 0, 1)

    end_run(dag.submit_dir, 4)

    assert operations.read_status(dag.submit_dir).state == "Removed"
    assert dag.events("end")[0]["record"]["error"]["kind"] == "cancelled"


def test_the_engine_of_markab_does_not_run_it(tmp_path: Path) -> None:
    dag = make(tmp_path)

    with pytest.raises(NotARun, match="planned for DAGMan") as caught:
        run(dag.submit_dir)

    assert "condor_submit_dag" in caught.value.hint


def test_a_step_that_goes_wrong_says_why_in_a_file(tmp_path: Path) -> None:
    dag = make(tmp_path)
    dag.node(0)
    path = dag.submit_dir / "journal.jsonl"
    path.write_bytes(b"garbage\n" + path.read_bytes())

    done = subprocess.run([str(dag.layout.step), "pre", "1", "0", "0"], check=False)

    assert done.returncode == 1
    assert "pre 1 0 0: " in dag.layout.errors.read_text()


def test_the_spec_of_an_attempt_has_the_checksums_that_its_parents_made(tmp_path: Path) -> None:
    dag = make(tmp_path)
    job = dag.position("tool_a")
    for earlier in range(job):
        dag.node(earlier)

    before_job(dag.submit_dir, job, 0, 0)

    spec = json.loads((dag.layout.sandbox(job) / "spec.json").read_text())
    assert len(spec["checksums"]["in"]) == 64


def test_hooks_of_the_workflow_are_run(tmp_path: Path) -> None:
    hook = {"_on": "end", "cmd": f"touch {tmp_path}/ended"}

    make(tmp_path, workflow={"hooks": {"shell": [hook]}}).run()

    assert wait_until((tmp_path / "ended").exists, what="the hook did not run")
