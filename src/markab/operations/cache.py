"""What Markab remembers of results, and keeps of their bytes, for reuse by content: listed, measured, pruned, verified."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from markab.errors import MarkabError, StorageError
from markab.operations.kept_environments import (
    KeptEnvironment,
    environments_place,
    kept_environments,
    prune_environments,
)

if TYPE_CHECKING:
    from pathlib import Path

    from markab.reuse.content_store import ContentStore, Pruned
    from markab.reuse.file_checksums import FileChecksums
    from markab.reuse.index_survey import IndexedRun
    from markab.reuse.locations import Locations
    from markab.reuse.result_index import ResultIndex


class CacheSize(NamedTuple):
    """How much is remembered and kept."""

    index_file: str
    index_bytes: int
    runs: int
    results: int
    """Jobs whose results can be found."""
    places: int
    store_directory: str
    contents: int
    content_bytes: int
    """Only those bytes that no other name of a file has."""
    shared_bytes: int
    """Bytes of contents that are also results elsewhere: they need no space of their own."""
    budget_bytes: int
    environments_directory: str = ""
    environments: int = 0
    """Software environments, also unfinished ones."""
    environment_bytes: int = 0


class PrunedCache(NamedTuple):
    """What pruning removed and forgot, or would."""

    contents: Pruned
    runs: list[IndexedRun]
    environments: Sequence[KeptEnvironment] = ()


class RebuiltCache(NamedTuple):
    """What rebuilding found."""

    entered: list[str]
    """The submit directories whose results are in the index now."""
    without: int
    """Runs that were planned without reuse by content: what made their results is not recorded."""
    unreadable: list[str]
    """Sentences about runs that cannot be read."""


class VerifiedCache(NamedTuple):
    """What verifying found."""

    files: int
    size_bytes: int
    """Of files that were read and have their bytes."""
    removed: int
    """Results that were removed since."""
    unreachable: int
    """Results that cannot be read now: their directory is gone, or not mounted, or they belong to others."""
    altered: list[str]
    """Sentences about results and contents that have other bytes now."""


@contextmanager
def _opened(
    conf: str | None, *, create: bool = False
) -> Iterator[tuple[Locations, ResultIndex, ContentStore]]:
    from pathlib import Path

    from markab.planner.reuse_locations import reuse_locations
    from markab.reuse.content_store import ContentStore
    from markab.reuse.result_index import open_index
    from markab.spec.properties import load_properties

    locations = reuse_locations(load_properties(conf, home=Path(os.path.expanduser("~"))))
    if locations.index_file is None or locations.store_directory is None:
        raise StorageError(
            "there is no place for the cache: no home directory",
            "set HOME, or the properties markab.reuse.index and markab.reuse.store",
        )
    with open_index(locations.index_file, create=create) as index:
        yield locations, index, ContentStore(locations.store_directory)


def list_cache(conf: str | None = None) -> tuple[list[IndexedRun], Sequence[str]]:
    """Return the runs whose results can be found, the newest first, and warnings.

    `conf` is a file of properties, here and below.

    Raises:
        StorageError: it cannot be read, or the user has no home directory.
        DocumentError: a property has a wrong value.
    """
    from markab.reuse.index_survey import indexed_runs

    with _opened(conf) as (_, index, __):
        return indexed_runs(index), index.warnings


def cache_size(conf: str | None = None) -> tuple[CacheSize, Sequence[str]]:
    """Return how much is remembered and kept, and warnings. Raises as `list_cache`."""
    from markab.reuse.index_survey import indexed_amounts

    with _opened(conf) as (locations, index, store):
        contents = list(store.contents())
        own_bytes = sum(one.own_bytes for one in contents)
        measured = CacheSize(
            index.database.path or "",
            _size_of(index.database.path or ""),
            *indexed_amounts(index),
            store.directory,
            len(contents),
            own_bytes,
            sum(one.size_bytes for one in contents if one.links > 1),
            locations.store_bytes,
        )
        environments = list(kept_environments())
        measured = measured._replace(
            environments_directory=environments_place(),
            environments=len(environments),
            environment_bytes=sum(one.size_bytes for one in environments),
        )
        return measured, _warnings(index, store)


def rebuild_cache(
    below: Path | None = None, *, conf: str | None = None
) -> tuple[RebuiltCache, Sequence[str]]:
    """Enter what runs made into the index, from their journals; return which, and warnings. May be called at any time.

    Args:
        below: runs in this directory count, beside those in the list of all runs; None: the current one.
        conf: a file of properties.

    Raises:
        StorageError: as `list_cache`; the index cannot be written.
        DocumentError: as `list_cache`.
    """
    from pathlib import Path

    from markab.operations.run_list import list_runs

    runs, warning = list_runs(below)
    found = RebuiltCache([], 0, [])
    with _opened(conf, create=True) as (_, index, __):
        for run in sorted(runs, key=lambda run: run.planned):  # of one key, the newest run counts
            path = Path(os.path.abspath(run.submit_dir))
            try:
                if _enter(index, path):
                    found.entered.append(str(path))
                else:
                    found = found._replace(without=found.without + 1)
            except (MarkabError, OSError) as error:
                found.unreadable.append(f"{str(path)!r} is left out: {error}")
            if index.problems:
                raise StorageError(index.problems[0].message, index.problems[0].hint)
        return found, [*([warning] if warning else []), *index.warnings]


def _enter(index: ResultIndex, path: Path) -> bool:
    """Enter what a run made; return False if its plan does not say what makes it. Raises MarkabError or OSError."""
    from markab.engine.result_recording import record_results
    from markab.journal.lock import holder
    from markab.plan.braindump import read_braindump
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir
    from markab.reuse.file_checksums import FileChecksums

    place = SubmitDir(path)
    uuid = read_braindump(place.braindump).get("wf_uuid") or ""
    with closing(PlanFile(place.plan)) as plan:
        header = plan.header
    if header.reuse is None or not place.journal.exists():
        return False
    index.add_run(uuid, str(path), header.workflow, place.plan.stat().st_mtime)
    is_over = holder(place.lock) is None
    return record_results(index, FileChecksums(index), place, uuid, is_over=is_over) is not None


def prune_cache(
    to_bytes: int | None = None,
    older_s: float | None = None,
    *,
    dry_run: bool = False,
    conf: str | None = None,
) -> tuple[PrunedCache, Sequence[str]]:
    """Remove contents, and forget runs; return which, and warnings.

    Args:
        to_bytes: how many bytes the store may have left; by default its budget, or any number with `older_s`.
        older_s: also remove and forget what was neither made nor used for so many seconds, software environments too.
        dry_run: change nothing.
        conf: a file of properties.

    Raises:
        StorageError: as `list_cache`.
        DocumentError: as `list_cache`.
    """
    from markab.reuse.index_survey import forget_runs

    with _opened(conf) as (locations, index, store):
        if to_bytes is None and older_s is None:
            to_bytes = locations.store_bytes
        pruned = store.prune(to_bytes, older_s, index.content_uses(), dry_run=dry_run)
        forgotten = [] if older_s is None else forget_runs(index, time.time() - older_s, dry_run=dry_run)
        environments = [] if older_s is None else prune_environments(time.time() - older_s, dry_run=dry_run)
        return PrunedCache(pruned, forgotten, environments), _warnings(index, store)


def verify_cache(
    *, remove: bool = False, conf: str | None = None, report: Callable[[str], None] = lambda _: None
) -> tuple[VerifiedCache, Sequence[str]]:
    """Read every content and every result that is remembered, and compare their checksums; return what was found, and warnings.

    Args:
        remove: remove contents that were altered from the store, and forget results that were altered or removed.
        conf: a file of properties.
        report: called with each sentence about something altered, as soon as it is found.

    Raises:
        StorageError: as `list_cache`.
        DocumentError: as `list_cache`.
    """
    from markab.reuse.file_checksums import FileChecksums

    with _opened(conf) as (_, index, store):
        check = _Check(index, FileChecksums(None), report)
        for content in store.contents():
            check.add(content.sha256, content.path, content.size_bytes)
        if remove:
            for sha256, _path in check.take_lost():
                store.remove(sha256)
        for sha256, path, size_bytes in _remembered_places(index):
            check.add(sha256, path, size_bytes)
        if remove:
            index.forget_places(check.take_lost())
        return check.found(), _warnings(index, store)


class _Check:
    """Files that were compared with their checksums."""

    def __init__(self, index: ResultIndex, checksums: FileChecksums, report: Callable[[str], None]) -> None:
        self._index = index
        self._checksums = checksums
        self._report = report
        self._seen: set[str] = set()
        self._lost: list[tuple[str, str]] = []
        self._files = self._bytes = self._removed = self._unreachable = 0
        self._altered: list[str] = []

    def add(self, sha256: str, path: str, size_bytes: int) -> None:
        """Compare a file; one that several results share is compared once."""
        from markab.reuse.available import LostPlace, is_later_result, why_lost

        if path in self._seen:
            return
        self._seen.add(path)
        why = why_lost(path, sha256, size_bytes, self._checksums)
        if why is None:
            self._unreachable += 1
            return
        if why == "":
            self._files += 1
            self._bytes += size_bytes
            return
        if why != "was removed" and is_later_result(path, self._index, self._checksums):
            self._lost.append((sha256, path))
            self._seen.discard(path)
            return
        lost = LostPlace(sha256, path, why)
        self._lost.append((sha256, path))
        if why == "was removed":
            self._removed += 1
        else:
            self._altered.append(str(lost))
            self._report(str(lost))

    def take_lost(self) -> list[tuple[str, str]]:
        """Return (sha256, path) of what was found to be lost since the last call."""
        lost, self._lost = self._lost, []
        return lost

    def found(self) -> VerifiedCache:
        """Return the result so far."""
        return VerifiedCache(self._files, self._bytes, self._removed, self._unreachable, self._altered)


def _remembered_places(index: ResultIndex) -> Iterator[tuple[str, str, int]]:
    """Yield sha256, path and size of every result at every place; no other process waits meanwhile."""
    from markab.reuse.index_survey import entries_after

    number = 0
    while entries := entries_after(index, number):
        number = entries[-1][0]
        sizes = {one.sha256: one.size_bytes for _, entry in entries for one in entry.made}
        for sha256, paths in index.places(sizes).items():
            for path in paths:
                yield sha256, path, sizes[sha256]


def _warnings(index: ResultIndex, store: ContentStore) -> list[str]:
    problem = store.problem()
    return [*index.warnings, *([f"{problem}; {problem.hint}"] if problem else [])]


def _size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
