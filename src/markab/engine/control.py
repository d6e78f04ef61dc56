"""Requests that a running engine stop, as files in `control/`: they work over NFS and need no open port."""

from __future__ import annotations

import os
import time
from pathlib import Path

from markab.errors import NotARun, RunBusy, StorageError
from markab.journal.lock import RunLock, holder
from markab.journal.records import Remove, RunEnd, decode
from markab.journal.writer import Journal
from markab.plan.submit_dir import SubmitDir

HALT = "halt"
REMOVE = "remove"


def engine_pid(submit_dir: Path) -> int | None:
    """Return the pid of the engine that runs this submit directory, or None when none does."""
    return holder(SubmitDir(submit_dir).lock)


def request_halt(submit_dir: Path) -> bool:
    """Request that the engine start nothing new; running jobs finish. Return False when no engine is running.

    Raises:
        NotARun: no submit directory.
        StorageError: the request cannot be written.
    """
    _check(submit_dir)
    if engine_pid(submit_dir) is None:
        return False
    _leave(submit_dir, HALT)
    return True


def request_remove(submit_dir: Path) -> bool:
    """Request that the engine end what runs, and itself. Return False when no engine is running.

    Then the journal itself is marked, so that every reader sees the run as removed;
    not that of a run that has succeeded, of which nothing is left to remove.
    Either way the run can be continued by running it again.

    Raises:
        NotARun: no submit directory.
        StorageError: the request cannot be written.
        CorruptJournal: no engine, and the journal is damaged.
    """
    _check(submit_dir)
    if engine_pid(submit_dir) is None:
        try:
            with RunLock(SubmitDir(submit_dir).lock):
                _mark_removed(submit_dir)
            return False
        except RunBusy:  # one has just started
            pass
    _leave(submit_dir, REMOVE)
    return True


class Requests:
    """The requests that wait for the engine of one run."""

    def __init__(self, submit_dir: Path) -> None:
        self._directory = SubmitDir(submit_dir).control

    def take(self) -> str | None:
        """Return the request that waits, the stronger if there are two, and delete it: the engine acts on it now."""
        try:
            names = os.listdir(self._directory)
        except (FileNotFoundError, NotADirectoryError):
            return None
        request = REMOVE if REMOVE in names else HALT if HALT in names else None
        if request is not None:
            self.clear()
        return request

    def clear(self) -> None:
        """Delete requests: they were meant for an engine that has ended.

        Raises:
            StorageError: they cannot be deleted; they would end the next engine.
        """
        for name in (HALT, REMOVE):
            path = self._directory / name
            try:
                path.unlink(missing_ok=True)
            except NotADirectoryError:
                return  # it is a file, and so has no requests
            except OSError as error:
                raise StorageError(
                    f"cannot delete the request {str(path)!r}: {error.strerror}", hint="delete it yourself"
                ) from error


def _check(submit_dir: Path) -> None:
    if not SubmitDir(submit_dir).plan.exists():
        raise NotARun(
            f"{str(submit_dir)!r} is not a submit directory",
            hint="name the directory that `markab plan` printed, such as …/run0001",
        )


def _leave(submit_dir: Path, name: str) -> None:
    directory = SubmitDir(submit_dir).control
    try:
        directory.mkdir(exist_ok=True)
        (directory / name).touch()
    except OSError as error:
        raise StorageError(f"cannot write {str(directory / name)!r}: {error.strerror}") from error


def _mark_removed(submit_dir: Path) -> None:
    """Mark a run as removed; not one that was never started, or has succeeded."""
    from markab.journal.progress import mark_outcome

    if not SubmitDir(submit_dir).journal.exists():
        return
    last = b""

    def keep(body: bytes) -> None:
        nonlocal last
        last = body

    journal = Journal.open(SubmitDir(submit_dir).journal, keep)
    try:
        ending = decode(last) if last else None
        if isinstance(ending, RunEnd) and ending.outcome == "success":
            return
        when = ending.time if ending is not None else time.time()  # no engine was at work any longer
        journal.append(Remove(when))
        journal.append(RunEnd(when, "removed"))
        journal.sync()
    finally:
        journal.close()
    mark_outcome(SubmitDir(submit_dir).status, "removed")
