"""Finding the replicas of a file: by its name, or by regular expressions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from markab.errors import StorageError
from markab.spec.catalog_checks import GROUP, java_pattern
from markab.spec.document_file import note_other_read
from markab.spec.model import Pfn, Replica, ReplicaCatalog
from markab.transfers.tree_names import declared_name

_SHOWN = 3
"""Files that are named for one regular expression."""


class ReplicaIndex:
    """All replicas of one planner run, by logical file name.

    `catalogs` come in order of priority. A name in one catalog hides the same name
    in the later ones, or with `merge` only comes before it. Entries of one catalog
    for the same name always merge. Regular expressions are tried, in order, for names
    without an entry; the first that matches the whole name wins.
    """

    def __init__(self, catalogs: Iterable[ReplicaCatalog] = (), merge: bool = False) -> None:
        self._exact: dict[str, Replica] = {}
        self._patterns: list[tuple[re.Pattern[str], Replica]] = []
        self._served: dict[str, dict[str, None]] = {}
        """Regular expression whose places have no group → the first files that it served."""
        for catalog in catalogs:
            self.add(catalog, merge)

    def __len__(self) -> int:
        return len(self._exact)

    def __iter__(self) -> Iterator[Replica]:
        """Iterate over the entries that are not regular expressions."""
        return iter(self._exact.values())

    def __contains__(self, lfn: str) -> bool:
        return self.lookup(lfn) is not None

    def has_entry(self, lfn: str) -> bool:
        """Return whether an entry that is no regular expression has this name."""
        return declared_name(lfn) in self._exact

    @property
    def patterns(self) -> list[Replica]:
        """The entries with regular expressions, in the order in which they are tried."""
        return [replica for _, replica in self._patterns]

    def lookup(self, lfn: str) -> Replica | None:
        """Return the replica of `lfn`, or None; a directory may have its packed name. In those of a regular expression, `[0]`, `[1]`, … are filled in."""
        lfn = declared_name(lfn)
        replica = self._exact.get(lfn)
        if replica is not None or not self._patterns:
            return replica
        for pattern, template in self._patterns:
            if match := pattern.fullmatch(lfn):
                if any(not GROUP.search(place.pfn) for place in template.pfns):
                    served = self._served.setdefault(template.lfn, {})
                    if len(served) < _SHOWN:
                        served[lfn] = None
                places = [Pfn(place.site, _filled(place.pfn, match)) for place in template.pfns]
                return Replica(lfn, places, False, template.checksum, dict(template.metadata))
        return None

    def ambiguous_patterns(self) -> list[tuple[str, list[str]]]:
        """Return the regular expressions that gave the same place to several files, with the first of these."""
        return [(pattern, list(served)) for pattern, served in self._served.items() if len(served) > 1]

    def add(self, catalog: ReplicaCatalog, merge: bool) -> None:
        """Add a catalog behind the others."""
        before = self._exact
        own: dict[str, Replica] = {}
        for replica in catalog.replicas:
            if replica.regex:
                self._patterns.append((java_pattern(replica.lfn), replica))
            elif replica.lfn in own:
                own[replica.lfn] = _joined(own[replica.lfn], replica)
            else:
                own[replica.lfn] = replica
        if not before:
            self._exact = own
            return
        for lfn, replica in own.items():
            if lfn not in before:
                before[lfn] = replica
            elif merge:
                before[lfn] = _joined(before[lfn], replica)


def replicas_of_directory(
    path: str | os.PathLike[str], site: str = "local", flat: bool = False, url_prefix: str = "file://"
) -> ReplicaCatalog:
    """Return a catalog of every file below a directory, in the order of their names.

    Names are relative to `path`, or with `flat` only the last part (the first file of a
    name wins). Symbolic links are followed, except those that lead to a directory already seen.

    Raises:
        StorageError: the directory cannot be read.
    """
    found: dict[str, Replica] = {}
    root = os.path.abspath(path)
    for name, full in files_below(root):
        lfn = os.path.basename(name) if flat else name
        found.setdefault(lfn, Replica(lfn, [Pfn(site, url_prefix + full)]))
    return ReplicaCatalog(list(found.values()))


def files_below(root: str) -> Iterator[tuple[str, str]]:
    """Yield relative name and full path of every file below a directory, sorted.

    Raises:
        StorageError: a directory cannot be read.
    """
    note_other_read()
    seen: set[tuple[int, int]] = set()
    pending = [root]
    while pending:  # os.walk calls itself for each level
        folder = pending.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            names = sorted(os.listdir(folder))
        except OSError as error:
            raise StorageError(
                f"the directory {error.filename!r} cannot be read: {error.strerror}", "check the name"
            ) from error
        seen.add((status.st_dev, status.st_ino))
        paths = [os.path.join(folder, name) for name in names]
        yield from ((os.path.relpath(path, root), path) for path in paths if os.path.isfile(path))
        pending += [path for path in reversed(paths) if os.path.isdir(path)]


def _joined(first: Replica, second: Replica) -> Replica:
    places = first.pfns + [place for place in second.pfns if place not in first.pfns]
    metadata = {**second.metadata, **first.metadata}
    return Replica(first.lfn, places, False, first.checksum or second.checksum, metadata)


def _filled(pfn: str, match: re.Match[str]) -> str:
    def group(place: re.Match[str]) -> str:
        number = int(place[1])
        return place[0] if number > match.re.groups else match[number] or ""

    return GROUP.sub(group, pfn)
