"""What a command that runs a workflow script and the API in that script tell each other.

They share a file without a name, whose number and identity the variable `_MARKAB_SCRIPT` of the script has:
a line of JSON each, the first from the command (a `Call`), the others from the script. Every script that builds a
workflow imports this file, so it imports little.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

VARIABLE = "_MARKAB_SCRIPT"


class Given(NamedTuple):
    """A parameter that the user gave."""

    name: str
    value: str | list[str]
    """As text; the script knows the type."""
    origin: str
    """`--set`, or file and line."""
    file: str = ""
    """In which it stands; empty: it was typed, or read from standard input."""


class Call(NamedTuple):
    """What the user typed."""

    script: str
    """The path, as it was typed."""
    given: Sequence[Given]


class Declared(NamedTuple):
    """The script called `parameters`; nothing was wrong with what the user gave."""

    values: dict[str, str]
    """All parameters, as text."""


class WrongParameters(NamedTuple):
    """The script called `parameters`, and what the user gave does not fit; the script has ended."""

    problems: Sequence[tuple[str, str, str, int]]
    """Message, hint, file and line of each."""


class Written(NamedTuple):
    """The script wrote a workflow."""

    workflow: int
    """The same number for the same object."""
    path: str | None
    """Absolute; None: to a stream."""
    children: Sequence[str]
    """Paths of the documents of its sub-workflows, which were written with it."""


class PlanCalled(NamedTuple):
    """The script called `plan`, and has ended there."""

    path: str
    """The document, which is written."""
    directory: str
    """The current one of the script."""
    keywords: dict[str, Any]


Message = Declared | WrongParameters | Written | PlanCalled
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Declared, WrongParameters, Written, PlanCalled)
}


class Channel(NamedTuple):
    """The shared file, as the script has it."""

    number: int
    call: Call

    @classmethod
    def of_variable(cls, value: str) -> Channel | None:
        """Return the channel that the variable names; None if this process has not that file."""
        import json

        try:
            number, *identity = map(int, value.split(":"))
            found = os.fstat(number)
        except (ValueError, OSError):
            return None
        if identity != [found.st_dev, found.st_ino]:
            return None
        script, given = json.loads(os.pread(number, found.st_size, 0).partition(b"\n")[0])
        return cls(number, Call(script, [Given(*one) for one in given]))

    def send(self, message: Message) -> None:
        """Tell the command."""
        import json

        line = json.dumps([type(message).__name__, message], default=str)
        os.write(self.number, line.encode() + b"\n")


def open_channel(file: BinaryIO, call: Call) -> str:
    """Write the call into an empty file that is open for appending; return the value of the variable."""
    import json

    file.write(json.dumps(call).encode() + b"\n")
    file.flush()
    found = os.fstat(file.fileno())
    return f"{file.fileno()}:{found.st_dev}:{found.st_ino}"


def received(file: BinaryIO) -> list[Message]:
    """Return what the script told."""
    import json

    file.seek(0)
    return [_KINDS[kind](*fields) for kind, fields in map(json.loads, file.readlines()[1:])]


def as_text(value: object) -> str:
    """Return the value of a parameter as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(as_text, value))
    return str(value)
