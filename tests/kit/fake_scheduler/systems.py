"""The batch systems that the fake scheduler can be: the programs of each, and what each tells a script about itself."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from kit.fake_scheduler.queue_directory import ElementState, Job, QueueDirectory

Answer = tuple[str, str, int]
"""What a command prints, what it prints as an error, and its exit code."""
Program = Callable[[QueueDirectory, list[str]], Answer]

MODULES = {
    "slurm": "slurm_commands",
    "sge": "sge_commands",
    "pbs": "pbs_commands",
    "torque": "torque_commands",
    "moab": "torque_commands",
    "lsf": "lsf_commands",
    "flux": "flux_commands",
    "cobalt": "cobalt_commands",
}
"""System → the file with `PROGRAMS` (name → Program), `WORDS` (kind of refusal → text) and `variables` (job, position → environment).

Positions count from 0 in the queue, whatever a system prints.
"""


def commands(system: str) -> Any:
    """Return the module of a system."""
    return import_module(f"kit.fake_scheduler.{MODULES[system]}")


def variables(system: str, job: Job, position: int) -> dict[str, str]:
    """Return what a script finds in its environment."""
    found: dict[str, str] = commands(system).variables(job, position)
    return found


def lacking(queue: QueueDirectory, name: str, elements: int, cores: int, memory_mb: int) -> str:
    """Return what of a request the site does not have: "queue", "array", "cores" or "memory"; "": nothing."""
    if name and name not in queue.control["queues"]:
        return "queue"
    if elements > int(queue.control["max_array"]):
        return "array"
    if cores > int(queue.control["max_cores"]):
        return "cores"
    return "memory" if memory_mb > int(queue.control["max_memory_mb"]) else ""


def submitted(
    queue: QueueDirectory, /, script: str, name: str, elements: int = 1, cwd: str = "", **facts: Any
) -> str:
    """Take a job into the queue; return its id. `script` is text; `facts` are keys of `queue_directory.Job`."""
    job = {
        "name": name, "user": pwd.getpwuid(os.getuid()).pw_name, "first": 0, "last": elements - 1, "is_array": elements > 1, "held": "",
        "queue": queue.control["queues"][0], "cores": 1, "limit_s": 0, "grace_s": 0, "output": "", "comment": "",
    }  # fmt: skip
    return queue.add(job | facts, script, dict(os.environ), cwd or os.getcwd())


def of_user(queue: QueueDirectory, user: str) -> Iterator[Job]:
    """Yield the jobs of a user."""
    return (job for job in queue.jobs.values() if job["user"] == user)


def elements(queue: QueueDirectory, job: Job) -> Iterator[tuple[int, ElementState | None]]:
    """Yield all elements of a job that are in the queue; None is the state of one that waits."""
    yield from queue.known(job)
    for position in queue.waiting(job):
        yield position, None


def numbers(text: str) -> Iterator[int]:
    """Yield the numbers in a list such as `0-3,7,9-11:1`."""
    for part in text.split(","):
        first, _, last = part.partition(":")[0].partition("-")
        yield from range(int(first), int(last or first) + 1)


class Usage(Exception):
    """A command was called with options that it does not have."""


def options(argv: list[str], flags: set[str], valued: set[str]) -> tuple[dict[str, str], list[str]]:
    """Return the options and the other words of a command line; `--name=value`, `-n value` and `-nvalue` alike.

    Raises:
        Usage: an option is not known, or has no value.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word in flags:
            found[word] = ""
        elif equals and name in valued and name.startswith("--"):
            found[name] = value
        elif word in valued:
            taken = next(words, None)
            if taken is None:
                raise Usage(word)
            found[word] = f"{found[word]},{taken}" if word == "-l" and word in found else taken
        elif word.startswith("-") and word != "-":
            raise Usage(word)
        else:
            rest = [word, *words]
            break
    return found, rest
