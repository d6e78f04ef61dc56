"""The files of one run that its jobs in HTCondor need, in its submit directory.

    htcondor/<8 hex digits>/   of run and schedd
      worker.zip               the packed worker
      node_start.py            what starts it
      jobs.log                 the log of events
      N.sub, N.items           a submission: commands, and its attempts; there before HTCondor sees it
      JOB.NUMBER/              the sandbox of an attempt (`remote/sandbox.py`), until its end is recorded

All may be removed when the run has ended.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from importlib.resources import files as package_files
from pathlib import Path

import msgspec

from markab.executors.base import Attempt, Record
from markab.executors.htcondor.submit_file import JobPlace, item_line, submit_text, with_queue
from markab.executors.remote.compiled_worker import compiled_worker
from markab.executors.remote.sandbox import Sandbox
from markab.plan.atomic_file import flush_directory, replacing
from markab.transfers.checksum import Verified

_SANDBOX = re.compile(r"(\d+)\.(\d+)(?:\.part)?")
TIMES = "times.json"
SENT = ("spec.json", "scratch", "passwords.json", TIMES)
"""What goes with a job, as far as it is there."""

LONGEST_TEXT = 2000


class RunFiles:
    """The files of a run."""

    def __init__(self, submit_dir: str, run: str, workflow: str, contact: str = "") -> None:
        """Make the directory, and what all jobs share. Raises OSError."""
        name = hashlib.sha256(f"{run} {contact}".encode()).hexdigest()[:8]
        self.place = JobPlace(Path(submit_dir) / "htcondor" / name, run, workflow)
        directory = self.place.directory
        directory.mkdir(parents=True, exist_ok=True)
        _write(self.place.worker, compiled_worker())
        _write(self.place.start, start_program())
        self.place.start.chmod(0o755)
        numbers = [int(path.stem) for path in directory.glob("*.sub") if path.stem.isdigit()]
        self._submissions = max(numbers, default=0)

    def sandbox(self, job: int, number: int) -> Sandbox:
        """Return the directory of an attempt, which need not exist."""
        return Sandbox(self.place.sandbox(job, number))

    def fill(self, attempt: Attempt) -> str:
        """Make the sandbox of an attempt, and return its commands. Raises AttemptFailed."""
        sandbox = self.sandbox(attempt.id.job, attempt.id.number)
        fill_sandbox(sandbox, attempt)
        there = set(os.listdir(sandbox.path))
        sent = [name for name in SENT if name in there]
        return submit_text(attempt.job, self.place, sent)

    def write_submission(self, text: str, attempts: Sequence[Attempt]) -> Path:
        """Write a submit file for attempts with equal commands, and flush it. Raises OSError."""
        self._submissions += 1
        path = self.place.directory / f"{self._submissions}.sub"
        items = path.with_suffix(".items")
        lines = (item_line(one.id.job, one.id.number, one.job.id) for one in attempts)
        _write(items, "".join(lines).encode())
        _write(path, with_queue(text, items).encode())
        flush_directory(self.place.directory)
        return path

    def was_submitted(self, job: int, number: int) -> bool:
        """Return whether an attempt stands in a submission; if not, HTCondor never saw it."""
        start = f"{job} {number} "
        for path in self.place.directory.glob("*.items"):
            if any(line.startswith(start) for line in path.read_text(errors="replace").splitlines()):
                return True
        return False

    def has_returned(self, job: int, number: int) -> bool:
        """Return whether the record of an attempt is back."""
        sandbox = self.sandbox(job, number)
        return os.path.lexists(sandbox.record) or os.path.lexists(
            sandbox.path / "attachments" / "record.json"
        )

    def collect(self, attempt: Attempt, verified: Verified) -> Record | None:
        """Put what came back in place, and return the record; None if there is none. May be done again."""
        return collect_sandbox(self.sandbox(attempt.id.job, attempt.id.number), attempt, verified)

    def words(self, job: int, number: int) -> str:
        """Return the end of what the program that starts the worker printed: usually nothing."""
        return start_words(self.place.sandbox(job, number))

    def left_sandboxes(self, alive: Collection[tuple[int, int]]) -> Iterator[Sandbox]:
        """Yield the sandboxes of all attempts but some: their ends are recorded, or they were never submitted."""
        for name in os.listdir(self.place.directory):
            found = _SANDBOX.fullmatch(name)
            if found and (int(found[1]), int(found[2])) not in alive:
                yield Sandbox(self.place.directory / name)


def fill_sandbox(sandbox: Sandbox, attempt: Attempt) -> None:
    """Make the sandbox of an attempt, as `node_start.py` expects it. Raises AttemptFailed and OSError."""
    sandbox.fill(attempt, brings_worker=False, is_mounted=True, makes_directories=False)
    if not attempt.job.inputs:
        return
    top = sandbox.path / "scratch"
    times = {
        os.path.relpath(path, top): os.lstat(path).st_mtime_ns
        for directory, _, names in os.walk(top)
        for path in (os.path.join(directory, name) for name in names)
    }
    if times:  # HTCondor gives the files that go along the time of their transfer
        (sandbox.path / TIMES).write_bytes(msgspec.json.encode(times))


def collect_sandbox(sandbox: Sandbox, attempt: Attempt, verified: Verified) -> Record | None:
    """Put what came back in place, and return the record; None if there is none. May be done again."""
    received = sandbox.path / "attachments"
    try:
        if stat.S_ISDIR(os.lstat(received).st_mode):
            os.rename(received / "record.json", sandbox.record)
    except FileNotFoundError:
        pass  # there is none, or it was moved before a crash
    return sandbox.collect(attempt, verified)


def start_words(sandbox: Path) -> str:
    """Return the end of what the program that starts the worker printed: usually nothing."""
    texts = []
    for name in ("start.err", "start.out"):
        try:
            with open(sandbox / name, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LONGEST_TEXT))
                texts.append(file.read().decode(errors="replace").strip())
        except OSError:
            pass  # it did not come back
    return "\n".join(text for text in texts if text)


def start_program() -> bytes:
    """Return the program that starts the worker on a node."""
    return package_files("markab.executors.htcondor").joinpath("node_start.py").read_bytes()


def _write(path: Path, content: bytes) -> None:
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        pass  # it is not there yet
    with replacing(path) as file:
        file.write(content)
