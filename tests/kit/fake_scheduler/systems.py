"""The batch systems that the fake scheduler can be: the programs of each, and what each tells a script about itself."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from kit.fake_scheduler.queue_directory import Job, QueueDirectory

Answer = tuple[str, str, int]
"""What a command prints, what it prints as an error, and its exit code."""
Program = Callable[[QueueDirectory, list[str]], Answer]

MODULES = {
    "slurm": "slurm_commands",
}
"""System → the file with `PROGRAMS` (name → Program), `WORDS` (kind of refusal → text) and `VARIABLES` (job, position → environment)."""


def commands(system: str) -> Any:
    """Return the module of a system."""
    return import_module(f"kit.fake_scheduler.{MODULES[system]}")


def variables(system: str, job: Job, position: int) -> dict[str, str]:
    """Return what a script finds in its environment."""
    found: dict[str, str] = commands(system).variables(job, position)
    return found


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
            found[word] = taken
        elif word.startswith("-") and word != "-":
            raise Usage(word)
        else:
            rest = [word, *words]
            break
    return found, rest
