"""Workflows on a real HTCondor pool: where jobs run, and what becomes of those that the pool holds, moves or removes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.test_executors import Bench, Case, shell
from integration.tools import ends_of, job_line, journal, markab, plan, write_workflow
from kit.htcondor_pool import Pool
from kit.htcondor_site import shell_catalog, write_sites
from kit.waiting import PATIENCE_S, wait_until
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, RunContext, Seen
from markab.executors.htcondor import executor
from markab.executors.htcondor.executor import HTCondorExecutor, make_schedd
from markab.executors.htcondor.run_files import RunFiles
from markab.executors.htcondor.schedd import Schedd
from markab.executors.htcondor.tools import Tools
from markab.plan.model import BatchRequest, Output
from markab.plan.plan_file import PlanFile

pytestmark = pytest.mark.integration


def write_diamond(top: Path) -> Path:
    (top / "f.a").write_text("a\n")
    replicas = [{"lfn": "f.a", "pfns": [{"pfn": f"{top}/f.a", "site": "local"}]}]
    files = {"b": ("f.a", "f.b"), "c": ("f.b", "f.c"), "d": ("f.b", "f.d"), "e": ("f.c f.d", "f.e")}
    jobs = [
        job_line(
            name,
            "sh",
            f"-c 'cat {inputs} > {output}; echo {output} >> {output}'",
            inputs=inputs.split(),
            outputs=[output],
        )
        for name, (inputs, output) in files.items()
    ]
    return write_workflow(top, jobs, replicaCatalog={"replicas": replicas}, **shell_catalog())


DIAMOND_RESULT = "a\nf.b\nf.c\na\nf.b\nf.d\nf.e\n"


@pytest.mark.parametrize("data", ["condorio", "nonsharedfs", "sharedfs"])
def test_a_diamond_runs_on_the_pool_in_each_data_configuration(
    htcondor: Pool, tmp_path: Path, data: str
) -> None:
    write_sites(tmp_path)
    workflow = write_diamond(tmp_path)
    words = ["--sites", "pool", "--output-dir", tmp_path / "out", f"-Dpegasus.data.configuration={data}"]
    words += ["--staging-site", "pool"] if data != "condorio" else []
    submit_dir = plan(workflow, *words, cwd=tmp_path)
    markab("run", submit_dir, cwd=tmp_path)

    assert (tmp_path / "out/f.e").read_text() == DIAMOND_RESULT
    (record,) = ends_of(submit_dir, "sh_e")
    where = f"{tmp_path}/scratch/" if data == "sharedfs" else f"{htcondor.top}/execute/"
    assert record["ok"] and record["cwd"].startswith(where)
    assert record["outputs"][0]["sha256"] == hashlib.sha256(DIAMOND_RESULT.encode()).hexdigest()
    native = [entry for entry in journal(submit_dir) if entry["event"] == "running"]
    assert native and all("." in entry["native_id"] for entry in native)
    assert htcondor.queue() == []


def test_profiles_of_a_workflow_reach_the_job(htcondor: Pool, tmp_path: Path) -> None:
    write_sites(tmp_path, condor={"+ProjectName": '"CMS"'})
    look = "-c 'grep -E \"^(ProjectName|RequestMemory|RequestCpus|Args|Rank) \" $_CONDOR_JOB_AD > ad'"
    profiles = {
        "condor": {"request_memory": "123", "rank": "Memory", "arguments": "evil"},
        "pegasus": {"cores": "2"},
    }
    job = job_line("look", "sh", look, outputs=["ad"], profiles=profiles)
    workflow = write_workflow(tmp_path, [job], **shell_catalog())
    submit_dir = plan(workflow, "--sites", "pool", "--output-dir", tmp_path / "out", cwd=tmp_path)
    markab("run", submit_dir, cwd=tmp_path)

    facts = dict(line.split(" = ", 1) for line in (tmp_path / "out/ad").read_text().splitlines())
    assert facts.pop("Args", "").find("evil") == -1
    assert facts == {"ProjectName": '"CMS"', "RequestMemory": "123", "RequestCpus": "2", "Rank": "Memory"}


def test_a_container_that_htcondor_starts_is_one_for_condor_submit(htcondor: Pool, tmp_path: Path) -> None:
    write_sites(tmp_path, condor={"universe": "container"})
    at = {"name": "pool", "pfn": "/bin/sh", "type": "installed", "container": "box"}
    box = {"name": "box", "type": "docker", "image": "docker:///library/python:3-slim"}
    catalog = {"containers": [box], "transformations": [{"name": "sh", "sites": [at]}]}
    job = job_line("a", "sh", "-c true", outputs=[])
    workflow = write_workflow(tmp_path, [job], transformationCatalog=catalog)
    submit_dir = plan(workflow, "--sites", "pool", "--output-dir", tmp_path / "out", cwd=tmp_path)
    planned = next(job for job in PlanFile(submit_dir / "plan.jsonl").jobs() if job.id == "sh_a")
    files = RunFiles(str(submit_dir), "u", "w")
    context = RunContext("u", "w", str(submit_dir), "full", 1, 1, None)
    attempt = Attempt(AttemptId("u", 1, 1), planned, context, str(tmp_path), "/work")
    path = files.write_submission(files.fill(attempt), [attempt])

    ads = tmp_path / "ads"
    htcondor.command("condor_submit", "-dry-run", str(ads), str(path))
    facts = dict(line.split("=", 1) for line in ads.read_text().splitlines() if "=" in line)
    assert facts["ContainerImage"] == '"docker://library/python:3-slim"' and facts["WantContainer"] == "true"
    assert "HasContainer" in facts["Requirements"] or "HasSingularity" in facts["Requirements"]
    assert facts["MarkabJob"] == "1" and "worker.zip" in facts["TransferInput"]


def test_a_container_that_no_node_can_start_waits_with_the_words_of_the_pool(
    htcondor: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "QUERY_EVERY_S", 1.0)
    bench = open_pool_bench(htcondor, tmp_path)
    try:
        asked = {"universe": "container", "container_image": "docker://python:3-slim"}
        attempt = bench.start("true", asked)
        wait_until(
            lambda: any("no match" in one.reason for one in bench.executor.wait(0.2)),
            what="nothing is said of why it waits",
        )
        bench.executor.cancel([attempt.id])
        assert bench.error(attempt)["kind"] == "cancelled"
    finally:
        bench.executor.close()
        htcondor.clear()


# -- jobs, one by one ------------------------------------------------------------------------------


class PoolBench(Bench):
    """A bench whose jobs ask something of the pool, and whose reports are kept."""

    pool: Pool

    def start(self, script: str, attributes: dict[str, str] | None = None, **more: Any) -> Attempt:
        """Submit an attempt."""
        attempt = self.attempt(shell(script, batch=BatchRequest(attributes=attributes or {}), **more))
        self.executor.submit([attempt])
        return attempt

    def until_runs(self) -> str:
        """Return the id of the one job, once it runs."""
        return wait_until(lambda: self._status("2"), every_s=0.2, what="it does not run")

    def until_held(self) -> str:
        """Return the id of the one job, once it is held."""
        return wait_until(lambda: self._status("5"), every_s=0.2, what="it is not held")

    def seen_until(self, seen: Seen) -> list[tuple[Seen, str]]:
        """Return what was reported, up to a state."""
        found: list[tuple[Seen, str]] = []

        def is_there() -> bool:
            found.extend((one.seen, one.reason) for one in self.executor.wait(0.2))
            return any(one == seen for one, _ in found)

        wait_until(is_there, what=found)
        return found

    def error(self, attempt: Attempt) -> dict[str, str]:
        """Wait for the end of an attempt that fails, and return why it did."""
        error: dict[str, str] = self.wait_all({attempt.id})[attempt.id]["error"]
        return error

    def _status(self, status: str) -> str:
        return next((line.split()[0] for line in self.pool.queue() if line.split()[1] == status), "")


def open_pool_bench(pool: Pool, top: Path, **more: Any) -> PoolBench:
    made = PoolBench(top, Case(lambda top: HTCondorExecutor(**more), is_mounted=False, node="/"))
    made.pool = pool
    return made


@pytest.fixture
def alone(htcondor: Pool) -> Iterator[None]:
    """No test that cannot bear it runs while daemons are killed."""
    with htcondor.alone():
        yield


@pytest.fixture
def bench(htcondor: Pool, tmp_path: Path) -> Iterator[PoolBench]:
    made = open_pool_bench(htcondor, tmp_path)
    try:
        yield made
        made.executor.close()
        wait_until(lambda: not htcondor.queue(), every_s=0.2, what="jobs are left in the queue")
    finally:
        made.executor.close()
        htcondor.clear()


def test_the_commands_do_what_the_bindings_do(htcondor: Pool, tmp_path: Path) -> None:
    bench = open_pool_bench(htcondor, tmp_path, make=Tools)
    assert bench.run(shell("echo 1 > out", outputs=[Output("out")]))["ok"]
    long = bench.start("sleep 1000", id="long")
    bench.until_runs()
    bench.executor.close()
    bench.executor = HTCondorExecutor(make=Tools)

    (report,) = bench.executor.recover([long])
    assert report.seen is Seen.RUNNING
    bench.executor.cancel([long.id])
    assert bench.error(long)["kind"] == "cancelled"
    assert (
        bench.run(shell("true", batch=BatchRequest(attributes={"universe": "foo"})))["error"]["kind"]
        == "refused"
    )
    bench.executor.close()
    assert htcondor.queue() == []


def test_a_command_that_htcondor_does_not_accept_fails_at_once_with_its_words(bench: PoolBench) -> None:
    error = bench.error(bench.start("true", {"universe": "foo"}))

    assert error["kind"] == "refused" and "'foo' universe" in error["message"]


def test_an_input_that_cannot_be_fetched_is_an_error_with_its_name(bench: PoolBench) -> None:
    error = bench.error(bench.start("true", {"transfer_input_files": "/no/such/file"}))

    assert error["kind"] == "transfer" and "/no/such/file" in error["message"]


def test_a_job_that_a_person_holds_waits_and_one_that_is_released_ends(bench: PoolBench) -> None:
    attempt = bench.start("echo > started; sleep 2; echo 1 > out", outputs=[Output("out")])
    job = bench.until_runs()
    bench.pool.command("condor_hold", "-reason", "for lunch", job)
    assert any("for lunch" in reason for _, reason in bench.seen_until(Seen.HELD))
    bench.pool.command("condor_release", job)

    assert bench.wait_all({attempt.id})[attempt.id]["ok"]


def test_a_job_that_is_vacated_is_queued_again_and_its_outputs_are_those_of_its_last_run(
    bench: PoolBench, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    attempt = bench.start(f"echo x >> {runs}; sleep 3; echo 1 > out", outputs=[Output("out")])
    wait_until(runs.exists)
    bench.pool.command("condor_vacate_job", "-fast", bench.until_runs())
    assert Seen.QUEUED in [seen for seen, _ in bench.seen_until(Seen.RUNNING)]

    assert bench.wait_all({attempt.id})[attempt.id]["ok"]
    assert (bench.scratch / "out").read_text() == "1\n" and runs.read_text() == "x\nx\n"


def test_a_job_that_somebody_removes_is_cancelled_with_the_words_of_htcondor(bench: PoolBench) -> None:
    attempt = bench.start("sleep 1000")
    bench.pool.command("condor_rm", bench.until_runs())

    error = bench.error(attempt)
    assert error["kind"] == "cancelled" and "condor_rm" in error["message"]


def test_a_limit_of_the_pool_is_a_timeout(bench: PoolBench) -> None:
    attempt = bench.start("sleep 1000", {"allowed_job_duration": "2"})

    error = bench.error(attempt)
    assert error["kind"] == "timeout" and "job duration" in error["message"]


def test_a_job_that_a_policy_removes_after_its_hold_has_failed_as_held(bench: PoolBench) -> None:
    policy = "(JobStatus == 5) && (time() - EnteredCurrentStatus > 2)"
    attempt = bench.start("sleep 1000", {"periodic_remove": policy})
    bench.pool.command("condor_hold", "-reason", "for ever", bench.until_runs())

    error = bench.error(attempt)
    assert error["kind"] == "held" and "for ever" in error["message"]


def test_a_worker_that_is_killed_is_an_end_by_signal_on_a_named_host(bench: PoolBench) -> None:
    attempt = bench.start("kill -9 $PPID; sleep 100")

    error = bench.error(attempt)
    assert (
        error["kind"] == "signal"
        and "signal 9" in error["message"]
        and os.uname().nodename in error["message"]
    )


def test_a_concurrency_limit_lets_one_job_run_at_a_time(bench: PoolBench, tmp_path: Path) -> None:
    script = f"mkdir {tmp_path}/alone || touch {tmp_path}/twice; sleep 0.5; rmdir {tmp_path}/alone"
    attempts = [
        bench.start(script, {"concurrency_limits": "one_at_a_time"}, id=f"j{number}") for number in range(3)
    ]

    assert all(one["ok"] for one in bench.wait_all({attempt.id for attempt in attempts}).values())
    assert not (tmp_path / "twice").exists()


def test_profiles_and_requests_reach_the_pool(bench: PoolBench) -> None:
    attempt = bench.start("sleep 1000", {"+ProjectName": '"CMS"'}, cores=2, memory_mb=200, priority=7)
    job = bench.until_runs()
    wanted = ["ProjectName", "RequestCpus", "RequestMemory", "JobPrio", "JobDescription", "JobBatchName"]
    facts = bench.pool.command("condor_q", "-allusers", job, "-af", *wanted).split()
    bench.executor.cancel([attempt.id])
    bench.wait_all({attempt.id})

    assert facts == ["CMS", "2", "200", "7", "job_ID1", "flow"]


def test_a_job_of_the_universe_local_runs_on_the_submit_host(bench: PoolBench) -> None:
    attempt = bench.start(
        "pwd; cat in > out", {"universe": "local"}, inputs=[bench.stage("in", "1\n")], outputs=[Output("out")]
    )

    record = bench.wait_all({attempt.id})[attempt.id]
    assert record["ok"] and record["cwd"].startswith(str(bench.submit_dir))
    assert (bench.scratch / "out").read_text() == "1\n"


@pytest.mark.parametrize("make", [make_schedd, Tools], ids=["bindings", "commands"])
def test_a_schedd_elsewhere_gets_the_files_and_gives_them_back(
    htcondor: Pool, tmp_path: Path, make: Callable[[str], Schedd]
) -> None:
    name = htcondor.command("condor_status", "-schedd", "-af", "Name").strip()
    bench = open_pool_bench(htcondor, tmp_path, contact=name, make=make)
    inputs = [bench.stage("deep/in", "1\n")]
    attempts = [
        bench.start(f"cat deep/in > o{n}; exit {n}", id=f"j{n}", inputs=inputs, outputs=[Output(f"o{n}")])
        for n in range(2)
    ]
    records = bench.wait_all({attempt.id for attempt in attempts}, 3 * PATIENCE_S)

    assert records[attempts[0].id]["ok"] and (bench.scratch / "o0").read_text() == "1\n"
    assert records[attempts[1].id]["error"]["message"] == "task 'ID1' ended with exit code 1"
    wait_until(lambda: not htcondor.queue(), every_s=0.2, what="jobs are left in the queue")
    bench.executor.close()


# -- parts of the pool that fail -------------------------------------------------------------------


@pytest.mark.usefixtures("alone")
def test_a_schedd_that_is_killed_comes_back_and_nothing_is_lost(bench: PoolBench, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    attempts = [
        bench.start(f"echo x >> {runs}/{n}; sleep 4; echo {n} > o{n}", id=f"j{n}", outputs=[Output(f"o{n}")])
        for n in range(6)
    ]
    wait_until(lambda: len(os.listdir(runs)) >= 3)
    bench.pool.kill("schedd")
    more = [bench.start("true", id=f"later{n}") for n in range(2)]

    records = bench.wait_all({attempt.id for attempt in [*attempts, *more]})
    assert all(record["ok"] for record in records.values())
    assert {path.name: path.read_text() for path in runs.iterdir()} == {str(n): "x\n" for n in range(6)}


@pytest.mark.usefixtures("alone")
def test_jobs_of_a_startd_that_is_killed_run_again_when_their_lease_is_over(bench: PoolBench) -> None:
    lease = {"job_lease_duration": "20"}
    attempts = [
        bench.start(f"sleep 3; echo {n} > o{n}", lease, id=f"j{n}", outputs=[Output(f"o{n}")])
        for n in range(4)
    ]
    bench.until_runs()
    bench.pool.kill("startd")

    ids = {attempt.id for attempt in attempts}
    records = bench.wait_all(ids, patience_s=3 * PATIENCE_S)
    assert all(record["ok"] for record in records.values())
    assert sorted(os.listdir(bench.scratch)) == ["o0", "o1", "o2", "o3"]
