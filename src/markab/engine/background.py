"""Starting an engine in the background."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from markab.engine.control import engine_pid
from markab.errors import INTERRUPTED, RUN_EXIT_CODES, MarkabError, RunBusy, StorageError
from markab.plan.submit_dir import SubmitDir

COMMAND = (sys.executable, "-m", "markab", "run")
PATIENCE_S = 60.0
LOOK_EVERY_S = 0.02

_ENDED_AS_A_RUN = frozenset(RUN_EXIT_CODES.values()) - {INTERRUPTED}
"""Exit codes of an engine that did start, and ended before its lock was seen."""

_children: list[subprocess.Popen[bytes]] = []
"""Kept, because Python warns when the object of a process that still runs is deleted."""


def start(submit_dir: Path, arguments: Sequence[str] = (), *, command: Sequence[str] = COMMAND) -> int:
    """Run `markab run submit_dir arguments…` in the background; return its pid once it has the run's lock.

    It has a session of its own, so it outlives the terminal; its output goes to `run.log`.

    Raises:
        RunBusy: another engine runs it.
        StorageError: `run.log` cannot be written.
        MarkabError: it ended before it could start; the error has its message and exit code.
    """
    directory = SubmitDir(Path(submit_dir).resolve())
    if (busy := engine_pid(directory.path)) is not None:
        quoted = shlex.quote(str(submit_dir))
        raise RunBusy(
            f"{str(submit_dir)!r} is being run by process {busy}",
            hint=f"watch it with `markab status {quoted}`, or stop it with `markab remove {quoted}`",
        )
    try:
        log = open(directory.log, "ab")
    except OSError as error:
        raise StorageError(f"cannot write {str(directory.log)!r}: {error.strerror}") from error
    with log:
        bytes_before = log.tell()
        child = subprocess.Popen(
            [*command, str(directory.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[:] = [other for other in _children if other.poll() is None]
    _children.append(child)
    give_up_s = time.monotonic() + PATIENCE_S
    while child.poll() is None:
        if engine_pid(directory.path) == child.pid:
            return child.pid
        if time.monotonic() > give_up_s:
            child.terminate()
            raise MarkabError(
                f"the engine did not start within {PATIENCE_S:g} s", hint=f"see {str(directory.log)!r}"
            )
        time.sleep(LOOK_EVERY_S)
    if child.returncode in _ENDED_AS_A_RUN:
        return child.pid
    raise _reported_error(directory.log, bytes_before, child.returncode)


def _reported_error(log: Path, start: int, exit_code: int) -> MarkabError:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").splitlines()
    hints = [line.strip().removeprefix("hint: ") for line in lines if line.strip().startswith("hint: ")]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    message = (
        errors[-1] if errors else "\n".join(lines[-5:]) or f"the engine ended with exit code {exit_code}"
    )
    kind = next((kind for kind in _subclasses(MarkabError) if kind.exit_code == exit_code), MarkabError)
    return kind(message, hints[-1] if hints else f"see {str(log)!r}")


def _subclasses(kind: type[MarkabError]) -> Iterator[type[MarkabError]]:
    """Yield the errors that are made of a message and a hint only."""
    for child in kind.__subclasses__():
        if child.__init__ is MarkabError.__init__:
            yield child
        yield from _subclasses(child)
