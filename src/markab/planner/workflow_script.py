"""Running a script that builds a workflow: what it wrote, or would have planned, is planned by the caller.

The script is run as `python SCRIPT WORDS` would run it: by the same Python, in the current directory.
"""

from __future__ import annotations

import ast
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from markab.errors import DocumentError, Problem, StorageError
from markab.formatting import shown_path
from markab.planner.options import PlanOptions, options_from_keywords
from markab.planner.script_call import ScriptCall
from markab.spec.script_messages import (
    VARIABLE,
    Call,
    Declared,
    Given,
    Message,
    PlanCalled,
    Written,
    WrongParameters,
    as_text,
    open_channel,
    received,
)

STDERR = 2


@dataclass(frozen=True, slots=True)
class BuiltWorkflow:
    """What a script built."""

    document: Path
    directory: Path
    """Where the script was when it called `plan`; else the current one."""
    keywords: dict[str, Any] = field(default_factory=dict)
    """Those of its call of `plan`; none if it only wrote the document."""
    parameters: dict[str, str] = field(default_factory=dict)
    """The values of all its parameters, as text."""


def run_script(script: Path, given: Sequence[Given] = (), words: Sequence[str] = ()) -> PlanOptions:
    """Run a script, and return the options with which to plan what it built.

    What it prints goes to stderr, with the traceback of its error.

    Args:
        given: values for the parameters that it declares with `markab.api.parameters`; later ones win.
        words: its arguments, for `sys.argv`.

    Raises:
        DocumentError: it failed, built no workflow or several, or the parameters do not fit.
        StorageError: there is no such file, or no temporary file can be made.
    """
    built = built_workflow(script, given, _run(script, given, words))
    options = options_from_keywords(built.document, built.keywords, built.directory)
    options.script = script_call(script, given, words, built)
    return options


def _run(script: Path, given: Sequence[Given], words: Sequence[str]) -> list[Message]:
    """Run a script; return what it told. Raises as `run_script`."""
    if not script.is_file():
        raise StorageError(f"there is no file {str(script)!r}", "check the name of the script")
    try:
        channel = tempfile.TemporaryFile("a+b")
    except OSError as error:
        raise StorageError(f"cannot make a temporary file: {error.strerror}", "set TMPDIR") from error
    with channel:
        value = open_channel(channel, Call(str(script), list(given)))
        path = f"./{script}" if str(script).startswith("-") else str(script)
        done = subprocess.run(
            [sys.executable, path, *words],
            stdout=STDERR,
            env={**os.environ, VARIABLE: value},
            pass_fds=[channel.fileno()],
            check=False,
        )
        messages = received(channel)
    if wrong := [each for one in messages if isinstance(one, WrongParameters) for each in one.problems]:
        raise DocumentError(*(Problem(*each, kind="parameter") for each in wrong))
    if done.returncode:
        raise DocumentError(_failure(script, done.returncode, given))
    return messages


def built_workflow(script: Path, given: Sequence[Given], messages: Sequence[Message]) -> BuiltWorkflow:
    """Return what a script built that has ended well. Pure.

    It is what the script called `plan` for; else the one workflow that it wrote, sub-workflows left out.

    Raises:
        DocumentError: it built none or several, or declares no parameters and some were given.
    """
    declared = [message for message in messages if isinstance(message, Declared)]
    if given and not declared:
        raise DocumentError(_without_parameters(script, given[0]))
    values = {name: value for one in declared for name, value in one.values.items()}
    for message in messages:
        if isinstance(message, PlanCalled):
            return BuiltWorkflow(Path(message.path), Path(message.directory), message.keywords, values)
    written = [message for message in messages if isinstance(message, Written)]
    children = {path for one in written for path in one.children}
    last = {one.workflow: one.path for one in written if one.path is not None}
    paths = [path for path in last.values() if path not in children]
    if len(paths) != 1:
        raise DocumentError(_not_one(script, paths, bool(written)))
    return BuiltWorkflow(Path(paths[0]), Path.cwd(), {}, values)


def parameter_names(script: Path) -> dict[str, str]:
    """Return the parameters that a script declares, with their defaults as they stand there; it is read, and not run.

    Raises:
        OSError: it cannot be read.
        SyntaxError, ValueError: it is no Python.
    """
    calls = (node for node in ast.walk(ast.parse(script.read_bytes())) if isinstance(node, ast.Call))
    named = (
        call
        for call in calls
        if "parameters" in (getattr(call.func, "id", ""), getattr(call.func, "attr", ""))
    )
    return {word.arg: ast.unparse(word.value) for call in named for word in call.keywords if word.arg}


def script_call(
    script: Path, given: Sequence[Given], words: Sequence[str], built: BuiltWorkflow
) -> ScriptCall:
    """Return what is recorded of the call of a script. Pure."""
    moved = built.directory != Path.cwd()
    files = [script, *(Path(name) for name in dict.fromkeys(one.file for one in given) if name)]
    if moved:
        files = [path.absolute() for path in files]
    options = [word for path in files[1:] for word in ("--set-file", str(path))]
    options += [
        word for one in given if not one.file for word in ("--set", f"{one.name}={as_text(one.value)}")
    ]
    behind = ["--", *words] if words else []
    return ScriptCall((*options, str(files[0]), *behind), tuple(files), built.parameters, shlex.join(words))


def _typed(given: Given) -> str:
    """Return a parameter as it was typed, or with the place where it stands."""
    text = quote(f"{given.name}={as_text(given.value)}")
    return f"{text} ({given.origin})" if given.file else f"{given.origin} {text}"


def _failure(script: Path, code: int, given: Sequence[Given]) -> Problem:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    if given:
        how += f", given {', '.join(map(_typed, given))}"
    elsewhere = script.resolve().parent
    hint = "its own message stands above; nothing was planned"
    if elsewhere != Path.cwd():
        hint += f"; it was run in the current directory: if it reads files beside it, `cd {shown_path(elsewhere)}` first"
    return Problem(f"the script {how}", hint, str(script), kind="script-failed")


def _without_parameters(script: Path, given: Given) -> Problem:
    return Problem(
        f"the script has no parameter {given.name!r} ({given.origin}): it does not call markab.api.parameters",
        f"words for its own command line stand behind `--`: markab run {quote(str(script))} -- "
        f"--{given.name} {quote(given.value if isinstance(given.value, str) else ' '.join(given.value))}",
        str(script),
        kind="parameter",
    )


def _not_one(script: Path, paths: Sequence[str], has_written: bool) -> Problem:
    if paths:
        names = ", ".join(shown_path(Path(path)) for path in paths)
        return Problem(
            f"the script writes {len(paths)} workflows: {names}",
            f"choose one: markab run {shown_path(Path(paths[0]))}",
            str(script),
            kind="script-workflows",
        )
    if has_written:
        return Problem(
            "the script writes its workflow to a stream, not to a file",
            "let it write the file: workflow.write()",
            str(script),
            kind="script-workflows",
        )
    return Problem(
        "the script writes no workflow",
        "let it end with workflow.write(), of a Workflow of Pegasus.api or markab.api",
        str(script),
        kind="script-workflows",
    )
