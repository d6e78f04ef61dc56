"""Workflows on a real Slurm: whatever is killed, each job runs once to its effect, and none is left in the queue."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.test_executors import EXECUTORS, Bench, kinds, shell
from integration.tools import command, environment, job_line, journal, markab, plan, script, write_workflow
from kit import slurm_cluster
from kit.slurm_cluster import SlurmCluster
from kit.waiting import wait_for_line, wait_until
from markab.executors.base import Report, Seen
from markab.plan.model import BatchRequest, Output

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def slurm() -> Iterator[SlurmCluster]:
    """A cluster whose daemons these tests kill."""
    if why := slurm_cluster.why_not():
        pytest.skip(why) if "CI" not in os.environ else pytest.fail(why)
    with pytest.MonkeyPatch.context() as patched, slurm_cluster.own_cluster() as cluster:
        for name, value in cluster.environ.items():
            patched.setenv(name, value)
        yield cluster


def write_site(top: Path, scratch: Path) -> None:
    """Write the site catalog: one site whose jobs go to Slurm."""
    directory = {
        "type": "sharedScratch",
        "path": str(scratch),
        "fileServers": [{"operation": "all", "url": f"file://{scratch}"}],
    }
    grid = {"type": "batch", "scheduler": "slurm", "contact": "localhost", "jobtype": "compute"}
    site = {
        "name": "cluster",
        "arch": "x86_64",
        "os.type": "linux",
        "directories": [directory],
        "grids": [grid],
        "profiles": {"pegasus": {"style": "glite"}},
    }
    (top / "sites.yml").write_text(json.dumps({"pegasus": "5.0", "sites": [site]}))


def files_in(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def left_in_queue(slurm: SlurmCluster, submit_dir: Path) -> list[str]:
    """Return the jobs of a run that wait or run."""
    uuid = yaml.safe_load((submit_dir / "braindump.yml").read_text())["wf_uuid"]
    return [name for name, _, _ in slurm.queue() if name.startswith(f"mk{uuid[:5]}-")]


# -- the same workflow, by naming another site ------------------------------------------------------


@pytest.mark.parametrize("data", ["sharedfs", "condorio", "nonsharedfs"])
def test_the_diamond_has_the_same_results_as_here(slurm: SlurmCluster, tmp_path: Path, data: str) -> None:
    command(sys.executable, EXAMPLES / "diamond/workflow.py", cwd=tmp_path)
    write_site(tmp_path, tmp_path / "shared")
    for site in ("local", "cluster"):
        words = ("--sites", site, "--output-dir", tmp_path / f"results-{site}", "--dir", tmp_path / site)
        submit_dir = plan(
            tmp_path / "workflow.yml", *words, f"-Dpegasus.data.configuration={data}", cwd=tmp_path
        )
        markab("run", submit_dir, cwd=tmp_path)

    assert files_in(tmp_path / "results-cluster") == files_in(tmp_path / "results-local") != {}
    started = {r["id"]: r["site"] for r in journal(submit_dir) if r["event"] == "start"}
    ran = {r["job"]: r for r in journal(submit_dir) if r["event"] == "end" and r["record"].get("invocations")}
    assert list(started.values()).count("cluster") == len(ran) == 4
    assert not left_in_queue(slurm, submit_dir)


# -- the engine is killed ---------------------------------------------------------------------------

LAYERS, WIDTH = 4, 5
STEP = """#!/bin/sh
# Writes to $2 what follows from its name $1 and its inputs.
name=$1; out=$2; shift 2
mkdir "$WITNESS/alive-$name" || echo "$name" >> "$WITNESS/twice"
echo "$name" >> "$WITNESS/ran"
sleep 0.$(( $$ % 10 ))
{ echo "$name"; cat "$@" /dev/null; } | sha256sum > "$out"
rmdir "$WITNESS/alive-$name"
"""
SBATCH = """#!/bin/sh
# The real sbatch; the engine that calls it is killed before, during or after one of the calls, as a file says.
when=$(cat {top}/kill 2>/dev/null); rm -f {top}/kill
case $when in
before) kill -9 $PPID; exit 1;;
during) kill -9 $PPID; sleep 0.5;;
esac
{sbatch} "$@"; code=$?
[ "$when" != after ] || kill -9 $PPID
exit $code
"""


def name_of(layer: int, column: int) -> str:
    return f"s{layer}x{column}"


def parents_of(layer: int, column: int, width: int) -> list[str]:
    return [name_of(layer - 1, column), name_of(layer - 1, (column + 1) % width)] if layer else []


def expected_results(layers: int = LAYERS, width: int = WIDTH) -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    for layer in range(layers):
        for column in range(width):
            name, parents = name_of(layer, column), parents_of(layer, column, width)
            text = name.encode() + b"\n" + b"".join(made[parent] for parent in parents)
            made[name] = f"{hashlib.sha256(text).hexdigest()}  -\n".encode()
    return {f"{name}.txt": text for name, text in made.items()}


class Layers:
    """A run of jobs in layers on Slurm, and an engine that is killed."""

    def __init__(self, top: Path, step: str = STEP, layers: int = LAYERS, width: int = WIDTH) -> None:
        self.top, self.layers, self.width = top, layers, width
        self.witness = top / "witness"
        self.witness.mkdir()
        write_site(top, top / "shared")
        program = script(top / "step.sh", step)
        jobs = []
        for layer in range(layers):
            for column in range(width):
                name, parents = name_of(layer, column), parents_of(layer, column, width)
                inputs = [f"{parent}.txt" for parent in parents]
                jobs.append(
                    job_line(
                        name,
                        "step",
                        " ".join([name, f"{name}.txt", *inputs]),
                        inputs=list(dict.fromkeys(inputs)),
                        outputs=[f"{name}.txt"],
                        profiles={"env": {"WITNESS": str(self.witness)}, "dagman": {"retry": "3"}},
                    )
                )
        sites = [{"name": "local", "type": "stageable", "pfn": str(program)}]
        catalog = {"transformations": [{"name": "step", "sites": sites}]}
        workflow = write_workflow(top, jobs, transformationCatalog=catalog)
        self.submit_dir = plan(workflow, "--sites", "cluster", "--output-dir", top / "results", cwd=top)
        bin_dir = top / "bin"
        bin_dir.mkdir()
        script(bin_dir / "sbatch", SBATCH.format(top=top, sbatch=shutil.which("sbatch")))
        self.environ = {"PATH": f"{bin_dir}{os.pathsep}{environment()['PATH']}"}

    def start(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "markab", "run", str(self.submit_dir)]
        with open(self.top / "log", "ab") as log:
            return subprocess.Popen(words, env=environment(self.environ), stdout=log, stderr=log)

    def kill_at_submission(self, when: str) -> None:
        """Let an engine be killed by the next `sbatch`, and wait for that."""
        (self.top / "kill").write_text(when)
        engine = self.start()
        assert engine.wait(240) in (-signal.SIGKILL, 0)
        (self.top / "kill").unlink(missing_ok=True)  # there was nothing to submit

    def kill_after(self, records: int) -> None:
        """Kill an engine that has written so many records."""
        goal = self.records() + records
        engine = self.start()
        wait_until(lambda: self.records() >= goal or engine.poll() is not None, 120)
        engine.kill()
        engine.wait()

    def records(self) -> int:
        path = self.submit_dir / "journal.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def ran(self) -> Counter[str]:
        path = self.witness / "ran"
        return Counter(path.read_text().split() if path.exists() else ())

    def finish(self) -> None:
        """Continue to the end."""
        engine = self.start()
        assert engine.wait(400) == 0, (self.top / "log").read_text()

    def check(self, slurm: SlurmCluster) -> None:
        """All is there, and nothing ran twice."""
        assert files_in(self.top / "results") == expected_results(self.layers, self.width)
        assert set(self.ran().values()) == {1} and len(self.ran()) == self.layers * self.width
        assert not (self.witness / "twice").exists()
        ends = Counter(
            r["job"] for r in journal(self.submit_dir) if r["event"] == "end" and r["record"]["ok"]
        )
        assert set(ends.values()) == {1}
        assert not left_in_queue(slurm, self.submit_dir)


def test_an_engine_that_is_killed_before_during_and_after_a_submission_goes_on(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    layers = Layers(tmp_path)
    for when in ("before", "during", "after"):
        layers.kill_at_submission(when)
    layers.finish()

    layers.check(slurm)


def test_an_engine_that_is_killed_at_any_moment_goes_on(slurm: SlurmCluster, tmp_path: Path) -> None:
    layers = Layers(tmp_path)
    chance = random.Random(1)
    for _ in range(6):
        layers.kill_after(chance.randint(1, 12))
    layers.finish()

    layers.check(slurm)


def test_jobs_run_on_while_the_controller_is_away_and_nothing_is_lost(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    layers = Layers(tmp_path)
    engine = layers.start()
    try:
        wait_until(lambda: len(layers.ran()) >= 3, 120)
        slurm.kill("slurmctld", signal.SIGTERM)
        time.sleep(5)  # long enough that commands fail
    finally:
        slurm.start_controller()
        slurm.wait_ready()
    assert engine.wait(240) == 0, (layers.top / "log").read_text()

    layers.check(slurm)


def test_jobs_that_a_killed_controller_has_forgotten_are_without_effect(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    """It may forget the jobs of its last seconds: these run again, or were seen to their end."""
    forgotten = STEP.replace('mkdir "$WITNESS/alive-$name" ||', ": ||").replace("rmdir", ": ")
    layers = Layers(tmp_path, forgotten)
    engine = layers.start()
    try:
        wait_until(lambda: len(layers.ran()) >= 2, 120)
        slurm.kill("slurmctld")
    finally:
        slurm.start_controller()
        slurm.wait_ready()
    wait_until(lambda: slurm.heal() and engine.poll() is not None, 300, every_s=1.0)
    assert engine.poll() == 0, (layers.top / "log").read_text()

    assert files_in(layers.top / "results") == expected_results()
    ends = Counter(r["job"] for r in journal(layers.submit_dir) if r["event"] == "end" and r["record"]["ok"])
    assert set(ends.values()) == {1}
    assert not left_in_queue(slurm, layers.submit_dir)


def test_a_run_that_is_removed_leaves_nothing_in_the_queue(slurm: SlurmCluster, tmp_path: Path) -> None:
    layers = Layers(tmp_path, STEP.replace("sleep 0.$(( $$ % 10 ))", "sleep 1000"))
    engine = layers.start()
    wait_until(lambda: len(layers.ran()) >= 2, 120)
    markab("remove", layers.submit_dir, cwd=tmp_path)
    engine.wait(120)

    wait_until(lambda: not left_in_queue(slurm, layers.submit_dir))
    kinds_seen = {r["record"]["error"]["kind"] for r in journal(layers.submit_dir)
                  if r["event"] == "end" and not r["record"]["ok"]}  # fmt: skip
    assert kinds_seen == {"cancelled"}


# -- what happens to single attempts ----------------------------------------------------------------


@pytest.fixture
def bench(slurm: SlurmCluster, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, EXECUTORS["slurm"])
    yield made
    made.executor.close()


def reports_until(bench: Bench, seen: Seen, patience_s: float = 120.0) -> list[Report]:
    reports: list[Report] = []

    def look() -> bool:
        reports.extend(bench.executor.wait(0.2))
        return any(report.seen is seen for report in reports)

    wait_until(look, patience_s, what=f"{seen}, only {reports}")
    return reports


def element_of(reports: list[Report]) -> str:
    """Return the id of the element that was reported last."""
    return next(report.native_id for report in reversed(reports) if report.native_id)


def test_a_task_is_ended_before_its_time_limit_and_its_checkpoint_is_kept(bench: Bench) -> None:
    task = 'trap "echo half > state; exit 1" TERM; while :; do sleep 0.1; done'
    record = bench.run(shell(task, outputs=[Output("state", checkpoint=True)], runtime_s=8), patience_s=150)

    assert record["error"]["kind"] == "timeout" and record["error"]["hint"].endswith("pegasus.runtime")
    assert [output["lfn"] for output in record["outputs"]] == ["state"]
    assert (bench.scratch / "state").read_text() == "half\n"


def test_a_task_that_takes_more_memory_than_it_was_given_fails_for_memory(bench: Bench) -> None:
    script = "exec python3 -c 'import time; a = bytearray(300_000_000); time.sleep(60)'"
    record = bench.run(shell(script, memory_mb=50))

    assert record["error"]["kind"] == "memory", record
    assert "exceeded memory limit" in record["error"]["message"]


def test_a_job_that_is_cancelled_by_hand_says_so(bench: Bench, slurm: SlurmCluster) -> None:
    attempt = bench.attempt(shell("exec sleep 1000"))
    bench.executor.submit([attempt])
    slurm.command("scancel", element_of(reports_until(bench, Seen.RUNNING)))
    record = bench.wait_all({attempt.id})[attempt.id]

    assert kinds(record)[0] == "cancelled"
    assert "Slurm reports CANCELLED" in record["error"]["message"]


def test_a_job_that_the_administrator_holds_is_held_with_the_words_of_the_site(
    bench: Bench, slurm: SlurmCluster
) -> None:
    attempt = bench.attempt(shell("true", batch=BatchRequest(arguments=["--hold"])))
    bench.executor.submit([attempt])
    reports = reports_until(bench, Seen.HELD)
    assert next(report.reason for report in reports if report.seen is Seen.HELD) == "JobHeldUser"
    slurm.command("scontrol", "release", element_of(reports))

    assert bench.wait_all({attempt.id})[attempt.id]["ok"]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"batch": BatchRequest(queue="nope")}, "invalid partition specified: nope"),
        ({"memory_mb": 10**6}, "Requested node configuration is not available"),
    ],
    ids=["partition", "memory"],
)
def test_what_slurm_refuses_fails_with_its_words(bench: Bench, request_: dict[str, Any], words: str) -> None:
    record = bench.run(shell("true", **request_))

    assert record["error"]["kind"] == "refused" and words in record["error"]["message"]


def test_what_no_node_has_is_held_with_the_words_of_the_site(bench: Bench) -> None:
    attempt = bench.attempt(shell("true", cores=500))
    bench.executor.submit([attempt])
    reports = reports_until(bench, Seen.HELD)
    bench.executor.cancel([attempt.id])

    assert next(report.reason for report in reports if report.seen is Seen.HELD) == "PartitionConfig"
    assert kinds(bench.wait_all({attempt.id})[attempt.id]) == ["cancelled"]


def test_a_node_that_is_killed_takes_its_jobs_along_and_they_are_without_effect(
    bench: Bench, slurm: SlurmCluster
) -> None:
    """The process of the task outlives the daemon: it must not put its output in place."""
    go = bench.top / "go"
    script = f"while [ ! -e {go} ]; do sleep 0.1; done; echo late > out"
    request = BatchRequest(queue="second")
    attempt = bench.attempt(shell(script, outputs=[Output("out")], batch=request))
    bench.executor.submit([attempt])
    try:
        reports_until(bench, Seen.RUNNING)
        claim = wait_until(lambda: next(bench.scratch.glob(".batches/*/claims/0"), None))
        wait_for_line(claim)
        worker = int(claim.read_text().split()[1])
        slurm.kill("slurmd-n2")
        lost = reports_until(bench, Seen.LOST, 300)[-1]
        assert "NODE_FAIL" in lost.reason
        assert os.path.exists(f"/proc/{worker}"), "its process lives on"
        go.touch()
        wait_until(lambda: not os.path.exists(f"/proc/{worker}"))
    finally:
        go.touch()
        slurm.kill("slurmd-n2")
        slurm.start_node("n2")
        slurm.wait_ready()

    assert not (bench.scratch / "out").exists()
