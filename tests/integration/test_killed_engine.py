"""`kill -9` of the engine at random moments: the run goes on, and nothing is lost or done twice."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from integration.tools import (
    environment,
    job_line,
    journal,
    markab,
    plan,
    processes_of_run,
    script,
    write_workflow,
)
from kit.waiting import wait_until

LAYERS, WIDTH, KILLS = 10, 30, 50

STEP = """#!/bin/sh
# Writes to $2 what follows from its name $1 and its inputs; some fail at their first try.
name=$1; out=$2; shift 2
mkdir "$WITNESS/alive-$name" || echo "$name" >> "$WITNESS/twice"
case $name in *3) [ -e "$WITNESS/tried-$name" ] || { touch "$WITNESS/tried-$name"; rmdir "$WITNESS/alive-$name"; exit 1; };; esac
sleep 0.0$((1 + $$ % 4))
{ echo "$name"; cat "$@" /dev/null; } | sha256sum > "$out"
rmdir "$WITNESS/alive-$name"
"""


def name_of(layer: int, column: int) -> str:
    return f"s{layer}x{column}"


def parents_of(layer: int, column: int) -> list[str]:
    return [name_of(layer - 1, column), name_of(layer - 1, (column * 7 + 1) % WIDTH)] if layer else []


def expected_results() -> dict[str, str]:
    made: dict[str, str] = {}
    for layer in range(LAYERS):
        for column in range(WIDTH):
            name = name_of(layer, column)
            text = name + "\n" + "".join(made[parent] for parent in parents_of(layer, column))
            made[name] = f"{hashlib.sha256(text.encode()).hexdigest()}  -\n"
    return made


def records_of(submit_dir: Path) -> int:
    """Return how many records the journal of a run has."""
    journal = submit_dir / "journal.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


@pytest.mark.integration
def test_a_killed_engine_goes_on_where_it_was(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    witness.mkdir()
    step = script(tmp_path / "step.sh", STEP)
    jobs = []
    for layer in range(LAYERS):
        for column in range(WIDTH):
            name, parents = name_of(layer, column), parents_of(layer, column)
            inputs = [f"{parent}.txt" for parent in parents]
            arguments = " ".join([name, f"{name}.txt", *inputs])
            jobs.append(
                job_line(
                    name,
                    "step",
                    arguments,
                    inputs=list(dict.fromkeys(inputs)),
                    outputs=[f"{name}.txt"],
                    profiles={"dagman": {"retry": "60"}, "env": {"WITNESS": str(witness)}},
                )
            )
    workflow = write_workflow(
        tmp_path,
        jobs,
        transformationCatalog={
            "transformations": [
                {"name": "step", "sites": [{"name": "local", "type": "stageable", "pfn": str(step)}]}
            ]
        },
    )
    submit_dir = plan(workflow, "--output-dir", tmp_path / "results", cwd=tmp_path)
    uuid = yaml.safe_load((submit_dir / "braindump.yml").read_text())["wf_uuid"]
    chance = random.Random(1)

    for _ in range(KILLS):
        engine = subprocess.Popen(
            [sys.executable, "-m", "markab", "run", str(submit_dir)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        goal = records_of(submit_dir) + chance.randint(1, 20)
        wait_until(lambda: records_of(submit_dir) >= goal or engine.poll() is not None)  # noqa: B023
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        wait_until(lambda: not processes_of_run(uuid), what="processes outlive the engine")
        for lock in witness.glob("alive-*"):  # what a killed job could not give back
            lock.rmdir()

    assert 0 == markab("run", submit_dir, cwd=tmp_path).returncode

    records = journal(submit_dir)
    successes = Counter(r["job"] for r in records if r["event"] == "end" and r["record"]["ok"])
    assert {1} == set(successes.values()), "a job succeeded more than once"
    assert not (witness / "twice").exists(), "two attempts of one job ran at the same time"
    for name, text in expected_results().items():
        assert text == (tmp_path / "results" / f"{name}.txt").read_text(), name
    assert [] == [path for path in os.listdir(tmp_path / "results") if path.startswith(".")]
    assert LAYERS * WIDTH == len(os.listdir(tmp_path / "results"))
