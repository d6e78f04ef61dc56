"""Runs that are stopped, moved, or run beside another run of the same workflow, and continue with the same results."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
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

pytestmark = pytest.mark.integration

LENGTH = 6
STOP_AT = 3

STEP = """#!/bin/sh
# Adds a line to what $1 has, and writes it to $2; waits as long as HOLD/$2 is there.
echo "$2" >> "$HOLD/../started"
while [ -e "$HOLD/$2" ]; do sleep 0.02; done
{ cat "$1"; echo "$2"; } > "$2"
"""


class Chain:
    """A workflow of jobs one after the other; job number STOP_AT waits until it is let go."""

    def __init__(self, here: Path, name: str = "chain") -> None:
        self.here = here
        self.hold = here / "hold"
        self.hold.mkdir(exist_ok=True)
        self.held = self.hold / f"f{STOP_AT}"
        self.held.touch()
        (here / "f0").write_text("f0\n")
        step = script(here / "step.sh", STEP)
        jobs = [
            job_line(
                f"s{number}",
                "step",
                f"f{number - 1} f{number}",
                inputs=[f"f{number - 1}"],
                outputs=[f"f{number}"],
                profiles={"env": {"HOLD": str(self.hold)}},
            )
            for number in range(1, LENGTH + 1)
        ]
        sites = [{"name": "condorpool", "type": "installed", "pfn": str(step)}]
        self.workflow = write_workflow(
            here,
            jobs,
            name=name,
            replicaCatalog={
                "replicas": [{"lfn": "f0", "pfns": [{"site": "local", "pfn": str(here / "f0")}]}]
            },
            transformationCatalog={"transformations": [{"name": "step", "sites": sites}]},
        )

    def plan(self, results: str = "results") -> Path:
        return plan(self.workflow, "--output-dir", self.here / results, cwd=self.here)

    def start(self, submit_dir: Path) -> subprocess.Popen[str]:
        """Start an engine, and wait until the job that waits does so."""
        engine = subprocess.Popen(
            [sys.executable, "-m", "markab", "run", str(submit_dir)],
            cwd=self.here,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: self.starts()[f"f{STOP_AT}"] >= 1)
        return engine

    def starts(self) -> Counter[str]:
        """Return how often each program was started."""
        started = self.here / "started"
        return Counter(started.read_text().split()) if started.exists() else Counter()

    def let_go(self) -> None:
        self.held.unlink()

    def check(self, submit_dir: Path, results: str = "results") -> None:
        """See that all is there, done once, and nothing else is left."""
        for number in range(1, LENGTH + 1):
            text = "".join(f"f{n}\n" for n in range(number + 1))
            assert text == (self.here / results / f"f{number}").read_text()
        assert LENGTH == len(os.listdir(self.here / results))
        records = journal(submit_dir)
        successes = Counter(r["job"] for r in records if r["event"] == "end" and r["record"]["ok"])
        assert {1} == set(successes.values()), "a job succeeded more than once"
        uuid = yaml.safe_load((submit_dir / "braindump.yml").read_text())["wf_uuid"]
        assert [] == processes_of_run(uuid)
        scratch = self.here / "wf-scratch"
        assert [] == [path for path in scratch.rglob("*") if path.is_file()]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    chain = Chain(tmp_path)
    yield chain
    chain.held.unlink(missing_ok=True)


def end(engine: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for an engine to end; return its exit code and its output."""
    out, err = engine.communicate(timeout=30)
    return engine.returncode, out, err


BEFORE = {f"f{number}": 1 for number in range(1, STOP_AT)}
AFTER = {f"f{number}": 1 for number in range(STOP_AT + 1, LENGTH + 1)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_the_same_command_continues_it(
    number: signal.Signals, chain: Chain
) -> None:
    submit_dir = chain.plan()
    engine = chain.start(submit_dir)

    engine.send_signal(number)

    code, out, _ = end(engine)
    shown = submit_dir.relative_to(chain.here)
    assert 130 == code
    assert "chain: interrupted, " in out
    assert f"  continue: markab run {shown}    (what succeeded is kept)\n" in out
    assert [] == processes_of_run(yaml.safe_load((submit_dir / "braindump.yml").read_text())["wf_uuid"])

    chain.let_go()
    assert 0 == markab("run", submit_dir, cwd=chain.here).returncode
    assert {**BEFORE, f"f{STOP_AT}": 2, **AFTER} == chain.starts()
    chain.check(submit_dir)


def test_the_second_signal_ends_the_run_at_once(chain: Chain) -> None:
    (chain.here / "step.sh").write_text(STEP.replace("\n", "\ntrap 'echo >> \"$HOLD/../terms\"' TERM\n", 1))
    submit_dir = chain.plan()
    engine = chain.start(submit_dir)
    engine.send_signal(signal.SIGINT)
    wait_until((chain.here / "terms").exists)
    assert engine.poll() is None, "it did not give the job time to end"

    engine.send_signal(signal.SIGINT)

    code, out, err = end(engine)
    assert 130 == code
    assert ("", "interrupted\n") == (out, err[-12:]), "it waited for the end of the job"
    assert [] == processes_of_run(yaml.safe_load((submit_dir / "braindump.yml").read_text())["wf_uuid"])

    chain.let_go()
    assert 0 == markab("run", submit_dir, cwd=chain.here).returncode
    assert {**BEFORE, f"f{STOP_AT}": 2, **AFTER} == chain.starts()
    chain.check(submit_dir)


def test_a_removed_run_can_be_continued(chain: Chain) -> None:
    submit_dir = chain.plan()
    engine = chain.start(submit_dir)

    markab("remove", submit_dir, cwd=chain.here)

    code, out, _ = end(engine)
    assert 15 == code
    assert "chain: removed, " in out
    assert "nothing to halt: no engine is running" in markab("halt", submit_dir, cwd=chain.here).stdout

    chain.let_go()
    assert 0 == markab("run", submit_dir, cwd=chain.here).returncode
    assert {**BEFORE, f"f{STOP_AT}": 2, **AFTER} == chain.starts()
    chain.check(submit_dir)


def test_a_halted_run_lets_its_job_end_and_can_be_continued(chain: Chain) -> None:
    submit_dir = chain.plan()
    engine = chain.start(submit_dir)

    done = markab("halt", submit_dir, cwd=chain.here)
    assert "its running jobs end, no others start" in done.stdout
    wait_until(lambda: not list((submit_dir / "control").iterdir()))
    assert engine.poll() is None, "it did not wait for the job that runs"
    chain.let_go()

    code, out, _ = end(engine)
    assert 15 == code
    assert "chain: halted, " in out
    assert {**BEFORE, f"f{STOP_AT}": 1} == chain.starts()

    assert 0 == markab("run", submit_dir, cwd=chain.here).returncode
    assert {**BEFORE, f"f{STOP_AT}": 1, **AFTER} == chain.starts()
    chain.check(submit_dir)


def test_two_runs_of_one_workflow_do_not_get_into_each_others_way(chain: Chain) -> None:
    first, second = chain.plan("first"), chain.plan("second")
    assert ("run0001", "run0002") == (first.name, second.name)

    engines = [chain.start(first), chain.start(second)]
    wait_until(lambda: chain.starts()[f"f{STOP_AT}"] == 2)
    chain.let_go()

    assert [0, 0] == [end(engine)[0] for engine in engines]
    assert {f"f{number}": 2 for number in range(1, LENGTH + 1)} == chain.starts()
    chain.check(first, "first")
    chain.check(second, "second")


def test_a_submit_directory_can_be_moved_before_the_run(chain: Chain) -> None:
    elsewhere = chain.here / "elsewhere" / "renamed"
    elsewhere.parent.mkdir()
    shutil.move(chain.plan(), elsewhere)
    chain.let_go()

    markab("run", elsewhere, cwd=chain.here)

    assert "Success" in markab("status", elsewhere, cwd=chain.here).stdout
    chain.check(elsewhere)
    assert not list((chain.here).glob("*/pegasus/chain/*")), "something was written to the old place"


def test_a_submit_directory_can_be_moved_half_way(chain: Chain) -> None:
    submit_dir = chain.plan()
    engine = chain.start(submit_dir)
    engine.send_signal(signal.SIGINT)
    assert 130 == end(engine)[0]
    elsewhere = chain.here / "elsewhere"
    shutil.move(submit_dir, elsewhere)
    chain.let_go()

    markab("run", elsewhere, cwd=chain.here)

    assert {**BEFORE, f"f{STOP_AT}": 2, **AFTER} == chain.starts()
    chain.check(elsewhere)
    assert not submit_dir.exists(), "something was written to the old place"
    assert "succeeded" in markab("show", elsewhere, f"s{LENGTH}", cwd=chain.here).stdout


def test_a_submit_directory_can_be_moved_after_a_kill(chain: Chain) -> None:
    submit_dir = chain.plan()
    engine = chain.start(submit_dir)
    engine.kill()
    end(engine)
    elsewhere = chain.here / "elsewhere"
    shutil.move(submit_dir, elsewhere)
    chain.let_go()

    markab("run", elsewhere, cwd=chain.here)

    assert {**BEFORE, f"f{STOP_AT}": 2, **AFTER} == chain.starts()
    chain.check(elsewhere)


def test_running_a_finished_run_again_does_nothing(chain: Chain) -> None:
    submit_dir = chain.plan()
    chain.let_go()
    markab("run", submit_dir, cwd=chain.here)
    before = (submit_dir / "journal.jsonl").read_bytes()

    done = markab("run", submit_dir, cwd=chain.here)

    assert done.stdout.startswith("nothing to run: all jobs have succeeded already\n")
    assert before == (submit_dir / "journal.jsonl").read_bytes()
