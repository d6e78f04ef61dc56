"""Inputs, scripts and programs from outside that were edited after a run had taken them.

The journal has the checksum of every file that the run copied, linked or fetched. Only a file on this
machine that was changed since is read and compared, so this costs a call of `stat` for each of them. A file
of which no checksum is recorded (`pegasus.integrity.checking` is `none`) counts as edited if its time of
modification is later.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from markab.errors import MarkabError, StorageError
from markab.journal.attempt_record import MovedFile, Products
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, EntryOf, Refresh, decoder
from markab.journal.search import beginning
from markab.plan.model import Header
from markab.transfers.base import is_local, path_of
from markab.transfers.checksum import Verified


class _TimedProducts(Products):
    """What an attempt moved, and when it began."""

    start: float | None = None


_decode = decoder(_TimedProducts)
_REFRESH = beginning(Refresh)


class TakenFile(NamedTuple):
    """A file from outside as the run took it."""

    lfn: str
    path: str
    sha256: str
    """"": not known."""
    size_bytes: int | None
    """None: not known."""
    time: float
    """It was read after this time."""


class EditedInput(NamedTuple):
    """A file from outside that is no longer what the run took."""

    lfn: str
    path: str
    old: str
    """The sha256 that the run took; "": not known."""
    new: str
    """The sha256 that it has; "": it was not read, because its size or its time say enough."""


def read_taken_files(journal: Path, header: Header) -> list[TakenFile]:
    """Return the files on this machine that the run took from outside its own directories, each once, as it took them last.

    Raises:
        CorruptJournal: the journal is damaged.
    """
    bodies = JournalReader(journal).bodies()
    entries = (_decode(body) for body in bodies if b'"transfers":[' in body or body.startswith(_REFRESH))
    return taken_files(entries, [site.scratch.path for site in header.sites.values() if site.scratch])


def taken_files(entries: Iterable[EntryOf[_TimedProducts]], own: Iterable[str]) -> list[TakenFile]:
    """Return the files that records say were taken, by transfer or by a refresh; `own` are the directories of the run."""
    inside = tuple(f"{directory.rstrip('/')}/" for directory in own)
    taken: dict[str, TakenFile] = {}
    for entry in entries:
        if isinstance(entry, Refresh):
            for file in entry.files:
                taken[file.lfn] = TakenFile(file.lfn, file.path, file.new, None, entry.time)
        elif isinstance(entry, AttemptEnd):
            for moved in entry.record.transfers:
                path = _path(moved)
                if path and not path.startswith(inside) and not (moved.found and moved.lfn in taken):
                    began = entry.record.start or 0.0
                    taken[moved.lfn] = TakenFile(moved.lfn, path, moved.sha256 or "", _size(moved), began)
    return list(taken.values())


def _path(moved: MovedFile) -> str:
    """Return the path of the source, if it is on this machine."""
    try:
        return path_of(moved.source) if moved.source and is_local(moved.source) else ""
    except MarkabError:
        return ""


def _size(moved: MovedFile) -> int | None:
    return None if moved.link else moved.bytes


def glanced_at(taken: Iterable[TakenFile], compared_bytes: int) -> Iterator[EditedInput]:
    """Yield those that were edited; what cannot be read is none of them, a file larger than `compared_bytes` counts by its time."""
    for file in taken:
        try:
            status = os.stat(file.path)
            if not stat.S_ISREG(status.st_mode) or status.st_ctime <= file.time:
                continue
            if status.st_size > compared_bytes and file.sha256:
                if status.st_mtime > file.time or file.size_bytes not in (None, status.st_size):
                    yield EditedInput(file.lfn, file.path, file.sha256, "")
            elif found := _edited(file, status):
                yield found
        except (OSError, MarkabError):
            continue


def read_again(taken: Iterable[TakenFile]) -> tuple[list[EditedInput], list[TakenFile]]:
    """Return the files that were edited, each with the checksum it has now, and those that are gone.

    Raises:
        StorageError: some cannot be read, or are no files, so that nothing is known of them; names all.
    """
    edited: list[EditedInput] = []
    gone: list[TakenFile] = []
    unread: list[str] = []
    for file in taken:
        try:
            status = os.stat(file.path)
            if not stat.S_ISREG(status.st_mode):
                unread.append(f"{file.path!r} is no regular file any more")
            elif status.st_ctime > file.time and (found := _edited(file, status)):
                edited.append(found)
        except FileNotFoundError:
            gone.append(file)
        except OSError as error:
            unread.append(f"{file.path!r} cannot be read: {error.strerror}")
        except MarkabError as error:  # it changes while it is read
            unread.append(str(error))
    if unread:
        raise StorageError(
            "; ".join(unread), hint="put right what is named, and try again; nothing was changed"
        )
    return edited, gone


def _edited(file: TakenFile, status: os.stat_result) -> EditedInput | None:
    """Return a file as edited, with its new checksum, if its content is another one."""
    if not file.sha256 and status.st_mtime <= file.time and file.size_bytes in (None, status.st_size):
        return None
    new = Verified().checksum(file.path)
    return EditedInput(file.lfn, file.path, file.sha256, new) if new != file.sha256 else None
