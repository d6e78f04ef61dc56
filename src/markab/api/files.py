"""Logical files, and their uses by jobs."""

from __future__ import annotations

from typing import Any

from markab.api.mixins import MetadataMixin, shared_data


class File(MetadataMixin):
    """A file by its logical name, without its places.

    Two files are equal if their names are, even if their classes differ.
    """

    def __init__(self, lfn: str, size: int | None = None, for_planning: bool = False) -> None:
        """Name a file; `size` is in bytes, `for_planning` marks files that the planning of a sub-workflow reads.

        Raises:
            TypeError: `lfn` is not text.
        """
        if not isinstance(lfn, str):
            raise TypeError(f"a file is named by text, not by {lfn!r} ({type(lfn).__name__})")
        self.lfn = lfn
        self.size = size
        self.for_planning = for_planning
        if size:
            self.metadata["size"] = size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and self.lfn == other.lfn

    def __hash__(self) -> int:
        return hash(self.lfn)

    def __str__(self) -> str:
        """Return the logical name: scripts put files into texts of arguments."""
        return self.lfn

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.lfn}>"


def as_file(value: object, role: str, owner: object) -> File:
    """Return a File as it is, and a text as the File of that name; anything else is a TypeError."""
    if isinstance(value, File):
        return value
    if isinstance(value, str):
        return File(value)
    raise TypeError(
        f"{role} of {owner!r} is {value!r} ({type(value).__name__}), but must be a File or its name"
    )


class Use:
    """The use of a file by a job: `type` is `input`, `output` or `checkpoint`."""

    __slots__ = ("bypass", "file", "register_replica", "stage_out", "type")

    def __init__(
        self,
        file: File,
        type: str,
        stage_out: bool | None = None,
        register_replica: bool | None = None,
        bypass: bool = False,
    ) -> None:
        self.file = file
        self.type = type
        self.stage_out = stage_out
        self.register_replica = register_replica
        self.bypass = bypass

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `uses:`."""
        file = self.file
        data: dict[str, Any] = {"lfn": file.lfn, "type": self.type}
        if self.stage_out is not None:
            data["stageOut"] = self.stage_out
        if self.register_replica is not None:
            data["registerReplica"] = self.register_replica
        if self.bypass:
            data["bypass"] = True
        if file.for_planning:
            data["forPlanning"] = True
        if file.size is not None:
            data["size"] = file.size
        if file._metadata:
            data.update(shared_data(file, "metadata"))
        return data
