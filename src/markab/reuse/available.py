"""Where the bytes of an earlier result still are: at a place where they were put, or in the content store."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from typing import NamedTuple

from markab.errors import MarkabError, Problem
from markab.reuse.content_store import ContentStore
from markab.reuse.file_checksums import FileChecksums
from markab.reuse.result_index import ResultIndex

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a symbolic link"),
    (lambda _: True, "a pipe, socket or device"),
)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class LostPlace(NamedTuple):
    """A place that does not have the bytes any more that were put there."""

    sha256: str
    path: str
    why: str
    """Such as "was removed", "was truncated", "was altered", "was replaced by a directory"."""

    def __str__(self) -> str:
        return f"{self.path!r} {self.why} after it was made; it does not count as a result"


class UnreadablePlace(NamedTuple):
    """A place whose bytes cannot be read now, because they belong to another user, or the disk has errors."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path!r}, which an earlier run made, cannot be read: {self.why}; it does not count as a result"


class AvailableContents:
    """Finds the bytes of contents, and verifies them: a file that was not read since its last change is read.

    Links, FIFOs, devices, files that cannot be read, truncated and altered ones do not count.
    """

    def __init__(self, index: ResultIndex, checksums: FileChecksums, store: ContentStore | None) -> None:
        self._index = index
        self._checksums = checksums
        self._store = store
        self._places: dict[str, list[str]] = {}
        self._used: set[str] = set()
        self.lost: list[LostPlace] = []
        """What was found to be lost so far. In an unmounted file system nothing is lost, though nothing is found."""
        self.unreadable: list[UnreadablePlace] = []
        """What was found to be there, and cannot be read now; it is not forgotten."""
        self._replaced: list[tuple[str, str]] = []
        """(sha256, path) of places where a later run put another result."""

    @property
    def store_problem(self) -> Problem | None:
        """Why nothing can be kept in the store, or be found there; None if that is not so."""
        return None if self._store is None else self._store.problem()

    def prepare(self, sha256s: Iterable[str]) -> None:
        """Look many contents up at once, which is faster than one after the other."""
        wanted = [sha256 for sha256 in dict.fromkeys(sha256s) if sha256 not in self._places]
        found = self._index.places(wanted)
        self._places.update({sha256: found.get(sha256, []) for sha256 in wanted})
        self._checksums.prepare(path for paths in found.values() for path in paths[:1])

    def path(self, sha256: str, size_bytes: int) -> str | None:
        """Return the path of a file that has this content now; None: there is none."""
        if sha256 not in self._places:
            self.prepare([sha256])
        paths = self._places[sha256]
        while paths:
            if self._has(paths[0], sha256, size_bytes):
                return paths[0]
            del paths[0]
        return self._stored(sha256, size_bytes) if self._store is not None else None

    def save(self) -> None:
        """Let the index forget what is lost, and remember what was read and what is relied on."""
        self._checksums.save()
        if gone := [*self._replaced, *((one.sha256, one.path) for one in self.lost)]:
            self._index.forget_places(gone)
        self._index.save_use(self._used)

    def _stored(self, sha256: str, size_bytes: int) -> str | None:
        assert self._store is not None
        path = self._store.path(sha256)
        if _is_missing(path):
            return None
        if self._has(path, sha256, size_bytes):
            self._used.add(sha256)
            return path
        if self.lost and self.lost[-1].path == path:
            self._store.remove(sha256)
        return None

    def _has(self, path: str, sha256: str, size_bytes: int) -> bool:
        """Return whether a file has a content; if it is certain that it has not, it is lost."""
        why, error = _judged(path, sha256, size_bytes, self._checksums)
        if why and is_later_result(path, self._index, self._checksums):
            self._replaced.append((sha256, path))
        elif why:
            self.lost.append(LostPlace(sha256, path, why))
        elif error:
            self.unreadable.append(UnreadablePlace(path, error))
        return why == ""


def is_later_result(path: str, index: ResultIndex, checksums: FileChecksums) -> bool:
    """Return whether a file is what another run put there since: then nothing is wrong with it."""
    try:
        now = checksums.of(path, follow=False)
    except (OSError, MarkabError):
        return False
    return path in index.places([now]).get(now, ())


def why_lost(path: str, sha256: str, size_bytes: int, checksums: FileChecksums) -> str | None:
    """Return what became of a content that was put at a path: as `LostPlace.why`, or "" if it is there.

    None: it cannot be said, because the file, or the directory of it, cannot be reached now.
    """
    return _judged(path, sha256, size_bytes, checksums)[0]


def _judged(path: str, sha256: str, size_bytes: int, checksums: FileChecksums) -> tuple[str | None, str]:
    """Return what `why_lost` returns, and the error of a file that is there and cannot be read, or nothing."""
    try:
        return _flaw(path, sha256, size_bytes, checksums), ""
    except MarkabError:
        return "was altered", ""
    except OSError as error:
        if error.errno not in _GONE:
            return None, error.strerror or str(error)
        return "was removed" if os.path.isdir(os.path.dirname(path)) else None, ""


def _is_missing(path: str) -> bool:
    """Return whether nothing is there; not if it cannot be said, because a directory cannot be read."""
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno in _GONE
    return False


def _flaw(path: str, sha256: str, size_bytes: int, checksums: FileChecksums) -> str:
    status = os.stat(path, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        kind = next(word for is_kind, word in _KINDS if is_kind(status.st_mode))
        return f"was replaced by {kind}"
    if status.st_size != size_bytes:
        return "was truncated" if status.st_size < size_bytes else "was altered"
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return "" if checksums.of_status(path, status, follow=False) == sha256 else "was altered"
