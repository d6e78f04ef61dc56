"""The builder of replica catalogs: the places of logical files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from markab.api.errors import DuplicateError
from markab.api.files import File
from markab.api.mixins import MetadataMixin, shared_data
from markab.api.profiles import Value
from markab.api.writable import Writable

if TYPE_CHECKING:
    from typing_extensions import Self


class PFN(NamedTuple):
    """One place of a file: the label of a site, and a URL or path there."""

    site: str
    pfn: str


class ReplicaEntry(MetadataMixin):
    """All places of one logical file, or of all files whose names match a pattern."""

    def __init__(self, lfn: str, regex: bool = False) -> None:
        self.lfn = lfn
        self.regex = regex
        self.pfns: dict[PFN, None] = {}
        """In the order added, each once."""
        self.checksum: dict[str, str] = {}

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `replicas:`."""
        data: dict[str, Any] = {
            "lfn": self.lfn,
            "pfns": [{"site": site, "pfn": pfn} for site, pfn in self.pfns],
        }
        if self.checksum:
            data["checksum"] = dict(self.checksum)
        if self.regex:
            data["regex"] = True
        data.update(shared_data(self, "metadata"))
        return data


class ReplicaCatalog(Writable):
    """Logical file → its places; entries keep the order in which they were added."""

    _DEFAULT_FILENAME = "replicas.yml"

    def __init__(self) -> None:
        self.entries: dict[tuple[str, bool], ReplicaEntry] = {}
        """(lfn or pattern, is it a pattern) → entry."""

    def add_replica(
        self,
        site: str,
        lfn: str | File,
        pfn: str | Path,
        checksum: Mapping[str, str] | None = None,
        metadata: Mapping[str, Value] | None = None,
    ) -> Self:
        """Add the place `pfn`, a URL or an absolute path at `site`, of the file `lfn`.

        The same file may be added again with other places; all are kept.

        Raises:
            TypeError: `lfn` or `pfn` is of another type.
            ValueError: `pfn` is a relative Path, or `checksum` is not `{"sha256": …}`.
        """
        if not isinstance(lfn, (str, File)):
            raise TypeError(
                f"a replica is of a File or the name of one, not of {lfn!r} ({type(lfn).__name__})"
            )
        name = lfn if isinstance(lfn, str) else lfn.lfn
        place = _place(pfn, name)
        if checksum and {key.lower() for key in checksum} != {"sha256"}:
            raise ValueError(f"the checksum of {name!r} is {dict(checksum)!r}, but must be {{'sha256': '…'}}")
        entry = self.entries.setdefault((name, False), ReplicaEntry(name))
        entry.pfns[PFN(site, place)] = None
        entry.checksum.update({key.lower(): str(value) for key, value in (checksum or {}).items()})
        entry.metadata.update(metadata or {})
        if isinstance(lfn, File) and lfn._metadata:
            entry.metadata.update(lfn.metadata)
        return self

    def add_regex_replica(
        self, site: str, pattern: str, pfn: str | Path, metadata: Mapping[str, Value] | None = None
    ) -> Self:
        """Add the place of all files whose names match `pattern`; `[0]` in `pfn` is the name, `[1]` the first group.

        Raises:
            TypeError: `pfn` is neither text nor Path.
            ValueError: `pfn` is a relative Path.
            DuplicateError: the pattern was added before.
        """
        place = _place(pfn, pattern)
        if (pattern, True) in self.entries:
            raise DuplicateError(f"the replica catalog already has the pattern {pattern!r}")
        entry = ReplicaEntry(pattern, regex=True)
        entry.pfns[PFN(site, place)] = None
        entry.metadata.update(metadata or {})
        self.entries[pattern, True] = entry
        return self

    def to_data(self) -> dict[str, Any]:
        """Return the body of the document."""
        return {"replicas": [entry.to_data() for entry in self.entries.values()]}


def _place(pfn: object, lfn: str) -> str:
    if isinstance(pfn, PurePath):
        if not pfn.is_absolute():
            raise ValueError(
                f"the replica of {lfn!r} is at the relative path {os.fspath(pfn)!r}: use Path(…).resolve()"
            )
        return os.fspath(pfn)
    if isinstance(pfn, str):
        return pfn
    raise TypeError(
        f"the replica of {lfn!r} is at {pfn!r} ({type(pfn).__name__}), but must be at a text or a Path"
    )
