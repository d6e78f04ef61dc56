"""What the integration tests share: a real command line, and reading what a run left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SRC = Path(__file__).resolve().parents[2] / "src"

POWERLESS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []
"""Before a command: what permissions say counts, also for root."""


def environment(extra: Mapping[str, str] = {}) -> dict[str, str]:
    """Return an environment in which this Markab is the one that is found, and nothing of the user's is."""
    bin_dir = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{bin_dir}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(SRC),
        "NO_COLOR": "1",
        **extra,
    }


def markab(*words: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `markab …` to its end."""
    return command(sys.executable, "-m", "markab", *words, cwd=cwd, check=check)


def command(*words: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; a failure shows all of its output."""
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300
    )
    if check and done.returncode:
        raise AssertionError(f"{words} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def plan(workflow: Path, *words: str | Path, cwd: Path) -> Path:
    """Plan a workflow, and return its submit directory."""
    done = markab("plan", "--json", *words, workflow, cwd=cwd)
    return Path(json.loads(done.stdout)["submit_dir"])


def journal(submit_dir: Path) -> list[dict[str, Any]]:
    """Return the records of a run's journal."""
    lines = (submit_dir / "journal.jsonl").read_bytes().splitlines()
    return [json.loads(line.partition(b" ")[2]) for line in lines]


def ends_of(submit_dir: Path, job: str) -> list[dict[str, Any]]:
    """Return the worker's records of a job's attempts, oldest first."""
    records = journal(submit_dir)
    positions = {r["job"] for r in records if r["event"] == "start" and r["id"] == job}
    return [r["record"] for r in records if r["event"] == "end" and r["job"] in positions]


def processes_of_run(uuid: str) -> list[int]:
    """Return the processes that carry a run's marker in their environment."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if f"MARKAB_ATTEMPT={uuid}/".encode() in file.read():
                        found.append(int(entry))
            except OSError:
                continue
    return found


def job_line(name: str, executable: str, arguments: str = "", **keys: Any) -> dict[str, Any]:
    """Return an entry of `jobs:`."""
    uses = [{"lfn": lfn, "type": "input"} for lfn in keys.pop("inputs", [])]
    uses += [{"lfn": lfn, "type": "output", "stageOut": True} for lfn in keys.pop("outputs", [])]
    return {"type": "job", "name": executable, "id": name, "arguments": [arguments], "uses": uses, **keys}


def write_workflow(directory: Path, jobs: list[dict[str, Any]], **keys: Any) -> Path:
    """Write `workflow.yml` (JSON is YAML too)."""
    path = directory / "workflow.yml"
    path.write_text(json.dumps({"pegasus": "5.0.4", "name": keys.pop("name", "w"), **keys, "jobs": jobs}))
    return path


def script(path: Path, text: str) -> Path:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)
    return path


class Gate:
    """A pipe from which jobs read a line before they end; once it is closed, all end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        os.mkfifo(path)
        self.program = f"sh -c 'read line < {path}'"
        """Name and arguments of such a job."""
        self._pipe = os.open(path, os.O_RDWR)

    def let(self, jobs: int) -> None:
        """Let so many jobs end."""
        os.write(self._pipe, b"\n" * jobs)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink()
        os.close(self._pipe)
