"""The output mapper: where each result goes, other than straight below the storage directory of an output site.

`pegasus.dir.storage.mapper` names it. `Replica` looks a result up in a replica catalog, in which regular
expressions may stand too: a file in the text form, as that of `--output-map FILE`, or with the kind `YAML`
a document. Each result goes to every place that the file gives it, and the site of a place names its credentials. With `Fixed`, all
results go below one URL. The output sites then need no storage directory. With `Hashed`, they are spread over directories below it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from markab.catalogs.replica_index import ReplicaIndex
from markab.catalogs.replica_text import read_replica_file
from markab.catalogs.url_passwords import take_passwords
from markab.errors import DocumentError, Problem
from markab.plan.model import DirectoryPlace, Place, local_directory
from markab.planner.draft import Context
from markab.planner.hashed_results import HashedResults, count_results
from markab.planner.places import local_path
from markab.spec.catalog_checks import is_place
from markab.spec.model import Workflow
from markab.spec.properties import Properties
from markab.spec.reader import read_replicas
from markab.transfers.tree_names import is_tree

MAPPER = "pegasus.dir.storage.mapper"
_KIND, _FILE = "pegasus.dir.storage.mapper.replica", "pegasus.dir.storage.mapper.replica.file"
FIXED_URL = "pegasus.dir.storage.mapper.fixed.url"
_LEVELS = "pegasus.dir.storage.mapper.hashed.levels"


class OutputMap:
    """The places of results, by the lookup of their names."""

    def __init__(self, file: Path, index: ReplicaIndex) -> None:
        self.file = file
        self._index = index

    @property
    def names(self) -> list[str]:
        """The names that have places, other than by a regular expression."""
        return [replica.lfn for replica in self._index]

    def places(self, lfn: str) -> list[Place]:
        """Return where a result goes; nothing if the map does not have it."""
        replica = self._index.lookup(lfn)
        found = [Place(pfn.site, local_path(pfn.pfn) or pfn.pfn) for pfn in replica.pfns] if replica else []
        return [Place(place.site, place.url.rstrip("/")) for place in found] if is_tree(lfn) else found


def mapper_name(properties: Properties) -> str:
    """Return the mapper that the properties name, in the spelling of the table. Raises DocumentError if there is none such."""
    return properties.choice(MAPPER, ("Flat", "Fixed", "Hashed", "Replica"), "Flat")


def mapper_problems(properties: Properties) -> list[Problem]:
    """Return what is wrong with the properties of the mapper."""
    try:
        mapper = mapper_name(properties)
        if mapper == "Replica":
            _catalog_kind(properties)
    except DocumentError as error:
        return list(error.problems)
    needed = {"Replica": _FILE, "Fixed": FIXED_URL}.get(mapper, "")
    if needed and not properties.get(needed, "").strip():
        return [properties.problem(MAPPER, f"it needs the property {needed!r}", f"set {needed}")]
    if mapper == "Fixed" and not is_place(properties[FIXED_URL].strip()):
        return [properties.problem(FIXED_URL, "it must be a URL or an absolute path")]
    return []


def read_mapper(workflow: Workflow, context: Context) -> None:
    """Fill in what the context has of the mapper: the map that an option or the properties name, or the hashed places.

    Raises:
        DocumentError: lines of it are wrong.
        StorageError: it cannot be read.
    """
    properties, options = context.properties, context.options
    mapper = "Flat" if context.doubts.results else mapper_name(properties)
    _note_contradiction(mapper, context)
    if mapper == "Hashed":
        context.hashed = HashedResults(count_results(workflow.jobs), properties.integer(_LEVELS, 2))
    if options.output_map is None and mapper != "Replica":
        return
    file = options.directory / (options.output_map or properties[_FILE].strip())
    is_document = options.output_map is None and _catalog_kind(properties) == "YAML"
    read = read_replicas if is_document else read_replica_file
    catalog = read(file, absolute_lfns=properties.flag("markab.lfn.absolute", False))
    context.passwords.update(take_passwords([catalog], [], []))
    context.documents.append(file)
    context.output_map = OutputMap(file, ReplicaIndex([catalog]))


def _note_contradiction(mapper: str, context: Context) -> None:
    """Note options and properties that send the results of one site to different places."""
    options = context.options
    named = {"--output-map": options.output_map, "--output-dir": options.output_dir}
    given = [f"{flag} {str(value)!r}" for flag, value in named.items() if value is not None]
    if mapper in ("Fixed", "Replica") or (mapper == "Hashed" and options.output_map is not None):
        given.append(f"property {MAPPER!r} = {mapper}")
    if len(given) > 1:
        context.problem(
            "output-mapper",
            f"the results have two mappers: {given[0]} and {given[1]}",
            f"leave {given[0].split()[0]} out"
            + (f", or set it aside with `-D{MAPPER}=Flat`" if given[-1].startswith("property") else ""),
        )


def _catalog_kind(properties: Properties) -> str:
    return properties.choice(_KIND, ("File", "Regex", "YAML"), "File")


def fixed_place(site: str, properties: Properties) -> DirectoryPlace | None:
    """Return the one place for all results, with the mapper `Fixed`."""
    url = properties.get(FIXED_URL, "").strip()
    if mapper_name(properties) != "Fixed" or not url:
        return None
    path = local_path(url)
    return local_directory(site, path) if path is not None else DirectoryPlace(site, url, url, is_local=False)


def common_directories(places: Iterable[Sequence[Place]]) -> dict[str, str]:
    """Return, for each site of results, the directory (path or URL) below which all of its results are."""
    folders: dict[str, str] = {}
    for place in (place for several in places for place in several):
        folder = os.path.dirname(place.url)
        folders[place.site] = _shared(folders.get(place.site, folder), folder)
    return folders


def _shared(one: str, other: str) -> str:
    """Return the directory that has both of two; the first if no directory has."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one.split("/"), other.split("/"), strict=False))
    shared = "/".join(part for part, _ in pairs)
    if one.startswith("/"):
        return shared or "/"
    return shared if shared.count("/") > 1 else one
