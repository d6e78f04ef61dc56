"""Writing `jobstate.log`: one line for each change of a job's state.

    <time> INTERNAL *** MONITORD_STARTED ***
    <time> INTERNAL *** DAGMAN_STARTED <pid>.0 ***
    <time> <job> <STATE> <id | exit code> <site> - <submit number>
    <time> INTERNAL *** DAGMAN_FINISHED <exit code> ***
    <time> INTERNAL *** MONITORD_FINISHED 0 ***

Times are whole epoch seconds. The fourth column is the exit code (minus the
signal) in JOB_SUCCESS, JOB_FAILURE, POST_SCRIPT_SUCCESS and POST_SCRIPT_FAILURE,
else the id at the back end: `<submit number>.0`. The submit number counts all
attempts of the run.

The text is a function of the journal alone, so the position in the file need not be
stored: a process that continues the file computes the text from the start, and skips
as many bytes as the file already has.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from markab.errors import StorageError
from markab.journal.attempt_record import AttemptRecord
from markab.journal.reader import JournalReader
from markab.journal.records import (
    AttemptEnd,
    AttemptHeld,
    AttemptReleased,
    AttemptRunning,
    AttemptStart,
    EntryOf,
    RunEnd,
    RunStart,
    decoder,
)
from markab.provenance.stampede_states import (
    EXECUTE,
    HELD,
    RELEASED,
    SUBMIT,
    exit_code,
    exit_status,
    last_states,
)
from markab.transfers.beneath import open_regular

NAME = "jobstate.log"
_LOG_NAMES = {"POST_SCRIPT_FAILED": "POST_SCRIPT_FAILURE"}
"""State in the database → in the log."""
_WITH_EXIT_CODE = ("JOB_SUCCESS", "JOB_FAILURE", "POST_SCRIPT_FAILED")
_WRITE_BYTES = 1 << 20
_decode = decoder(AttemptRecord)


class JobstateLines:
    """Converts records into lines. No I/O."""

    def __init__(self, local_sites: frozenset[str]) -> None:
        """`local_sites` are those whose executor runs an attempt as soon as it gets it."""
        self._local_sites = local_sites
        self._seq = 0
        self._open: dict[int, tuple[str, int, str, bool]] = {}
        """Position → job, submit number, site, whether its start was recorded."""

    def of(self, entry: EntryOf[AttemptRecord]) -> Iterable[str]:
        """Return the lines for the next record."""
        handler = _HANDLERS.get(entry.__class__)
        return handler(self, entry) if handler is not None else ()

    def _run_start(self, it: RunStart) -> Iterable[str]:
        now = int(it.time)
        yield f"{now} INTERNAL *** MONITORD_STARTED ***\n"
        yield f"{now} INTERNAL *** DAGMAN_STARTED {it.pid}.0 ***\n"

    def _run_end(self, it: RunEnd) -> Iterable[str]:
        now, code = int(it.time), 0 if it.outcome == "success" else 1
        yield f"{now} INTERNAL *** DAGMAN_FINISHED {code} ***\n"
        yield f"{now} INTERNAL *** MONITORD_FINISHED 0 ***\n"

    def _start(self, it: AttemptStart) -> Iterable[str]:
        self._seq = seq = self._seq + 1
        at_once = it.site in self._local_sites
        self._open[it.job] = it.id, seq, it.site, at_once
        yield _line(it.time, it.id, SUBMIT, f"{seq}.0", it.site, seq)
        if at_once:
            yield _line(it.time, it.id, EXECUTE, f"{seq}.0", it.site, seq)

    def _running(self, it: AttemptRunning) -> Iterable[str]:
        if (attempt := self._open.get(it.job)) is not None and not attempt[3]:
            name, seq, site, _ = attempt
            self._open[it.job] = name, seq, site, True
            yield _line(it.time, name, EXECUTE, f"{seq}.0", site, seq)

    def _held(self, it: AttemptHeld) -> Iterable[str]:
        return self._hold(it, HELD)

    def _released(self, it: AttemptReleased) -> Iterable[str]:
        return self._hold(it, RELEASED)

    def _hold(self, it: AttemptHeld | AttemptReleased, state: str) -> Iterable[str]:
        if (attempt := self._open.get(it.job)) is not None:
            name, seq, site, _ = attempt
            yield _line(it.time, name, state, f"{seq}.0", site, seq)

    def _end(self, it: AttemptEnd[AttemptRecord]) -> Iterable[str]:
        if (attempt := self._open.pop(it.job, None)) is None:
            return
        name, seq, site, was_running = attempt
        if not was_running and it.record.start is not None:
            yield _line(min(it.record.start, it.time), name, EXECUTE, f"{seq}.0", site, seq)
        states = last_states(it.record)
        for state, _ in states:
            fourth = f"{seq}.0"
            if state in _WITH_EXIT_CODE:
                # JOB_SUCCESS before POST_SCRIPT_FAILED: the process succeeded, and a later check failed.
                is_success = state == "JOB_SUCCESS"
                fourth = "0" if is_success else str(exit_code(exit_status(it.record)))
            yield _line(it.time, name, _LOG_NAMES.get(state, state), fourth, site, seq)


def _line(time: float, job: str, state: str, fourth: str, site: str, seq: int) -> str:
    return f"{int(time)} {job} {state} {fourth} {site or '-'} - {seq}\n"


_HANDLERS: Mapping[type, Callable[[JobstateLines, Any], Iterable[str]]] = {
    RunStart: JobstateLines._run_start,
    RunEnd: JobstateLines._run_end,
    AttemptStart: JobstateLines._start,
    AttemptRunning: JobstateLines._running,
    AttemptHeld: JobstateLines._held,
    AttemptReleased: JobstateLines._released,
    AttemptEnd: JobstateLines._end,
}


class JobstateLog:
    """Keeps the file of one run up to date: call `update` whenever there may be new records.

    It only appends. A file that differs from the text of the journal (the journal was
    cut, or another program wrote to the file) is renamed to `jobstate.log.000`, and a
    new one is begun.
    """

    def __init__(self, submit_dir: Path, local_sites: frozenset[str]) -> None:
        """`local_sites` as in `JobstateLines`."""
        self.path = submit_dir / NAME
        self._journal = submit_dir / "journal.jsonl"
        self._local_sites = local_sites
        self._begin()

    def _begin(self) -> None:
        self._lines = JobstateLines(self._local_sites)
        self._offset = 0
        """Byte of the journal up to which its records are in the file."""
        self._size = 0
        """Bytes of the file, as far as we know it."""

    def update(self) -> None:
        """Append what is new in the journal. Does nothing while another process does the same.

        Raises:
            StorageError: the file cannot be written; a later call continues.
            CorruptJournal: the journal is damaged.
        """
        try:
            with open(self.path, "ab+", buffering=0, opener=open_regular) as file:
                if not _try_lock(file.fileno()):
                    return
                size = file.seek(0, os.SEEK_END)
                if size != self._size:
                    self._begin()
                if self._append(file, size):
                    return
                self.set_aside()
        except OSError as error:
            self._begin()
            raise StorageError(f"cannot write {str(self.path)!r}: {error.strerror}") from error
        self._begin()
        self.update()

    def _append(self, file: io.FileIO, size: int) -> bool:
        """Compare the text with the part of the file that was not read yet, and append the rest; False: it differs."""
        file.seek(self._size)
        for text, offset in self._new_text():
            known = min(len(text), size - self._size)
            if known and _read(file, known) != text[:known]:
                return False
            view = memoryview(text)[known:]
            while view:
                view = view[file.write(view) :]
            self._size += len(text)
            size = max(size, self._size)
            self._offset = offset
        return self._size == size

    def _new_text(self) -> Iterator[tuple[bytes, int]]:
        """Yield pieces of about a megabyte, each with the offset in the journal at which it ends."""
        text, reader = bytearray(), JournalReader(self._journal, self._offset)
        for _, _, body in reader.lines():
            for each in self._lines.of(_decode(body)):
                text += each.encode()
            if len(text) >= _WRITE_BYTES:
                yield bytes(text), reader.offset_bytes
                text = bytearray()
        yield bytes(text), reader.offset_bytes

    def set_aside(self) -> None:
        """Rename the file, so that the next update begins a new one. Raises OSError."""
        number = 0
        while (aside := self.path.with_name(f"{NAME}.{number:03d}")).exists():
            number += 1
        self.path.rename(aside)


def _read(file: io.FileIO, count: int) -> bytes:
    found = b""
    while len(found) < count and (more := file.read(count - len(found))):
        found += more
    return found


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
