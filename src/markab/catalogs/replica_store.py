"""Replica catalogs that can be changed: the protocol of a store, and its entries.

YAML and text files are read and replaced as a whole; SQLite files are queried and
changed in place. Attributes of a file (checksum, metadata) belong to its name, not to
one of its places.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from re import Pattern, compile
from typing import Protocol

import msgspec

from markab.catalogs.replica_text import escaped_quotes, parse_replica_file, quoted_word
from markab.errors import DocumentError, StorageError
from markab.spec.model import Checksum, Pfn, Replica, ReplicaCatalog


class Entry(msgspec.Struct, frozen=True):
    """One place of one file."""

    lfn: str
    pfn: str
    site: str | None = "local"
    """None in an entry to search for: any site."""
    attributes: dict[str, str] = {}
    """`checksum.type`, `checksum.value`, and metadata of the file."""
    regex: bool = False

    def line(self) -> str:
        """Return it as a line of a text catalog."""
        known = {} if self.site is None else {"site": self.site}
        known |= {"regex": "true"} if self.regex else {}
        known |= self.attributes
        return " ".join(
            [
                quoted_word(self.lfn),
                quoted_word(self.pfn),
                *(f'{key}="{escaped_quotes(v)}"' for key, v in known.items()),
            ]
        )


class ReplicaStore(Protocol):
    """A catalog that can be changed. Each call succeeds completely or changes nothing."""

    loses_comments: bool
    """A change drops comments that stand in the file."""

    def insert(self, entries: Sequence[Entry]) -> int:
        """Add places; return how many were new. Attributes replace those of the same name."""
        ...

    def delete(self, entries: Sequence[Entry]) -> int:
        """Remove places; return how many were removed. A site or attribute that is given must match."""
        ...

    def remove(self, lfns: Sequence[str]) -> int:
        """Remove files with all their places; return how many of them were there."""
        ...

    def lookup(self, lfns: Iterable[str]) -> Iterator[Entry]:
        """Yield the places of files."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Yield all entries."""
        ...

    def clear(self) -> int:
        """Remove everything; return how many places there were."""
        ...


def parsed_line(line: str, source: str, number: int) -> Entry:
    """Return the entry in a line of a text catalog; its site is None when the line has none.

    Raises:
        DocumentError: the line is invalid.
    """
    try:
        (replica,) = parse_replica_file(line, source, absolute_lfns=True).replicas
    except DocumentError as error:
        for problem in error.problems:
            problem.line = number
        raise DocumentError(*error.problems) from None
    (entry,) = entries_of(replica)
    has_site = any(key in line for key in ("site=", "pool=", "site =", "pool ="))
    return entry if has_site else msgspec.structs.replace(entry, site=None)


def entries_of(replica: Replica) -> Iterator[Entry]:
    """Yield the places of a replica."""
    known: dict[str, str] = {}
    if replica.checksum is not None and replica.checksum.sha256 is not None:
        known = {"checksum.type": "sha256", "checksum.value": replica.checksum.sha256}
    known |= {key: str(value) for key, value in replica.metadata.items()}
    for place in replica.pfns:
        yield Entry(replica.lfn, place.pfn, place.site, known, replica.regex)


def replica_of(entry: Entry) -> Replica:
    """Return an entry as a replica with one place.

    Raises:
        StorageError: the type of its checksum is not supported.
    """
    metadata = dict(entry.attributes)
    kind, digest = metadata.pop("checksum.type", "sha256"), metadata.pop("checksum.value", None)
    if digest is not None and kind.lower() not in ("sha256", "sha-256"):
        raise StorageError(
            f"the checksum of {entry.lfn!r} has the type {kind!r}; only sha256 is supported",
            hint="give checksum.type=sha256 and the output of `sha256sum` as checksum.value",
        )
    checksum = None if digest is None else Checksum(digest)
    return Replica(entry.lfn, [Pfn(entry.site or "local", entry.pfn)], entry.regex, checksum, dict(metadata))


def catalog_of(entries: Iterable[Entry]) -> ReplicaCatalog:
    """Return entries as a catalog, those of one file together."""
    found: dict[tuple[str, bool], Replica] = {}
    for entry in entries:
        new = replica_of(entry)
        first = found.setdefault((entry.lfn, entry.regex), new)
        if first is not new:
            first.pfns += [place for place in new.pfns if place not in first.pfns]
            first.metadata = {**first.metadata, **new.metadata}
            first.checksum = new.checksum or first.checksum
    return ReplicaCatalog(list(found.values()))


def is_match(wanted: Entry, found: Entry) -> bool:
    """Return whether `found` is the place of `wanted`, with all its attributes."""
    return (
        wanted.lfn == found.lfn
        and wanted.pfn in (found.pfn, os.path.expandvars(found.pfn))
        and wanted.site in (None, found.site)
        and all(found.attributes.get(key) == value for key, value in wanted.attributes.items())
    )


def matching(entries: Iterable[Entry], patterns: Mapping[str, str]) -> Iterator[Entry]:
    """Yield the entries that match all patterns: of `lfn`, `pfn`, `site` or an attribute.

    `%` and `*` stand for any text, `?` for one character.
    """
    compiled: dict[str, Pattern[str]] = {
        key: compile(translate(pattern.replace("%", "*").replace("[", "[[]")))
        for key, pattern in patterns.items()
    }
    for entry in entries:
        known = {**entry.attributes, "lfn": entry.lfn, "pfn": entry.pfn, "site": entry.site or ""}
        if all(pattern.match(known.get(key, "")) for key, pattern in compiled.items()):
            yield entry
