"""Which part of a command the worker names when the system refuses it as too long."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any, cast

from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared
from markab.worker.invocation import Process, record_failed_start
from markab.worker.task_order import InSequence


def refused(
    arguments: str = "", own: dict[str, str] | None = None, inherited: dict[str, str] | None = None
) -> tuple[str, str]:
    """Return message and hint after the system refused to start this."""
    task = {"id": "a", "executable": "/bin/true", "arguments": arguments, "env": own or {}}
    prepared: Any = SimpleNamespace(
        cwd="/work",
        base_environ=inherited or {},
        environ={},
        directory=object(),
        invocations=[],
        errors=[],
        containers={},
    )
    prepared.order = InSequence([task])
    process = Process(prepared.order.take()[0], prepared)
    record_failed_start(cast(Prepared, prepared), process, OSError(errno.E2BIG, "Argument list too long"))
    (error,) = prepared.errors
    assert error.kind == ErrorKind.ARGUMENTS
    return error.message, error.hint


def test_one_variable_is_named_with_its_length() -> None:
    assert refused("-n 1", {"BIG": "x" * 140_000}, {"HOME": "/"}) == (
        "environment variable 'BIG' of task 'a' is too long for this system: 140004 bytes of at most 131071",
        "write the value of BIG into a file that the task reads",
    )


def test_a_variable_that_the_engine_passes_on_has_another_remedy() -> None:
    message, hint = refused("-n 1", {"SMALL": "1"}, {"BIG": "é" * 70_000})
    assert message.startswith("environment variable 'BIG' of task 'a' is too long") and "140004" in message
    assert "`unset BIG` before `markab run`" in hint


def test_many_variables_are_counted_and_the_longest_is_named() -> None:
    message, hint = refused("-n 1", {"A": "x" * 10, "B": "x" * 100_000}, {"C": "x" * 1000})
    assert message == (
        "the environment of task 'a' is too long for this system: 101019 bytes in 3 variables,"
        " of which 'B' has 100002"
    )
    assert "value of B" in hint


def test_longer_arguments_are_what_is_too_long() -> None:
    assert refused("word " * 10, {"A": "x"})[0] == (
        "the arguments of task 'a' are too long for this system: 60 bytes"
    )
