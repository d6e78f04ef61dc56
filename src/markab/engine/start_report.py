"""The report of an engine that was started in the background: whether it accepted its run, or the error.

It is one line of JSON on a pipe to the process that started it:

    {}                            every job of the run was accepted, and the journal says that an engine runs it
    {"complete": true}            all jobs of the run had succeeded before: the engine ends at once
    {"kind", "message", "hint"}   the error; `kind` is its class

A pipe that is closed without a line was that of an engine that was killed, or met a bug.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from markab.errors import MarkabError


@contextmanager
def reporting_start(pipe: int | None) -> Iterator[Callable[[bool], None]]:
    """Yield the function that reports acceptance, and whether the run was complete already; an error raised before it is called is reported in its place.

    Args:
        pipe: descriptor of the pipe; None: there is none, and nothing is reported.
    """
    left = [] if pipe is None else [pipe]
    for descriptor in left:
        os.set_inheritable(descriptor, False)  # no process that the engine starts may keep it open

    def report(**facts: object) -> None:
        while left:
            descriptor = left.pop()
            with suppress(OSError):  # the process that started it has ended: nobody waits for the report
                os.write(descriptor, json.dumps(facts).encode() + b"\n")
            os.close(descriptor)

    try:
        yield lambda is_complete: report(**({"complete": True} if is_complete else {}))
    except MarkabError as error:
        report(kind=type(error).__name__, message=error.message, hint=error.hint)
        raise
    finally:
        while left:
            os.close(left.pop())


class Accepted(NamedTuple):
    """The run was accepted."""

    is_complete: bool
    """There is nothing to run."""


def read_start(pipe: int) -> Accepted | MarkabError | None:
    """Wait for the report; return it, the error if the run was refused, or None if there is no report."""
    with os.fdopen(pipe, "rb") as file:
        line = file.readline()
    if not line.endswith(b"\n"):
        return None
    facts = json.loads(line)
    if "kind" in facts:
        return _error(facts["kind"], facts["message"], facts["hint"])
    return Accepted("complete" in facts)


def _error(kind: str, message: str, hint: str) -> MarkabError:
    """Return the error of this class; of a class that is made of other facts, one with its exit code."""
    found = next((one for one in _subclasses(MarkabError) if one.__name__ == kind), MarkabError)
    if found.__init__ is MarkabError.__init__:
        return found(message, hint)
    error = MarkabError(message, hint)
    error.exit_code = found.exit_code
    return error


def _subclasses(kind: type[MarkabError]) -> Iterator[type[MarkabError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)
