"""`kill -9` of the engine while its jobs are in an HTCondor pool: the run is continued, and no job is lost or left behind."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.tools import environment, job_line, journal, markab, plan, script, write_workflow
from kit.htcondor_pool import Pool
from kit.htcondor_site import write_sites
from kit.waiting import wait_until

pytestmark = pytest.mark.integration

WIDTH = 5

STEP = """#!/bin/sh
# Writes to $2 what follows from its name $1 and its inputs. Two of one name at a time are seen.
name=$1; out=$2; shift 2
mkdir "$WITNESS/alive-$name" || echo "$name" >> "$WITNESS/twice"
echo "$name" >> "$WITNESS/runs"
sleep 0.$(($$ % 9))
{ echo "$name"; cat "$@" /dev/null; } | sha256sum > "$out"
rmdir "$WITNESS/alive-$name"
"""


def write_layers(top: Path, layers: int) -> Path:
    step = script(top / "step.sh", STEP)
    (top / "witness").mkdir()
    jobs = []
    for layer in range(layers):
        for column in range(WIDTH):
            inputs = [f"s{layer - 1}x{each}.txt" for each in (column, (column + 1) % WIDTH)] if layer else []
            name = f"s{layer}x{column}"
            arguments = " ".join([name, f"{name}.txt", *inputs])
            profiles = {"env": {"WITNESS": f"{top}/witness"}, "dagman": {"retry": "3"}}
            jobs.append(
                job_line(name, "step", arguments, inputs=inputs, outputs=[f"{name}.txt"], profiles=profiles)
            )
    program = {"name": "step", "sites": [{"name": "local", "type": "stageable", "pfn": str(step)}]}
    return write_workflow(top, jobs, transformationCatalog={"transformations": [program]})


def expected_results(layers: int) -> dict[str, str]:
    made: dict[str, str] = {}
    for layer in range(layers):
        for column in range(WIDTH):
            inputs = (
                [made[f"s{layer - 1}x{each}.txt"] for each in (column, (column + 1) % WIDTH)] if layer else []
            )
            text = f"s{layer}x{column}\n" + "".join(inputs)
            made[f"s{layer}x{column}.txt"] = f"{hashlib.sha256(text.encode()).hexdigest()}  -\n"
    return made


def records_of(submit_dir: Path) -> int:
    path = submit_dir / "journal.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def files_of(submit_dir: Path, pattern: str) -> int:
    return len(list(submit_dir.glob(f"htcondor/*/{pattern}")))


def events_of(submit_dir: Path, event: bytes) -> int:
    return sum(path.read_bytes().count(event) for path in submit_dir.glob("htcondor/*/jobs.log"))


def moments(submit_dir: Path, chance: random.Random) -> list[Callable[[], bool]]:
    """Return moments of a run, each of which is still to come."""
    sandboxes, files = files_of(submit_dir, "*.1"), files_of(submit_dir, "*.sub")
    submitted = events_of(submit_dir, b"SubmitEvent")
    started = events_of(submit_dir, b"ExecuteEvent")
    over, goal = events_of(submit_dir, b"TerminatedEvent"), records_of(submit_dir) + chance.randint(1, 12)
    return [
        lambda: files_of(submit_dir, "*.1") > sandboxes,  # before the submission
        lambda: files_of(submit_dir, "*.sub") > files,  # during it
        lambda: events_of(submit_dir, b"SubmitEvent") > submitted,  # after it
        lambda: events_of(submit_dir, b"ExecuteEvent") > started,  # while a job runs
        lambda: events_of(submit_dir, b"TerminatedEvent") > over,  # while its outputs are put in place
        lambda: records_of(submit_dir) >= goal,
    ]


def run_through_kills(pool: Pool, top: Path, kills: int, layers: int) -> str:
    """Kill the engine of a run so often, continue it, and check all that must hold; return the figures."""
    write_sites(top)
    words = ["--sites", "pool", "--output-dir", top / "results"]
    submit_dir = plan(write_layers(top, layers), *words, cwd=top)
    chance, killed = random.Random(2), 0

    for number in range(kills):
        is_so = moments(submit_dir, chance)[number % 6]
        engine = subprocess.Popen(
            [sys.executable, "-m", "markab", "run", str(submit_dir)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: is_so() or engine.poll() is not None, every_s=0.002)  # noqa: B023
        killed += engine.poll() is None
        engine.send_signal(signal.SIGKILL)
        engine.wait()

    markab("run", submit_dir, cwd=top)

    results = {path.name: path.read_text() for path in (top / "results").iterdir()}
    assert results == expected_results(layers)
    records = journal(submit_dir)
    ends = Counter(entry["job"] for entry in records if entry["event"] == "end" and entry["record"]["ok"])
    assert set(ends.values()) == {1}, "a job succeeded more than once"
    assert not (top / "witness/twice").exists(), "two attempts of one job ran at the same time"
    assert killed >= kills / 2, "the run was over too soon"
    wait_until(lambda: not pool.queue(), every_s=0.2, what="jobs are left in the queue")
    runs = Counter((top / "witness/runs").read_text().split())
    assert set(runs) == {name.removesuffix(".txt") for name in results}
    return f"{killed} kills, {sum(runs.values())} runs of {len(runs)} tasks"


def test_a_killed_engine_goes_on_with_the_jobs_that_are_in_the_pool(htcondor: Pool, tmp_path: Path) -> None:
    assert run_through_kills(htcondor, tmp_path, kills=8, layers=4)
