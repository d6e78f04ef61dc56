"""The queue of a fake scheduler, in a directory that its commands and its runner share. Standard library only, quick to import.

    lock            held (flock) by whoever reads or changes the queue
    queue.json      the jobs, and the next id
    control.json    what a test asks for: slots, faults, holds (`scheduler.py` writes it, commands use faults up)
    accounts.jsonl  one line an element that has ended, for `sacct` and `qacct`
    calls.jsonl     one line a command that was called
    jobs/ID.json    environment and working directory of a job;  jobs/ID.script  its script, as a real system copies it
    exits/*         exit code of one process, written by itself; `exit` of an element names it
    runner.lock     held by the runner while it lives;  runner.pid  its pid;  poke  a FIFO that wakes it;  stop  asks it to end

A job is one entry with the positions of its elements as a range; only elements that are not simply waiting have entries of their own. So
100,000 waiting elements of 100 jobs are a file of some kilobytes.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Job = dict[str, Any]
"""id, name, user, first, last (positions), is_array, held (reason or ""), queue, cores, limit_s, grace_s, output, comment, submitted,
next (first position that never started), again (positions to start once more), states: position as text → ElementState."""

ElementState = dict[str, Any]
"""state: "running", "ended" or "gone"; pid, born, exit, host, start, end; of an end: ending ("exit", "cancelled", "timeout", "node-lost",
"memory"), code, signal; reason: words of the system. A running one may have `cancelled` or `timed_out`: since when it is to end."""

DEFAULTS: dict[str, Any] = {
    "system": "slurm",
    "slots": 4,
    "nodes": ["n1", "n2"],
    "queues": ["main", "long"],
    "max_array": 1001,
    "max_cores": 64,
    "max_memory_mb": 64000,
    "keep_ended_s": 300,
    "kill_wait_s": 3,
    "clock_offset_s": 0,
    "accounting": True,
    "accounting_delay_s": 0,
    "reasons": {},
    "holds": {},
    "end_early": [],
    "faults": [],
    "pending_reason": "Resources",
}
"""What control.json has, if a test says nothing else."""


WARNINGS = {"sge": signal.SIGUSR2, "lsf": signal.SIGUSR2}
"""What a system sends to the process group of an element before SIGKILL, if not SIGTERM."""


class QueueDirectory:
    """The queue. Between `with queue.locked():` and its end, `jobs` and `control` are current, and are written if `changed` is set."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.jobs: dict[str, Job] = {}
        self.control: dict[str, Any] = {}
        self.next_id = 1
        self.changed = False
        self._read: tuple[int, int] | None = None

    def path(self, *names: str) -> str:
        return os.path.join(self.directory, *names)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock, with the queue as it is now; write it at the end if it was changed."""
        with open(self.path("lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._load()
            self.changed = False
            try:
                yield
            except BaseException:
                self._read = None  # what is in memory may be half a change
                raise
            if self.changed:
                self.write("queue.json", {"next_id": self.next_id, "jobs": self.jobs})
                self._read = self._stamp()

    def _load(self) -> None:
        self.control = DEFAULTS | self.read("control.json", {})
        stamp = self._stamp()
        if stamp is None or stamp != self._read:
            whole = self.read("queue.json", {"next_id": 1, "jobs": {}})
            self.next_id, self.jobs = whole["next_id"], whole["jobs"]
            self._read = stamp

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path("queue.json"))
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def read(self, name: str, default: Any) -> Any:
        """Return what a JSON file has."""
        try:
            with open(self.path(name)) as file:
                return json.load(file)
        except FileNotFoundError:
            return default

    def write(self, name: str, value: Any) -> None:
        """Replace a JSON file; whoever reads it sees all of it or what was there."""
        self.write_text(name, json.dumps(value))

    def write_text(self, name: str, text: str) -> None:
        """Replace a file; a process that has the old one open keeps it."""
        part = self.path(f"{name}.{os.getpid()}.part")
        with open(part, "w", errors="surrogateescape") as file:
            file.write(text)
        os.replace(part, self.path(name))

    def append(self, name: str, value: Any) -> None:
        """Add a line to a file of lines."""
        with open(self.path(name), "a") as file:
            file.write(json.dumps(value) + "\n")

    def lines(self, name: str) -> list[Any]:
        """Return the lines of a file of lines."""
        try:
            with open(self.path(name)) as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    @property
    def warning(self) -> int:
        """The signal that asks an element to end."""
        return WARNINGS.get(self.control["system"], signal.SIGTERM)

    def now(self) -> float:
        """Return the scheduler's own time, which a test may shift."""
        return time.time() + float(self.control["clock_offset_s"])

    def add(self, job: Job, script: str, environment: dict[str, str], cwd: str) -> str:
        """Take a job into the queue; return its id."""
        native_id = str(self.next_id)
        self.next_id += 1
        job |= {"id": native_id, "submitted": self.now(), "next": job["first"], "again": [], "states": {}}
        held = next((why for part, why in self.control["holds"].items() if part in job["name"]), "")
        job["held"] = job.get("held") or held
        self.jobs[native_id] = job
        self.changed = True
        if job.get("is_foreign"):
            return native_id  # it never runs
        self.write(f"jobs/{native_id}.json", {"environment": environment, "cwd": cwd})
        self.write_text(f"jobs/{native_id}.script", script)
        return native_id

    def waiting(self, job: Job) -> Iterator[int]:
        """Yield the positions of a job that wait."""
        states = job["states"]
        if not states:
            yield from range(job["first"], job["last"] + 1)
            return
        for position in range(job["first"], job["last"] + 1):
            if str(position) not in states:
                yield position

    def known(self, job: Job) -> Iterator[tuple[int, ElementState]]:
        """Yield the elements of a job that run or have ended, but not what is gone from the queue."""
        for position, element in job["states"].items():
            if element["state"] != "gone":
                yield int(position), element

    def end(
        self, job: Job, position: int, ending: str, code: int = 0, by_signal: int = 0, reason: str = ""
    ) -> None:
        """Note that an element has ended, in the queue and in the accounts."""
        element = job["states"].setdefault(str(position), {"host": "", "start": self.now()})
        if element.get("state") == "running" and not element.get("reaped"):
            job.setdefault("escaped", []).append([element["pid"], element["born"]])
        element |= {
            "state": "ended",
            "ending": ending,
            "code": code,
            "signal": by_signal,
            "reason": reason,
            "end": self.now(),
        }
        facts = {key: job[key] for key in ("id", "name", "user", "is_array", "queue")}
        self.append("accounts.jsonl", {**facts, "position": position, **element})
        self.changed = True

    def forget(self, job: Job, position: int) -> None:
        """Let an element be in no listing any more."""
        element = job["states"].setdefault(str(position), {"host": "", "start": 0})
        if element.get("state") == "running":
            job.setdefault("escaped", []).append([element["pid"], element["born"]])
        element["state"] = "gone"
        self.changed = True

    def cancel(self, job: Job, position: int) -> None:
        """End an element: at once if it waits, with SIGTERM and later SIGKILL if it runs."""
        element = job["states"].get(str(position))
        if element is None:
            self.end(job, position, "cancelled")
        elif element["state"] == "running" and "cancelled" not in element:
            element["cancelled"] = time.time()
            send(element["pid"], element["born"], self.warning)
            self.changed = True

    def accounts(self) -> list[Any]:
        """Return what accounting knows by now."""
        known_s = self.now() - float(self.control["accounting_delay_s"])
        return [entry for entry in self.lines("accounts.jsonl") if entry["end"] <= known_s]

    def poke(self) -> None:
        """Wake the runner; start one if there is none."""
        try:
            pipe = os.open(self.path("poke"), os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.py")
            subprocess.Popen(
                [sys.executable, "-IS", program, self.directory, "runner"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=open(self.path("runner.log"), "a"),
                start_new_session=True,
                cwd="/",
            )
            return
        try:
            os.write(pipe, b"x")
        except OSError:
            pass  # full: it is awake
        os.close(pipe)


def born(pid: int) -> str:
    """Return when a process started, by which it is told from a later one of its pid; "": it is not there."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            words = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] == "Z" else words[19]


def send(pid: int, since: str, number: int) -> None:
    """Send a signal to the processes of an element, if they are still those."""
    if since and born(pid) == since:
        try:
            os.killpg(pid, number)
        except OSError:
            pass
