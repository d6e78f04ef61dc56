"""Replica catalogs that are text files: YAML, or one line a place.

A change reads the file, makes the new text, parses that as a check, and replaces the
file atomically; simultaneous changes are serialised by a lock. `${VARIABLE}` is kept
as written. Comments at the top of the file are kept; those further down are lost.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from markab.catalogs.replica_index import ReplicaIndex
from markab.catalogs.replica_store import Entry, catalog_of, entries_of, is_match
from markab.catalogs.replica_text import parse_replica_file
from markab.errors import DocumentError, Problem, StorageError
from markab.plan.atomic_file import replacing
from markab.spec.document_file import read_bytes
from markab.spec.model import ReplicaCatalog
from markab.spec.reader import parse_replicas
from markab.spec.variables import MarkedVariables, restored
from markab.spec.writer import emit, to_document

VERSION = "5.0.4"


class DocumentStore:
    """A YAML or text file; see `ReplicaStore`."""

    def __init__(self, path: Path, *, is_yaml: bool) -> None:
        self._path = path
        self._is_yaml = is_yaml
        self.loses_comments = False
        """The last change dropped comments below the top of the file."""

    def insert(self, entries: Sequence[Entry]) -> int:
        """Add places; return how many were new."""
        with _directory_locked(self._path):
            known = list(self.written())
            places = {(entry.lfn, entry.pfn, entry.site) for entry in known}
            self._write([*known, *entries])
        return len({(entry.lfn, entry.pfn, entry.site) for entry in entries} - places)

    def delete(self, entries: Sequence[Entry]) -> int:
        """Remove places; return how many were removed."""
        wanted: dict[str, list[Entry]] = {}
        for entry in entries:
            wanted.setdefault(entry.lfn, []).append(entry)
        return self._drop(lambda found: any(is_match(one, found) for one in wanted.get(found.lfn, ())))

    def remove(self, lfns: Sequence[str]) -> int:
        """Remove files with all their places; return how many of them were there."""
        names, removed = set(lfns), set()

        def is_named(found: Entry) -> bool:
            if found.lfn in names:
                removed.add(found.lfn)
            return found.lfn in names

        self._drop(is_named)
        return len(removed)

    def clear(self) -> int:
        """Remove everything; return how many places there were."""
        return self._drop(lambda _: True)

    def lookup(self, lfns: Iterable[str]) -> Iterator[Entry]:
        """Yield the places of files; regular expressions apply to names without an entry."""
        index = ReplicaIndex([self._read(os.environ)])
        for lfn in lfns:
            if (replica := index.lookup(lfn)) is not None:
                yield from entries_of(replica)

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, in the order of the file."""
        for replica in self._read(os.environ).replicas:
            yield from entries_of(replica)

    def _drop(self, is_unwanted: Callable[[Entry], bool]) -> int:
        with _directory_locked(self._path):
            known = list(self.written())
            kept = [entry for entry in known if not is_unwanted(entry)]
            if len(kept) < len(known):
                self._write(kept)
        return len(known) - len(kept)

    def written(self) -> Iterator[Entry]:
        """Yield all entries as written, with their `${VARIABLE}`s."""
        for replica in self._read(MarkedVariables()).replicas:
            for entry in entries_of(replica):
                yield Entry(**restored(msgspec.structs.asdict(entry)))

    def _read(self, environment: Mapping[str, str]) -> ReplicaCatalog:
        return self._parsed(self._text(), environment)

    def _parsed(self, text: str, environment: Mapping[str, str]) -> ReplicaCatalog:
        if not text.strip():
            return ReplicaCatalog()
        parse = parse_replicas if self._is_yaml else parse_replica_file
        return parse(text, str(self._path), environment, absolute_lfns=True)

    def _text(self) -> str:
        if not self._path.exists():
            return ""
        try:
            return read_bytes(self._path).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise StorageError(f"{str(self._path)!r} is not text: {error.reason}") from error

    def _write(self, entries: Iterable[Entry]) -> None:
        before = self._text()
        top = _comments_at_the_top(before)
        self.loses_comments = _has_comments(before[len(top) :])
        catalog = catalog_of(entries)
        text = top + document_text(catalog, is_yaml=self._is_yaml, before=before)
        try:
            self._parsed(text, MarkedVariables())
        except DocumentError as error:  # the new entries are invalid, and in no file
            raise DocumentError(*(Problem(p.message, p.hint, kind=p.kind) for p in error.problems)) from None
        target = _target(self._path)
        with replacing(target) as file:
            if target.exists():  # keep its permissions
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            file.write(text.encode())


def document_text(catalog: ReplicaCatalog, *, is_yaml: bool, before: str = "") -> str:
    """Return the text of a catalog; the version in YAML is that of the text before."""
    return _as_yaml(catalog, before) if is_yaml else _as_lines(catalog)


def _as_yaml(catalog: ReplicaCatalog, before: str) -> str:
    found = re.search(r"^pegasus:\s*[\"']?([\d.]+)", before, re.MULTILINE)
    parts: list[str] = []
    document = to_document(catalog, found[1] if found else VERSION)
    document.setdefault("replicas", [])
    emit(document, parts.append)
    return "".join(parts)


def _as_lines(catalog: ReplicaCatalog) -> str:
    lines = [entry.line() for replica in catalog.replicas for entry in entries_of(replica)]
    return "".join(f"{line}\n" for line in lines)


def _comments_at_the_top(text: str) -> str:
    """Return the comments and empty lines above the first other line."""
    top: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        top.append(line)
    return "".join(top)


def _has_comments(text: str) -> bool:
    return any(line.lstrip().startswith("#") or " #" in line for line in text.splitlines())


def _target(path: Path) -> Path:
    """Return the file to replace: the target of a symbolic link, not the link."""
    return path.resolve() if path.is_symlink() else path


@contextmanager
def _directory_locked(path: Path) -> Iterator[None]:
    """Hold the lock on a catalog's directory, if its file system supports locks.

    Raises:
        StorageError: the directory does not exist.
    """
    try:
        descriptor = os.open(_target(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror}", hint="create its directory first"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # NFS cannot lock directories: replacing stays atomic, but the last change wins
            pass
        yield
    finally:
        os.close(descriptor)
