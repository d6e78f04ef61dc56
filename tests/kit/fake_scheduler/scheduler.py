"""A batch system of a test's own, which runs scripts, and fails as the test asks.

    with fake_scheduler(tmp_path / "site", "slurm") as site:
        run(["sbatch", ...], env=site.environment())      # or monkeypatch.setenv("PATH", site.search_path)
        site.fails("squeue", "half")
        site.lose_nodes("mk-1")

`program.py` tells what a command can be made to do wrong. What concerns jobs is done at once by the methods here. Jobs are named by a part
of their name.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kit.fake_scheduler import program
from kit.fake_scheduler.queue_directory import Job, QueueDirectory, send
from kit.fake_scheduler.systems import commands, submitted
from kit.waiting import is_alive, wait_until


class FakeScheduler:
    """The handle of a test on the scheduler in a directory."""

    def __init__(self, directory: Path, system: str, **control: Any) -> None:
        """Make the directory, with a link for each command. `control`: see `queue_directory.DEFAULTS`."""
        self.directory = directory
        self.system = system
        for name in ("bin", "jobs", "exits"):
            (directory / name).mkdir(parents=True)
        self._queue = QueueDirectory(str(directory))
        self._queue.write("control.json", {"system": system} | control)
        words = [sys.executable, "-IS", str(Path(program.__file__)), str(directory)]
        for name in commands(system).PROGRAMS:
            link = directory / "bin" / name
            link.write_text(f'#!/bin/sh\nexec {shlex.join([*words, name])} "$@"\n')
            link.chmod(0o755)

    @property
    def search_path(self) -> str:
        """What PATH must be."""
        return f"{self.directory / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}"

    def environment(self) -> dict[str, str]:
        """Return this process's environment, with the commands first on PATH."""
        return os.environ | {"PATH": self.search_path}

    def set(self, **control: Any) -> None:
        """Change what holds from now on: see `queue_directory.DEFAULTS`."""
        with self._queue.locked():
            self._queue.write("control.json", self._queue.control | control)
        self._queue.poke()

    def fails(self, command: str, mode: str, times: int = 1, skip: int = 0, seconds: float = 0) -> None:
        """Let the next calls of a command fail, after the first `skip`."""
        with self._queue.locked():
            fault = {"program": command, "mode": mode, "times": times, "skip": skip, "seconds": seconds}
            self._queue.write(
                "control.json", self._queue.control | {"faults": [*self._queue.control["faults"], fault]}
            )

    def works(self) -> None:
        """Take back all faults of commands."""
        self.set(faults=[])

    def calls(self, command: str = "") -> list[list[str]]:
        """Return the command lines so far, of all commands or of one."""
        return [
            call["argv"]
            for call in self._queue.lines("calls.jsonl")
            if not command or call["argv"][0] == command
        ]

    def add_waiting(self, name: str, elements: int, user: str, reason: str = "") -> str:
        """Put a job into the queue that never runs, such as one of another user; return its id."""
        return self.add_waiting_jobs([name], elements, user, reason)[0]

    def add_waiting_jobs(self, names: Sequence[str], elements: int, user: str, reason: str = "") -> list[str]:
        """Put jobs that never run into the queue, all at once; return their ids."""
        with self._queue.locked():
            return [
                submitted(
                    self._queue,
                    "exit 1\n",
                    name,
                    elements,
                    "/",
                    user=user,
                    is_foreign=True,
                    is_array=elements > 1,
                    reason=reason,
                )
                for name in names
            ]

    def jump_clock(self, seconds: float) -> None:
        """Let the scheduler's clock be off by so much from now on."""
        self.set(clock_offset_s=seconds)

    def reuse_ids(self, next_id: int = 1) -> None:
        """Give ids again that were given before, to jobs to come; what has one of them is forgotten."""
        with self._queue.locked():
            self._queue.next_id = next_id
            for native_id, job in list(self._queue.jobs.items()):
                if int(native_id) >= next_id:
                    self._escape(job)
                    del self._queue.jobs[native_id]
            self._queue.changed = True

    def hold(self, name: str, reason: str = "JobHeldUser") -> None:
        """Hold jobs, those to come included."""
        self.set(holds=self._control("holds") | {name: reason})
        for job in self._jobs(name):
            job["held"] = reason

    def release(self, name: str) -> None:
        """Let held jobs go on."""
        self.set(holds={part: why for part, why in self._control("holds").items() if part != name})
        for job in self._jobs(name):
            job["held"] = ""
        self._queue.poke()

    def vanish(self, name: str, process_goes_on: bool = False) -> None:
        """Let elements that wait or run be unknown to the scheduler from now on; nothing is said of their end."""
        for job in self._jobs(name):
            if not process_goes_on:
                self._signal(job, signal.SIGKILL)
            for position in range(job["first"], job["last"] + 1):
                if job["states"].get(str(position), {}).get("state") != "ended":
                    self._queue.forget(job, position)
            job["next"], job["again"] = job["last"] + 1, []

    def lose_nodes(self, name: str, ending: str = "node-lost") -> None:
        """Let the scheduler report the nodes of running elements as lost, while the processes go on."""
        for job in self._jobs(name):
            for position, element in list(self._queue.known(job)):
                if element["state"] == "running":
                    self._queue.end(job, position, ending)

    def evict(self, name: str) -> None:
        """End the processes of running elements and put these into the queue again."""
        for job in self._jobs(name):
            self._signal(job, signal.SIGKILL)
            for position, element in list(self._queue.known(job)):
                if element["state"] == "running":
                    del job["states"][str(position)]
                    job["again"].append(position)
        self._queue.poke()

    def forget_ended(self, name: str = "") -> None:
        """Let ended elements leave the queue, as after MinJobAge."""
        for job in self._jobs(name):
            for position, element in list(self._queue.known(job)):
                if element["state"] == "ended":
                    self._queue.forget(job, position)

    def count(self, state: str, name: str = "") -> int:
        """Return how many elements are "waiting", "running" or "ended"."""
        return sum(
            sum(1 for _ in self._queue.waiting(job))
            if state == "waiting"
            else sum(element["state"] == state for _, element in self._queue.known(job))
            for job in self._jobs(name)
        )

    def pids(self, name: str = "") -> list[int]:
        """Return the process groups of running elements, and of those that outlived what is known of them."""
        found = []
        for job in self._jobs(name):
            found += [
                element["pid"] for _, element in self._queue.known(job) if element["state"] == "running"
            ]
            found += [pid for pid, _ in job.get("escaped", [])]
        return found

    def kill_runner(self) -> None:
        """End the runner with SIGKILL, as a controller that crashes; the scripts go on. The next call of a command that changes something starts another."""
        pid = self._queue.read("runner.pid", 0)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), what="the end of the runner")

    def close(self) -> None:
        """End the runner and all processes of jobs."""
        (self.directory / "stop").touch()
        self._queue.poke()
        with open(self.directory / "runner.lock", "a") as lock:
            wait_until(lambda: _is_free(lock), what="the end of the runner")
            with self._queue.locked():
                for job in self._queue.jobs.values():
                    self._signal(job, signal.SIGKILL)
                    self._escape(job)
            for pid, since in self._queue.lines("escaped.jsonl"):
                send(pid, since, signal.SIGKILL)

    def _control(self, key: str) -> Any:
        with self._queue.locked():
            return self._queue.control[key]

    def _jobs(self, name: str) -> Iterator[Job]:
        """Yield the jobs with a part in their name, under the lock; what is changed in them is written."""
        with self._queue.locked():
            yield from [job for job in self._queue.jobs.values() if name in job["name"]]
            self._queue.changed = True

    def _signal(self, job: Job, number: int) -> None:
        for _, element in self._queue.known(job):
            if element["state"] == "running":
                send(element["pid"], element["born"], number)

    def _escape(self, job: Job) -> None:
        """Remember the processes of a job that is removed from the queue."""
        for _, element in self._queue.known(job):
            if element["state"] == "running":
                self._queue.append("escaped.jsonl", [element["pid"], element["born"]])
        for process in job.get("escaped", []):
            self._queue.append("escaped.jsonl", process)


def _is_free(lock: Any) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def fake_scheduler(directory: Path, system: str, **control: Any) -> Iterator[FakeScheduler]:
    """Yield a scheduler; in the end nothing of it runs."""
    made = FakeScheduler(directory, system, **control)
    try:
        yield made
    finally:
        made.close()
