"""Opening, querying and changing a replica catalog."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from markab.errors import MarkabError, NotARun, StorageError
from markab.operations.run_names import Run, find_run

if TYPE_CHECKING:
    from markab.catalogs.replica_store import Entry, ReplicaStore


def open_replica_catalog(
    file: Path | None = None, conf: str | None = None, properties: Mapping[str, str] | None = None
) -> ReplicaStore:
    """Return the catalog in a file, or the one that properties name: `./replicas.yml` by default.

    `conf` is a file of properties; `properties` are stronger.

    Raises:
        StorageError: it cannot be read.
        DocumentError: the properties name no supported catalog.
    """
    from markab.catalogs.store_selection import open_store, store_of_properties
    from markab.spec.properties import load_properties

    if file is not None:
        return open_store(file)
    return store_of_properties(load_properties(conf, dict(properties or {})), Path())


def catalog_of_results(run: Run = None) -> Path | None:
    """Return the file in which a run registers its results; None: there is no run here, or it registers nothing."""
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir

    try:
        place = SubmitDir(find_run(run))
    except NotARun:
        return None
    with closing(PlanFile(place.plan)) as plan:
        catalog = plan.header.catalog
    return None if catalog is None else place.path / catalog


def make_replica(
    lfn: str,
    place: str,
    site: str = "local",
    attributes: Mapping[str, str] | None = None,
    *,
    regex: bool = False,
    checksum: bool = False,
) -> Entry:
    """Return an entry for a catalog; a path becomes absolute. With `checksum`, its sha256 is computed.

    Raises:
        ValueError: the checksum of a URL is requested.
        StorageError: the file cannot be read.
    """
    from markab.catalogs.replica_store import Entry

    path = place.removeprefix("file://")
    is_path = "://" not in path
    if is_path and not regex and not path.startswith("$"):
        place = path = os.path.abspath(path)
    found = dict(attributes or {})
    if checksum:
        if not is_path:
            raise ValueError("only the checksum of a file on this machine can be computed")
        found |= {"checksum.type": "sha256", "checksum.value": _sha256(path)}
    return Entry(lfn, place, site, found, regex)


def remove_replicas(store: ReplicaStore, lfn: str, place: str | None = None, site: str | None = None) -> None:
    """Remove a file from a catalog, or only its replicas at this place and site.

    Raises:
        MarkabError: there is no such replica.
    """
    from markab.catalogs.replica_store import Entry

    if place is None and site is None:
        number = store.remove([lfn])
    else:
        if place is None:
            places = [one.pfn for one in store.lookup([lfn]) if one.lfn == lfn]
        else:
            places = list({place, make_replica(lfn, place).pfn})  # as it stands there, or as it was added
        number = store.delete([Entry(lfn, one, site) for one in places])
    if not number:
        raise MarkabError(
            f"the catalog has no such replica of {lfn!r}", hint="`markab replica list` lists its replicas"
        )


def find_replicas(
    store: ReplicaStore, lfns: Sequence[str] | None = None, patterns: Mapping[str, str] | None = None
) -> list[Entry]:
    """Return the replicas of these files, or of all, whose attributes match `patterns` (`lfn`, `pfn`, `site`, …)."""
    from markab.catalogs.replica_store import matching

    return list(matching(store.entries() if lfns is None else store.lookup(lfns), patterns or {}))


def parse_replica_lines(lines: Iterable[tuple[int, str]], source: str) -> list[Entry]:
    """Return the entries in the numbered lines `LFN PFN KEY=VALUE…` of a file; comments are left out.

    Raises:
        DocumentError: a line is invalid.
    """
    from markab.catalogs.replica_store import parsed_line

    return [
        parsed_line(line, source, number)
        for number, line in lines
        if line.strip() and not line.lstrip().startswith("#")
    ]


def _sha256(path: str) -> str:
    from markab.transfers.checksum import sha256_of

    try:
        return sha256_of(path)
    except OSError as error:
        raise StorageError(f"cannot read {path!r}: {error.strerror}", hint="check the name") from error
