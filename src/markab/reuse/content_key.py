"""The key of a job: a sha256 over all that makes its outputs. What counts, and what does not, is decided here. Pure.

Counts: the command line of each task as it is written, with lfns and never paths; the lfns of its streams;
the environment that catalogs, workflow and properties declare for it; the program (see `RecipeProgram`); container and software environment;
the names of its outputs; the texts by which its exit is judged; the name and the sha256 of each input, and
whether it is executable. Staged programs are inputs.

Does not count: site, resources, priority, retries, labels, metadata, paths, times, and
the environment of the engine, which no document declares.

The key is made in two steps, because contents of inputs may not be known before the jobs that make them have
run: the recipe is a sha256 over everything else, the key one over the recipe and the inputs. Each
is taken over JSON without blanks, keys sorted, with `FORMAT` in front.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Literal

import msgspec

FORMAT = 1
"""Raised when something counts that did not, or the encoding changes: nothing of an earlier format is found any more."""

_encode = msgspec.json.Encoder(order="deterministic").encode

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z_0-9]*)")


class RecipeProgram(msgspec.Struct, frozen=True, array_like=True):
    """What a task runs."""

    how: Literal["staged", "installed", "declared"]
    """An input of the job; a file of this machine; or a program of another site, which its catalog declares."""
    name: str
    """The name by which it is called: programs such as `busybox` do something else by another. If declared, with namespace and version; in a container, its path there."""
    sha256: str = ""
    """Of the file behind all links; if installed."""


class TaskRecipe(msgspec.Struct, frozen=True, array_like=True):
    """One process of a job."""

    program: RecipeProgram
    arguments: str
    stdin: str | None
    stdout: str | None
    stderr: str | None
    env: Mapping[str, str]
    container: str = ""
    environment: str = ""


class Recipe(msgspec.Struct, frozen=True, array_like=True):
    """All that makes the outputs of a job, but for the contents of its inputs."""

    tasks: list[TaskRecipe]
    outputs: list[str]
    executables: list[str]
    """Those of its inputs that are made executable."""
    success_messages: list[str] = []
    failure_messages: list[str] = []


def recipe_digest(recipe: Recipe) -> str:
    """Return the sha256 of a recipe, in hex."""
    return sha256(_encode([FORMAT, recipe])).hexdigest()


def content_key(recipe: str, inputs: Iterable[tuple[str, str]]) -> str:
    """Return the key of a job: of the digest of its recipe, and of (lfn, sha256 in hex) of each of its inputs."""
    return sha256(_encode([FORMAT, recipe, sorted(inputs)])).hexdigest()


def undeclared_variables(text: str, env: Collection[str]) -> list[str]:
    """Return the variables in a command line that the environment declared for its task does not have."""
    if "$" not in text:
        return []
    return sorted({name for name in _VARIABLE.findall(text) if name not in env})
