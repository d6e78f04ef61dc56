"""A small real run with a retry and a failure, and the expected content of its exports.

cut ── part.txt ── flaky (fails once) ── deep/sorted.txt ── broken (always fails) ── never.txt ── last
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from integration.tools import environment, job_line

SECRET = "hunter2"
BOOK = "c\nb\na\n"
FLAKY = """#!/bin/sh
if [ ! -e "$1" ]; then touch "$1"; echo "$TOKEN no luck" >&2; exit 3; fi
mkdir -p deep && sort part.txt > deep/sorted.txt
"""


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def call(*words: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "markab", *map(str, words)],
        cwd=cwd,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=120,
    )


def write_workflow(directory: Path) -> Path:
    """Write a workflow whose environment, arguments and comments hold a secret in every place there is."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "book.txt").write_text(BOOK)
    flaky = directory / "flaky"
    flaky.write_text(FLAKY)
    flaky.chmod(0o755)
    programs = {"cut": "/bin/cp", "flaky": str(flaky), "broken": "/bin/sh"}
    book = {
        "lfn": "book.txt",
        "pfns": [
            {"site": "local", "pfn": str(directory / "book.txt")},
            {"site": "web", "pfn": f"https://ada:{SECRET}@data.invalid/book.txt?token={SECRET}"},
        ],
    }
    document = {
        "pegasus": "5.0.4",
        "name": "words",
        "profiles": {"env": {"TOKEN": SECRET}, "condor": {"environment": f"A={SECRET}"}},
        "transformationCatalog": {
            "transformations": [
                {
                    "name": name,
                    "sites": [{"name": "local", "pfn": program, "type": "installed"}],
                    "profiles": {"env": {"TOKEN": SECRET}},
                }
                for name, program in programs.items()
            ]
        },
        "replicaCatalog": {"replicas": [book]},
        "jobs": [
            job("ID1", "cut", "book.txt part.txt", ["book.txt"], "part.txt"),
            job(
                "ID2",
                "flaky",
                f"{directory / 'mark'} ${{PLANNER_SECRET}}",
                ["part.txt"],
                "deep/sorted.txt",
                1,
            ),
            job("ID3", "broken", "-c 'exit 4' $TOKEN", ["deep/sorted.txt"], "never.txt"),
            job("ID4", "cut", "never.txt last.txt", ["never.txt"], "last.txt"),
        ],
    }
    path = directory / "workflow.yml"
    path.write_text(json.dumps(document))
    return path


def job(id: str, name: str, arguments: str, reads: list[str], makes: str, retries: int = 0) -> dict[str, Any]:
    profiles = {"dagman": {"RETRY": str(retries)}, "env": {"TOKEN": SECRET}}
    return job_line(id, name, arguments, inputs=reads, outputs=[makes], profiles=profiles)


def plan(directory: Path) -> Path:
    done = call(
        "plan", "--json", "--sites", "local", "--output-dir", directory / "results", write_workflow(directory),
        cwd=directory, PLANNER_SECRET=SECRET,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["submit_dir"])


def run(directory: Path) -> Path:
    submit_dir = plan(directory)
    done = call("run", "--quiet", submit_dir, cwd=directory, PLANNER_SECRET=SECRET)
    assert done.returncode == 14, done.stderr
    assert SECRET in (submit_dir / "journal.jsonl").read_text(), (
        "else nothing is proven by its absence elsewhere"
    )
    return submit_dir


def add_document(submit_dir: Path) -> Path:
    """Give a run made by hand the copy of a workflow document that the planner would have left."""
    (submit_dir / "catalogs").mkdir()
    document = {"pegasus": "5.0", "name": "words", "jobs": [job("a", "wc", "-l in", [], "x")]}
    (submit_dir / "catalogs/workflow.yml").write_text(json.dumps(document))
    return submit_dir


def all_text(path: Path) -> str:
    """Return everything in a file, or in the files of a directory."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return "\n".join(file.read_bytes().decode("utf-8", "replace") for file in files)
