"""Starting an engine in the background."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from markab.engine.control import engine_pid
from markab.engine.start_report import Accepted, read_start
from markab.errors import MarkabError, RunBusy, StorageError
from markab.plan.submit_dir import SubmitDir


class Started(NamedTuple):
    """An engine that accepted its run."""

    pid: int
    is_complete: bool
    """All jobs had succeeded before: it ends at once."""


COMMAND = (sys.executable, "-m", "markab", "run")

_children: list[subprocess.Popen[bytes]] = []
"""Kept, because Python warns when the object of a process that still runs is deleted."""


def start(submit_dir: Path, arguments: Sequence[str] = (), *, command: Sequence[str] = COMMAND) -> Started:
    """Run `markab run submit_dir arguments…` in the background; return once it has accepted the run.

    It has a session of its own, so it outlives the terminal; its output goes to `run.log`.
    It reports through a pipe, whose descriptor is the value of `--report-start`.

    Raises:
        RunBusy: another engine runs it.
        StorageError: `run.log` cannot be written.
        MarkabError: it refused the run, or ended before it could accept it; the error is that of
            the engine, with its exit code.
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
    ours, theirs = os.pipe()
    with log:
        bytes_before = log.tell()
        try:
            child = subprocess.Popen(
                [*command, str(directory.path), *arguments, "--report-start", str(theirs)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[theirs],
            )
        finally:
            os.close(theirs)
    _children[:] = [other for other in _children if other.poll() is None]
    _children.append(child)
    try:
        report = read_start(ours)
    except BaseException:  # Ctrl-C: it was not started, as far as the user knows
        child.terminate()
        raise
    if isinstance(report, Accepted):
        return Started(child.pid, report.is_complete)
    exit_code = child.wait()
    raise report or _unreported_end(directory.log, bytes_before, exit_code)


def _unreported_end(log: Path, start: int, exit_code: int) -> MarkabError:
    """Return the error for an engine that ended without a report, with the end of what it printed."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").splitlines()
    how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
    error = MarkabError(
        "\n".join([f"the engine {how} before it had started the run", *lines[-5:]]), f"see {str(log)!r}"
    )
    error.exit_code = 128 - exit_code if exit_code < 0 else exit_code or MarkabError.exit_code
    return error
