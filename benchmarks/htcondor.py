"""A run on an HTCondor pool beside HTCondor alone: one cluster by `condor_submit`, and DAGMan.

    python benchmarks/htcondor.py [--jobs 200] [--rounds 3] [--nodes 40]

The pool is the real one of the tests, on this machine. The bare cluster starts the same worker with the same files, so what
differs is what Markab's engine does. DAGMan and Markab run `/bin/true`: so many nodes side by side, and five one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import markab, medians, run_measured

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kit.debian_tree import cache, why_not
from kit.htcondor_pool import Pool, shared_pool

AT_MOST = 1.10
"""A run may take so many times as long as the bare cluster."""
TIMES_DAGMAN = 5.0
CPU_A_JOB_S = 0.002
FIRST_JOB_S = 2.0
CHAIN = 5


def bare_cluster_s(pool: Pool, directory: Path, jobs: int) -> float:
    """Return how long one cluster takes that starts the worker so often, with the files that an executor gives it."""
    from markab.executors.attempt_id import AttemptId
    from markab.executors.base import Attempt, RunContext
    from markab.executors.htcondor.run_files import RunFiles
    from markab.plan.model import Kind, Output, PlannedJob, PlannedTask

    submit_dir = Path(tempfile.mkdtemp(dir=directory))
    (submit_dir / "scratch").mkdir()
    files = RunFiles(str(submit_dir), "bare", "bare")
    context, attempts = RunContext("bare", "bare", str(submit_dir), "full", 1, 1, None), []
    for number in range(jobs):
        task = PlannedTask("t", "sh", "/bin/sh", f"-c 'echo {number} > o{number}'")
        job = PlannedJob(
            id=f"j{number}", kind=Kind.COMPUTE, site="pool", tasks=[task], outputs=[Output(f"o{number}")]
        )
        id_ = AttemptId("bare", number, 1)
        attempts.append(Attempt(id_, job, context, str(submit_dir / "scratch"), "/work"))
    texts = {files.fill(attempt) for attempt in attempts}
    assert len(texts) == 1
    path = files.write_submission(texts.pop(), attempts)
    start = time.perf_counter()
    pool.command("condor_submit", "-terse", str(path))
    log = files.place.log
    while not log.exists() or log.read_bytes().count(b"JobTerminatedEvent") < jobs:
        time.sleep(0.05)
    return time.perf_counter() - start


def plan_run(directory: Path, jobs: list[dict[str, object]], *words: str) -> Path:
    """Plan a workflow of shell jobs for the pool, and return its submit directory."""
    from kit.htcondor_site import shell_catalog, write_sites

    top = Path(tempfile.mkdtemp(dir=directory))
    write_sites(top)
    catalog: dict[str, object] = shell_catalog()
    document = {"pegasus": "5.0.4", "name": "bench", "jobs": jobs, **catalog}
    (top / "workflow.yml").write_text(json.dumps(document))
    words = ("--sites", "pool", "--output-dir", str(top / "out"), "--cleanup", "none", *words)
    done = subprocess.run(
        [str(word) for word in markab("plan", "--json", *words, "workflow.yml")],
        cwd=top,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return Path(json.loads(done.stdout)["submit_dir"])


def job(number: int, script: str, reads: str = "", makes: str = "") -> dict[str, object]:
    """Return a job of a workflow."""
    uses = [{"lfn": lfn, "type": "input"} for lfn in reads.split()]
    uses += [{"lfn": lfn, "type": "output", "stageOut": False} for lfn in makes.split()]
    return {"type": "job", "name": "sh", "id": f"t{number}", "arguments": [f"-c '{script}'"], "uses": uses}


def run_s(submit_dir: Path) -> float:
    """Return how long `markab run` takes."""
    return run_measured(markab("run", submit_dir), submit_dir)[0]


def engine_cpu_s(submit_dir: Path) -> float:
    """Return the processor time of the engine's own process for a run: not of those beside it."""
    process = subprocess.Popen(
        [str(word) for word in markab("run", submit_dir)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ticks = 0
    while process.poll() is None:
        try:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12]) or ticks
        except OSError:
            pass  # it has just ended
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"the run of {submit_dir} failed")
    return ticks / os.sysconf("SC_CLK_TCK")


def first_job_s(submit_dir: Path) -> float:
    """Return the time from `markab run` to the first job that runs, when no machine is kept from a job before."""
    from markab.executors.htcondor.submit_file import KEPT_CLAIM_S

    time.sleep(KEPT_CLAIM_S + 2)
    start = time.time()
    run_measured(markab("run", submit_dir), submit_dir)
    lines = (submit_dir / "journal.jsonl").read_bytes().splitlines()
    entries = [json.loads(line.partition(b" ")[2]) for line in lines]
    times: list[float] = [entry["time"] for entry in entries if entry["event"] == "running"]
    return min(times) - start


def dagman_s(pool: Pool, directory: Path, edges: bool, nodes: int) -> float:
    """Return how long DAGMan takes for nodes that run `/bin/true`: in a chain, or side by side."""
    top = Path(tempfile.mkdtemp(dir=directory))
    (top / "true.sub").write_text(
        "executable = /bin/true\ntransfer_executable = False\nshould_transfer_files = YES\nrequest_memory = 10\nqueue\n"
    )
    lines = [f"JOB n{number} true.sub\n" for number in range(nodes)]
    if edges:
        lines += [f"PARENT n{number} CHILD n{number + 1}\n" for number in range(nodes - 1)]
    (top / "bench.dag").write_text("".join(lines))
    start = time.perf_counter()
    subprocess.run(
        ["condor_submit_dag", "bench.dag"], cwd=top, check=True, capture_output=True, env=os.environ
    )
    out = top / "bench.dag.dagman.out"
    while not out.exists() or b"EXITING WITH STATUS" not in out.read_bytes():
        time.sleep(0.1)
    taken_s = time.perf_counter() - start
    if b"EXITING WITH STATUS 0" not in out.read_bytes():
        raise SystemExit(f"DAGMan failed:\n{out.read_text()[-2000:]}")
    return taken_s


def main() -> None:
    """Print the figures, and those that miss their goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=40)
    options = parser.parse_args()
    if why := why_not():
        print(f"no HTCondor pool: {why}")
        return
    cache().mkdir(parents=True, exist_ok=True)  # not below /tmp, where DAGMan refuses to have a log
    with tempfile.TemporaryDirectory(prefix="bench-", dir=cache()) as top, shared_pool() as pool:
        os.environ.update(pool.environ)
        print("load before:", *os.getloadavg())
        _measure(Path(top), pool, options.jobs, options.rounds, options.nodes)


def _measure(top: Path, pool: Pool, jobs: int, rounds: int, nodes: int) -> None:
    many = [job(number, f"echo {number} > o{number}", makes=f"o{number}") for number in range(jobs)]
    taken = medians(
        rounds,
        {
            "bare": lambda: bare_cluster_s(pool, top, jobs),
            "run": lambda: run_s(plan_run(top, many)),
            "first": lambda: first_job_s(plan_run(top, many[:1])),
        },
    )
    cpu_s = (engine_cpu_s(plan_run(top, many)) - engine_cpu_s(plan_run(top, many[:1]))) / (jobs - 1)
    true = [job(number, "true") for number in range(nodes)]
    chain = [
        job(number, f"echo > c{number}", f"c{number - 1}" if number else "", f"c{number}")
        for number in range(CHAIN)
    ]
    group = f"--cluster=horizontal -Dpegasus.clusters.num={pool_slots()}".split()
    beside = medians(
        rounds,
        {
            "dagman": lambda: dagman_s(pool, top, False, nodes),
            "one by one": lambda: run_s(plan_run(top, true)),
            "grouped": lambda: run_s(plan_run(top, true, *group)),
            "dagman chain": lambda: dagman_s(pool, top, True, CHAIN),
            "chain": lambda: run_s(plan_run(top, chain)),
        },
    )
    rows = [
        (f"{jobs} jobs, one bare cluster", f"{taken['bare']:.1f} s", ""),
        (
            f"{jobs} jobs, `markab run`",
            f"{taken['run']:.1f} s",
            _goal(f"{taken['run'] / taken['bare']:.2f} ×", taken["run"] <= AT_MOST * taken["bare"]),
        ),
        ("engine, for each job", f"{cpu_s * 1000:.1f} ms of a processor", _goal("", cpu_s <= CPU_A_JOB_S)),
        ("first job runs after", f"{taken['first']:.1f} s", _goal("", taken["first"] <= FIRST_JOB_S)),
        (f"{nodes} × /bin/true, DAGMan", f"{beside['dagman']:.1f} s", ""),
        (
            f"{nodes} × /bin/true, Markab",
            f"{beside['one by one']:.1f} s",
            _times(beside, "dagman", "one by one"),
        ),
        (f"{nodes} × /bin/true, grouped", f"{beside['grouped']:.1f} s", _times(beside, "dagman", "grouped")),
        (f"{CHAIN} in a chain, DAGMan", f"{beside['dagman chain']:.1f} s", ""),
        (f"{CHAIN} in a chain, Markab", f"{beside['chain']:.1f} s", _times(beside, "dagman chain", "chain")),
    ]
    for name, value, note in rows:
        print(f"{name:<32} {value:>24}  {note}")
    print("load after:", *os.getloadavg())


def pool_slots() -> int:
    """Return how many jobs the pool runs at a time."""
    from kit.htcondor_pool import SLOTS

    return SLOTS


def _goal(text: str, is_met: bool) -> str:
    return text if is_met else f"{text} misses the goal".strip()


def _times(taken: dict[str, float], reference: str, name: str) -> str:
    times = taken[reference] / taken[name]
    return f"{times:.1f} × as fast" + ("" if times >= TIMES_DAGMAN else f" (goal: {TIMES_DAGMAN:.0f} ×)")


if __name__ == "__main__":
    main()
