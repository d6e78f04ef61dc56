"""One run with all the usual failures: the analyzer names each cause."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.tools import command, environment, job_line, markab, plan, script, write_workflow
from kit.plan_text import replace_in_plan

pytestmark = pytest.mark.integration

PROGRAMS = {
    "good": '#!/bin/sh\ncat raw > "$1.txt"\n',
    "wrong": """#!/usr/bin/env python3
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int)
parser.parse_args()
""",
    "module": "#!/usr/bin/env python3\nimport numpie.linalg\n",
    "hungry": """#!/usr/bin/env python3
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
held = []
while True:
    held.append(bytearray(1 << 24))
""",
    "killed": """#!/usr/bin/env python3
# As the kernel does when memory runs out: SIGKILL, once much memory is held.
import os, signal
held = bytearray(80 << 20)
for place in range(0, len(held), 4096):
    held[place] = 1
os.kill(os.getpid(), signal.SIGKILL)
""",
    "flip": '#!/bin/sh\nchmod u+w "$1"; printf x >> "$1"\n',
    "reader": "#!/bin/sh\ncat made.txt\n",
    "slow": "#!/bin/sh\necho waiting for a licence\nexec sleep 60\n",
    "forgetful": "#!/bin/sh\necho wrote result.dat\n",
    "range": '#!/bin/sh\n[ "$1" -lt 30 ] || { echo "range: $1 is out of range" >&2; exit 3; }\n',
}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of it all; tried once, except `forgetful`."""
    here = tmp_path_factory.mktemp("failures")
    (here / "raw").write_text("raw\n")
    scratch = here / "wf-scratch" / "run"
    catalog = [
        {
            "name": name,
            "sites": [{"name": "local", "type": "installed", "pfn": str(script(here / name, text))}],
        }
        for name, text in PROGRAMS.items()
    ]
    profiles = {
        "slow": {"pegasus": {"maxwalltime": 1}},
        "killed": {"pegasus": {"memory": 90}},
        "forgetful": {"dagman": {"RETRY": 1}},
    }
    jobs = [
        job_line("good1", "good", "one", inputs=["raw"], outputs=["one.txt"]),
        job_line("good2", "good", "made", inputs=["raw"], outputs=["made.txt"]),
        job_line("flip", "flip", str(scratch / "made.txt")),
        job_line("reader", "reader", inputs=["made.txt"]),
        job_line("wrong", "wrong", "--sise 3"),
        job_line("module", "module", outputs=["m.dat"]),
        job_line("after", "reader", inputs=["m.dat"]),
        job_line("hungry", "hungry"),
        job_line("killed", "killed", profiles=profiles["killed"]),
        job_line("slow", "slow", profiles=profiles["slow"]),
        job_line("forgetful", "forgetful", outputs=["result.data"], profiles=profiles["forgetful"]),
        *(job_line(f"r{n}", "range", str(n)) for n in range(28, 34)),
    ]
    workflow = write_workflow(
        here,
        jobs,
        jobDependencies=[{"id": "good2", "children": ["flip"]}, {"id": "flip", "children": ["reader"]}],
        replicaCatalog={"replicas": [{"lfn": "raw", "pfns": [{"site": "local", "pfn": str(here / "raw")}]}]},
        transformationCatalog={"transformations": catalog},
    )
    submit_dir = plan(
        workflow,
        *("--relative-dir", "run", "--dir", here / "runs", "--output-dir", here / "results"),
        *("--sites", "local", "--cleanup", "none", "-D", "dagman.retry=0"),
        cwd=here,
    )
    _shorten(submit_dir)
    done = markab("run", "-q", submit_dir, cwd=here, check=False)
    assert done.returncode == 14, done.stderr
    return submit_dir


def _shorten(submit_dir: Path) -> None:
    """Make the wall time of a minute, the least that can be asked for, two seconds."""
    replace_in_plan(submit_dir / "plan.jsonl", '"max_wall_s":60', '"max_wall_s":2')


@pytest.fixture(scope="module")
def causes(run_dir: Path) -> dict[str, dict[str, Any]]:
    """First job of each group → the group."""
    done = markab("analyze", "--json", run_dir, cwd=run_dir, check=False)
    assert done.returncode == 14
    return {group["jobs"][0]: group for group in json.loads(done.stdout)["causes"]}


@pytest.mark.parametrize(
    ("job", "cause", "words"),
    [
        ("wrong_wrong", "wrong-argument", "does not understand its arguments (exit code 2)"),
        ("module_module", "missing-module", "the Python module 'numpie' is not installed"),
        ("hungry_hungry", "memory", "it ran out of memory"),
        ("killed_killed", "memory", "out of memory: killed by SIGKILL at"),
        ("reader_reader", "checksum", "input 'made.txt' of job 'reader_reader' is not what was recorded"),
        ("slow_slow", "timeout", "ended after 2 s, the wall time it is given"),
        ("forgetful_forgetful", "missing-output", "result.data"),
        ("range_r30", "exit", "exit code 3: range: 30 is out of range"),
    ],
)
def test_each_cause_is_named(causes: dict[str, dict[str, Any]], job: str, cause: str, words: str) -> None:
    assert causes[job]["cause"] == cause
    assert words in causes[job]["title"]
    assert causes[job]["remedy"] or cause == "exit"


def test_nothing_else_is_a_cause(causes: dict[str, dict[str, Any]]) -> None:
    assert 8 == len(causes)


def test_equal_failures_are_one_and_what_they_hold_up_is_counted(causes: dict[str, dict[str, Any]]) -> None:
    assert causes["range_r30"]["jobs"] == [f"range_r{n}" for n in range(30, 34)]
    assert causes["range_r30"]["first"]["sibling"] == "range_r29"
    assert causes["range_r30"]["first"]["differs"] == ["arguments: 30 here, 29 there"]
    assert causes["module_module"]["holds_up"] >= 1
    assert causes["forgetful_forgetful"]["first"]["attempts"] == ["2 attempts, all with the same end"]


def test_the_text_is_short_and_says_what_to_do(run_dir: Path) -> None:
    text = markab("analyze", run_dir, cwd=run_dir, check=False).stdout
    assert "4 jobs of range, with the same error: exit code 3: range: 30 is out of range" in text
    assert "python -m pip install numpie" in text
    assert "| ModuleNotFoundError: No module named 'numpie'" in text
    assert "skipped, because a job before them failed" in text and "(1 by time-out)" in text
    assert len(text.splitlines()) < 130


def test_pegasus_analyzer_prints_its_summary_and_fails(run_dir: Path) -> None:
    program = (
        "import sys; from markab.cli.pegasus import analyzer; sys.argv[0] = 'pegasus-analyzer'; analyzer()"
    )
    done = command(sys.executable, "-c", program, run_dir, cwd=run_dir, check=False)
    assert done.returncode == 2, done.stderr
    assert " Workflow Status    : failure" in done.stdout
    assert " # jobs failed      :     11 (" in done.stdout
    assert "module_module".center(80, "=") in done.stdout


def test_a_job_is_run_again_by_hand_from_its_debug_directory(run_dir: Path, tmp_path: Path) -> None:
    for job, code, words in (
        ("range_r30", 3, "range: 30 is out of range"),
        ("reader_reader", 0, ""),
        ("forgetful", 1, "missing output: result.data"),
    ):
        directory = tmp_path / job
        done = markab("analyze", run_dir, "--debug-job", job, "--debug-dir", directory, cwd=tmp_path)
        assert str(directory / "run.sh") in done.stdout
        again = subprocess.run(
            [directory / "run.sh"], cwd="/", env=environment(), capture_output=True, text=True, timeout=60
        )
        assert again.returncode == code and words in again.stderr, again.stderr
    assert "made.txt" in os.listdir(tmp_path / "reader_reader")


def test_the_story_of_a_job_that_was_skipped(run_dir: Path) -> None:
    text = markab("why", run_dir, "after", cwd=run_dir).stdout
    assert text.startswith("reader_after (compute at local) skipped")
    assert "because   module_module failed" in text


def test_a_delivered_file_is_traced_and_compared(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("raw\n")
    workflow = write_workflow(
        tmp_path,
        [
            job_line("one", "cp", "raw mid", inputs=["raw"], outputs=["mid"]),
            job_line("two", "cp", "mid end.txt", inputs=["mid", "raw"], outputs=["end.txt"]),
        ],
        replicaCatalog={
            "replicas": [{"lfn": "raw", "pfns": [{"site": "local", "pfn": str(tmp_path / "raw")}]}]
        },
    )
    submit_dir = plan(
        workflow, "--dir", tmp_path / "runs", "--output-dir", tmp_path / "results", cwd=tmp_path
    )
    delivered = tmp_path / "results" / "end.txt"
    assert "was not delivered (yet)" in markab("trace", submit_dir, delivered, cwd=tmp_path).stdout
    markab("run", "-q", submit_dir, cwd=tmp_path)

    text = markab("trace", submit_dir, delivered, cwd=tmp_path).stdout
    assert text.startswith(f"{delivered} is what this run recorded (sha256 agrees)\nend.txt  4 B, sha256 ")
    assert f"  at {delivered}" in text
    assert "made by cp_two (cp at condorpool on " in text and "cp mid end.txt\n" in text
    assert "  ├─ mid  4 B" in text or "  └─ mid  4 B" in text
    assert f"from {tmp_path}/raw" in text
    assert (
        '"job cp_one" -> "file mid"' in markab("trace", submit_dir, "--dot", "end.txt", cwd=tmp_path).stdout
    )
    delivered.chmod(0o644)
    delivered.write_text("raw!\n")
    done = markab("trace", submit_dir, delivered, cwd=tmp_path, check=False)
    assert done.returncode == 42 and "is NOT what this run recorded" in done.stdout
    assert markab("analyze", submit_dir, cwd=tmp_path).stdout.startswith("w: succeeded after ")
