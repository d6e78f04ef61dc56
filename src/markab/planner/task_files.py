"""Which files a task reads and makes, and a job that runs several tasks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

import msgspec

from markab.spec.model import Task, Use
from markab.transfers.tree_names import declared_name

_SPLIT = re.compile(r"[\s'\"\\$]")
"""Characters that have a meaning when a command line is split into words."""
_SPLIT_IN_WORDS = re.compile(r"[^\S ]|['\"\\$]")
"""The same without the space, which stands between words."""

_READ = frozenset(("input", "inout", "checkpoint"))
_MADE = frozenset(("output", "inout", "checkpoint"))


def command_line(task: Task) -> str:
    """Return the arguments of a task as one line; one that is the name of a file of the task stays one word."""
    arguments = task.arguments
    line = " ".join(arguments)
    if line.count(" ") < len(arguments) and not _SPLIT_IN_WORDS.search(line):
        return line  # most are of plain words
    lfns = {declared_name(use.lfn) for use in task.uses}
    return " ".join(
        shlex.quote(argument) if argument in lfns and _SPLIT.search(argument) else argument
        for argument in arguments
    )


def inputs_of(task: Task) -> list[Use]:
    """Return what a task reads: inputs, checkpoints, and stdin when it is not among the uses."""
    reads = [use for use in task.uses if use.type in _READ]
    stdin = task.stdin
    if stdin is not None and all(use.lfn != stdin for use in reads):
        reads.append(Use(lfn=stdin, type="input"))
    return reads


def outputs_of(task: Task) -> list[Use]:
    """Return what a task makes: outputs, checkpoints, and streams that are not among the uses."""
    makes = [use for use in task.uses if use.type in _MADE]
    if task.stdout is None and task.stderr is None:
        return makes
    names = {use.lfn for use in makes}
    streams = dict.fromkeys((task.stdout, task.stderr))
    makes += [Use(lfn=lfn, type="output") for lfn in streams if lfn is not None and lfn not in names]
    return makes


def files_of_job(files: Iterable[tuple[Sequence[Use], Sequence[Use]]]) -> tuple[list[Use], list[Use]]:
    """Return what a job reads and what it makes that runs several tasks in this order, each file once.

    What an earlier task makes for a later one is not read from outside.

    Args:
        files: by task: what it reads and what it makes.
    """
    reads: dict[str, Use] = {}
    makes: dict[str, Use] = {}
    for inputs, outputs in files:
        for use in inputs:
            lfn = use.lfn
            if lfn not in makes and (before := reads.setdefault(lfn, use)) is not use:
                reads[lfn] = _joined(before, use)
        for use in outputs:
            makes[use.lfn] = use
    return list(reads.values()), list(makes.values())


def _joined(first: Use, second: Use) -> Use:
    """Return the use of a file that two tasks of a job read: it is required if either task requires it."""
    if first == second:
        return first
    return msgspec.structs.replace(
        first,
        optional=first.optional and second.optional,
        bypass=first.bypass and second.bypass,
        executable=first.executable or second.executable,
        metadata=first.metadata | second.metadata,
    )
