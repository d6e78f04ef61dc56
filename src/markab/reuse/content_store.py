"""The content store: bytes of results that would have been removed, kept by their sha256, within a budget.

How a content is kept: `transfers/content_links.py`. Only names of that form below the directory are ever removed, so
that a directory named by mistake loses nothing else.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from markab.errors import Problem
from markab.transfers.content_links import content_path, keep_content

RELIED_ON_S = 86400.0
"""A content is not removed for so long after a plan relied on it: its run may still need it."""

_SMALLEST_BYTES = 4096
"""So that a budget in bytes limits the number of small files too: 5 million in 20 GB."""

_FOLDER = re.compile("[0-9a-f]{2}")
_NAME = re.compile("[0-9a-f]{62}")


class StoredContent(NamedTuple):
    """A content in the store."""

    sha256: str
    path: str
    size_bytes: int
    links: int
    """Names that the file has. With more than one, it needs no space of its own."""
    used_s: float
    """When it was kept, or last used, or another name of it was made or removed; seconds since the epoch."""

    @property
    def own_bytes(self) -> int:
        """The bytes that are free when it is removed; of a small file about what its file system takes for it."""
        return max(self.size_bytes, _SMALLEST_BYTES) if self.links == 1 else 0


class Pruned(NamedTuple):
    """What pruning removed, or would remove, and what it left."""

    removed: list[StoredContent]
    left: int
    left_bytes: int
    """Only the bytes that no other name has."""


class ContentStore:
    """A directory of contents. Many processes may fill and prune it at once."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def problem(self) -> Problem | None:
        """Return why nothing can be kept here, or be found; None if that is not so. Nothing is made."""
        place = self.directory
        while not os.path.lexists(place) and os.path.dirname(place) != place:
            place = os.path.dirname(place)
        if not os.path.isdir(place):
            why = os.strerror(errno.ENOTDIR)
        elif not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            why = os.strerror(errno.EACCES)
        else:
            return None
        where = "" if place == self.directory else f" ({place!r})"
        return Problem(
            f"the content store {self.directory!r} cannot be used: {why}{where}; nothing is kept in it, and nothing found",
            "check who may read and write it, or name another directory in markab.reuse.store",
            kind="content-store",
        )

    def path(self, sha256: str) -> str:
        """Return where a content is, if it is kept."""
        return content_path(self.directory, sha256)

    def keep(self, path: str, sha256: str) -> bool:
        """Keep the bytes of a file, which is known to have this checksum; return whether they are kept."""
        return keep_content(self.directory, sha256, path)

    def remove(self, sha256: str) -> None:
        """Remove a content. One that is missing, or cannot be removed, is no error."""
        try:
            os.unlink(self.path(sha256))
        except OSError:
            pass

    def contents(self) -> Iterator[StoredContent]:
        """Yield all that is kept; none if there is no store or it cannot be read."""
        for folder in _entries(self.directory):
            if _FOLDER.fullmatch(folder.name) and folder.is_dir(follow_symlinks=False):
                for one in _entries(folder.path):
                    if content := _content(folder.name, one):
                        yield content

    def prune(
        self,
        budget_bytes: int | None,
        older_s: float | None = None,
        uses: Mapping[str, float] = {},
        *,
        dry_run: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> Pruned:
        """Remove contents, the least recently used first.

        Args:
            budget_bytes: how many bytes may be left. None: any number.
            older_s: also remove all that were not used for so many seconds.
            uses: when plans last relied on contents, as `ResultIndex.content_uses` returns it.
            dry_run: remove nothing.
            clock: seconds since the epoch.
        """
        contents = [
            one._replace(used_s=max(one.used_s, uses.get(one.sha256, 0.0))) for one in self.contents()
        ]
        now = clock()
        relied_on = {sha256 for sha256, used_s in uses.items() if used_s > now - RELIED_ON_S}
        before_s = None if older_s is None else now - older_s
        chosen = contents_to_remove(contents, budget_bytes, before_s, relied_on)
        removed = chosen if dry_run else [one for one in chosen if _is_removed(one.path)]
        gone = {one.sha256 for one in removed}
        left = [one for one in contents if one.sha256 not in gone]
        return Pruned(removed, len(left), sum(one.own_bytes for one in left))


def contents_to_remove(
    contents: Iterable[StoredContent], budget_bytes: int | None, before_s: float | None, relied_on: set[str]
) -> list[StoredContent]:
    """Return what to remove so that the rest fits into a budget and was used since then. Pure.

    What a plan relies on stays in any case, and what frees nothing stays unless it is too old.
    """
    oldest_first = sorted(contents, key=lambda one: (one.used_s, one.sha256))
    left_bytes = sum(one.own_bytes for one in oldest_first)
    chosen = []
    for one in oldest_first:
        is_old = before_s is not None and one.used_s < before_s
        is_too_much = budget_bytes is not None and left_bytes > budget_bytes and one.own_bytes > 0
        if (is_old or is_too_much) and one.sha256 not in relied_on:
            chosen.append(one)
            left_bytes -= one.own_bytes
    return chosen


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []


def _content(folder: str, entry: os.DirEntry[str]) -> StoredContent | None:
    if not _NAME.fullmatch(entry.name):
        return None
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None  # another process has just removed it
    size_bytes = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return StoredContent(folder + entry.name, entry.path, size_bytes, status.st_nlink, status.st_ctime)


def _is_removed(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
