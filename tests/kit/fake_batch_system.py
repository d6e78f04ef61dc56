"""A batch system for tests of the executor: commands in, texts out, as Slurm prints them; nothing runs.

What workers do, a test does: `begin` and `finish` write into the directory of a batch. On demand commands take too
long, answers are lost, submissions are refused, and elements vanish.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markab.executors.remote.batch_service import NoAnswer
from markab.executors.remote.batch_system import BatchCommand
from markab.executors.remote.command_runner import CommandAnswer


@dataclass
class Job:
    """An array that was submitted."""

    id: str
    name: str
    script: Path
    states: list[list[str]]
    """Of each element: its state, the reason, the host."""
    words: list[str]

    @property
    def directory(self) -> Path:
        return self.script.parent

    def specs(self) -> list[list[dict[str, Any]]]:
        lines = (self.directory / "specs").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def begin(self, position: int = 0) -> None:
        """Do what a worker does first."""
        (self.directory / "claims" / str(position)).write_text("node1 77\n")

    def finish(self, position: int = 0, **record: Any) -> None:
        """Do what a worker does last."""
        if not (self.directory / "claims" / str(position)).exists():
            self.begin(position)
        part = self.directory / "records" / f"{position}.json.part"
        part.write_text(json.dumps({"ok": True, "host": "node1", "start": 1.0, "end": 2.0} | record))
        part.rename(part.with_suffix(""))

    def is_revoked(self, folder: str, position: int = 0) -> bool:
        path = self.directory / folder / str(position)
        return path.exists() and path.read_text() == "revoked\n"


@dataclass
class FakeBatchSystem:
    """Stands for `CommandRunner`, and answers the commands of Slurm's language."""

    contact: str = ""
    jobs: list[Job] = field(default_factory=list)
    next_id: int = 1
    shares: bool = True
    faults: dict[str, deque[str]] = field(default_factory=dict)
    """Program → what its next calls do: `timeout`, `lost` (it does its work, and the answer is lost),
    `absent`, or the text with which it fails."""
    calls: list[list[str]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    accounts: str = ""
    """What `sacct` prints."""
    limit: int = 1001

    def fail(self, program: str, *faults: str) -> None:
        """Let the next calls of a program fail."""
        self.faults.setdefault(program, deque()).extend(faults)

    def run(self, command: BatchCommand) -> CommandAnswer:
        """See `CommandRunner.run`."""
        program, *words = command.argv
        self.calls.append(list(command.argv))
        pending = self.faults.get(program)
        fault = pending.popleft() if pending else ""
        if fault == "timeout":
            raise NoAnswer(f"`{program}` did not answer within 60 s")
        if fault == "absent":
            raise NoAnswer(f"there is no program '{program}' on this machine", is_permanent=True)
        if fault and fault != "lost":
            return CommandAnswer(1, "", fault)
        answer = getattr(self, f"_{program}")(words)
        if fault == "lost":
            raise NoAnswer(f"`{program}` did not answer within 60 s")
        return CommandAnswer(0, answer, "")

    def is_shared(self, path: Path) -> bool:
        """See `CommandRunner.is_shared`."""
        return self.shares

    def close(self) -> None:
        """See `CommandRunner.close`."""

    def _scontrol(self, words: list[str]) -> str:
        return f"MaxArraySize            = {self.limit}\n"

    def _sbatch(self, words: list[str]) -> str:
        options = dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
        count = int(options["array"].rpartition("-")[2]) + 1
        states = [["PENDING", "Priority", ""] for _ in range(count)]
        job = Job(str(self.next_id), options["job-name"], Path(words[-1]), states, words)
        self.next_id += 1
        self.jobs.append(job)
        return f"{job.id}\n"

    def _squeue(self, words: list[str]) -> str:
        names = next(word for word in words if word.startswith("--name=")).partition("=")[2].split(",")
        return "".join(
            f"{job.id}|{index}|{state}|{host}|{reason}|{job.name}\n"
            for job in self.jobs
            if job.name in names
            for index, (state, reason, host) in enumerate(job.states)
            if state
        )

    def _sacct(self, words: list[str]) -> str:
        return self.accounts

    def _scancel(self, words: list[str]) -> str:
        self.cancelled += words
        for word in words:
            id_, _, indices = word.partition("_")
            for job in self.jobs:
                if job.id == id_:
                    for part in indices.strip("[]").split(","):
                        first, _, last = part.partition("-")
                        for index in range(int(first), int(last or first) + 1):
                            job.states[index][0] = "CANCELLED"
        return ""
