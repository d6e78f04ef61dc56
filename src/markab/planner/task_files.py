"""Which files a task reads and makes, and a job that runs several tasks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from markab.spec.model import Task, Use
from markab.transfers.tree_names import declared_name

_SPLIT = re.compile(r"[\s'\"\\$]")
"""Characters that have a meaning when a command line is split into words."""


def command_line(task: Task) -> str:
    """Return the arguments of a task as one line; one that is the name of a file of the task stays one word."""
    arguments = task.arguments
    if any(_SPLIT.search(argument) for argument in arguments):
        lfns = {declared_name(use.lfn) for use in task.uses}
        arguments = [
            shlex.quote(argument) if argument in lfns and _SPLIT.search(argument) else argument
            for argument in arguments
        ]
    return " ".join(arguments)


def inputs_of(task: Task) -> Iterator[Use]:
    """Yield what a task reads: inputs, checkpoints, and stdin when it is not among the uses."""
    stdin = task.stdin
    for use in task.uses:
        if use.type in ("input", "inout", "checkpoint"):
            yield use
            if use.lfn == stdin:
                stdin = None
    if stdin is not None:
        yield Use(lfn=stdin, type="input")


def outputs_of(task: Task) -> Iterator[Use]:
    """Yield what a task makes: outputs, checkpoints, and streams that are not among the uses."""
    streams = [stream for stream in (task.stdout, task.stderr) if stream is not None]
    for use in task.uses:
        if use.type in ("output", "inout", "checkpoint"):
            yield use
            if use.lfn in streams:
                streams.remove(use.lfn)
    for stream in dict.fromkeys(streams):
        yield Use(lfn=stream, type="output")


def inputs_of_job(tasks: Sequence[Task]) -> Iterable[Use]:
    """Return what a job reads that runs these tasks in this order, each file once.

    What an earlier task makes for a later one is not read from outside.
    """
    made: set[str] = set()
    read: dict[str, Use] = {}
    for task in tasks:
        for use in inputs_of(task):
            if use.lfn not in made:
                read[use.lfn] = _joined(read[use.lfn], use) if use.lfn in read else use
        made.update(use.lfn for use in outputs_of(task))
    return read.values()


def outputs_of_job(tasks: Sequence[Task]) -> Iterable[Use]:
    """Return what a job makes that runs these tasks, each file once."""
    return {use.lfn: use for task in tasks for use in outputs_of(task)}.values()


def _joined(first: Use, second: Use) -> Use:
    """Return the use of a file that two tasks of a job read: it is required if either task requires it."""
    return msgspec.structs.replace(
        first,
        optional=first.optional and second.optional,
        bypass=first.bypass and second.bypass,
        executable=first.executable or second.executable,
        metadata=first.metadata | second.metadata,
    )
