"""What earlier runs made, as the planner asks for it: one index and one store, open while it plans."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from markab.errors import MarkabError, Problem
from markab.formatting import shown_path
from markab.planner.draft import Context
from markab.reuse.available import AvailableContents
from markab.reuse.content_store import ContentStore
from markab.reuse.file_checksums import FileChecksums
from markab.reuse.file_witness import FileWitness
from markab.reuse.result_index import Made, ResultEntry, ResultIndex, open_index

_PLACES_NAMED = 3


class KnownResults:
    """The results of earlier runs."""

    def __init__(self, index: ResultIndex, checksums: FileChecksums, available: AvailableContents) -> None:
        self._index = index
        self._checksums = checksums
        self._available = available
        self._paths: dict[str, str | None] = {}
        self._runs: dict[str, str] = {}
        self._read: dict[str, None] = {}

    def find(self, keys: Iterable[str]) -> dict[str, ResultEntry]:
        """Return what was made for each key that is known."""
        return self._index.find(list(keys))

    def prepare(self, made: Iterable[Made], paths: Iterable[str]) -> None:
        """Look up at once where the bytes of many files are, and what is known of the files at many paths."""
        self._available.prepare(one.sha256 for one in made)
        self._checksums.prepare(paths)

    def path(self, made: Made) -> str | None:
        """Return a path of this machine that has these bytes now; None: they are no longer to be had."""
        if made.sha256 not in self._paths:
            self._paths[made.sha256] = self._available.path(made.sha256, made.size_bytes)
        return self._paths[made.sha256]

    def run_name(self, uuid: str) -> str:
        """Return how messages name a run: by its submit directory, if that is known."""
        if uuid not in self._runs:
            found = self._index.origin_of(uuid)
            self._runs[uuid] = shown_path(Path(found[0])) if found else uuid
        return self._runs[uuid]

    def has(self, made: Made) -> bool:
        """Return whether these bytes are to be had."""
        return self.path(made) is not None

    def is_at(self, path: str, made: Made) -> bool:
        """Return whether a file has these bytes."""
        if self._paths.get(made.sha256) == path:
            return True
        try:
            status = os.stat(path, follow_symlinks=False)
            if status.st_size != made.size_bytes:
                return False
            return self._checksums.of_status(path, status, follow=False) == made.sha256
        except (OSError, MarkabError):
            return False

    def checksum_of(self, path: str) -> str:
        """Return the sha256 of a program or input on this machine. Raises OSError."""
        self._read[path] = None
        try:
            return self._checksums.of(path)
        except MarkabError as error:  # it is being written
            raise OSError(0, str(error), path) from error

    def files_read(self) -> list[FileWitness] | None:
        """Return all programs and inputs as they were; None if one changed while it was read, or could not be read."""
        return self.witnesses(self._read)

    def witnesses(self, paths: Iterable[str]) -> list[FileWitness] | None:
        """Return files as they were when they were last looked at; None if one was not, or could not be read."""
        found = [self._checksums.witness(path) for path in paths]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None

    def warnings(self) -> Iterator[Problem]:
        """Yield what is wrong with the index, and with files that earlier runs left."""
        yield from self._index.problems
        if (problem := self._available.store_problem) is not None:
            yield problem
        yield from _named(self._available.lost, "are gone or altered", "lost-result")
        yield from _named(self._available.unreadable, "cannot be read", "unreadable-result")


def _named(places: Sequence[object], what: str, kind: str) -> Iterator[Problem]:
    """Yield a warning for each of the first places, and one for all others."""
    for one in places[:_PLACES_NAMED]:
        yield Problem(str(one), kind=kind)
    if (more := len(places) - _PLACES_NAMED) > 0:
        yield Problem(f"{more:,} more files that earlier runs made {what}", kind=kind)


@contextmanager
def known_results(context: Context) -> Iterator[KnownResults]:
    """Open the index and the store that the plan uses; what was learned of files is written at the end."""
    reuse = context.reuse
    assert reuse is not None
    with open_index(reuse.index or None, create=not context.dry_run) as index:
        if not context.dry_run:
            context.update_index(index)
        checksums = FileChecksums(index)
        available = AvailableContents(index, checksums, ContentStore(reuse.store) if reuse.store else None)
        yield KnownResults(index, checksums, available)
        if not context.dry_run:
            available.save()
