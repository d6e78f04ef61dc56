"""The values of CWL parameters: what a workflow is given, and what its steps hand on."""

from __future__ import annotations

import os.path
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markab.importing.cwl_places import CwlPlace


@dataclass(frozen=True)
class FileValue:
    """A file or a directory, by the logical name that it has in the workflow."""

    lfn: str
    is_directory: bool = False
    secondary: tuple[FileValue, ...] = ()
    """Files that come with it, beside it."""

    @property
    def path(self) -> str:
        """Its path in the directory of a job."""
        return self.lfn.rstrip("/")

    def attribute(self, name: str) -> Any:
        """Return what CWL calls `$(inputs.x.NAME)`; raise KeyError if it is not known before the file exists."""
        base = os.path.basename(self.path)
        root, ext = os.path.splitext(base)
        known = {
            "path": self.path,
            "location": self.path,
            "basename": base,
            "nameroot": root,
            "nameext": ext,
            "dirname": os.path.dirname(self.path) or ".",
            "class": "Directory" if self.is_directory else "File",
            "secondaryFiles": list(self.secondary),
        }
        return known[name]


class UnknownValue:
    """A value that could not be converted; its error was reported where it arose."""


UNKNOWN = UnknownValue()


def files_in(value: Any) -> list[FileValue]:
    """Return the files of a value, with those that come with them."""
    if isinstance(value, FileValue):
        return [value, *(file for each in value.secondary for file in files_in(each))]
    if isinstance(value, list):
        return [file for each in value for file in files_in(each)]
    return []


def is_unknown(value: Any) -> bool:
    """Return whether a value, or a part of it, could not be converted."""
    return value is UNKNOWN or (isinstance(value, list) and any(is_unknown(each) for each in value))


def secondary_name(primary: str, pattern: str) -> str:
    """Return the name of a secondary file: the pattern is put behind the name; each `^` before it drops an extension."""
    while pattern.startswith("^"):
        primary, pattern = os.path.splitext(primary)[0], pattern[1:]
    return primary + pattern


def secondary_patterns(parameter: Any, place: CwlPlace) -> list[tuple[str, bool]]:
    """Return the patterns of the secondary files of a parameter, and whether each file must be there."""
    given = parameter.secondaryFiles or []
    found = []
    for each in given if isinstance(given, list) else [given]:
        pattern, required = (
            (each, True) if isinstance(each, str) else (each.pattern, getattr(each, "required", None))
        )
        if isinstance(required, str) or "$(" in pattern or "${" in pattern:
            raise place.at("secondaryFiles").error(
                "an expression among secondaryFiles cannot be converted",
                "write a pattern such as '.bai' or '^.bai'",
            )
        found.append((pattern.removesuffix("?"), not pattern.endswith("?") and required is not False))
    return found


def fits(value: Any, wanted: Any) -> bool:
    """Return whether a value is of a CWL type, as `cwl_utils` gives it."""
    if value is UNKNOWN or wanted == "Any":
        return True
    if isinstance(wanted, list):
        return any(fits(value, each) for each in wanted)
    if isinstance(wanted, str):
        return _PRIMITIVE.get(wanted, _nothing)(value)
    if getattr(wanted, "type_", None) == "array":
        return isinstance(value, list) and all(fits(each, wanted.items) for each in value)
    if getattr(wanted, "type_", None) == "enum":
        return value in [symbol.rpartition("/")[2].rpartition("#")[2] for symbol in wanted.symbols]
    return False


def type_name(wanted: Any) -> str:
    """Return a CWL type as people write it."""
    if isinstance(wanted, list):
        optional = "?" if "null" in wanted else ""
        return " or ".join(type_name(each) for each in wanted if each != "null") + optional
    if isinstance(wanted, str):
        return wanted
    kind = getattr(wanted, "type_", "unknown")
    return f"{type_name(wanted.items)}[]" if kind == "array" else str(kind)


def _nothing(_: Any) -> bool:
    return False


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_file(value: Any) -> bool:
    return isinstance(value, FileValue) and not value.is_directory


_PRIMITIVE: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "long": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": _is_number,
    "double": _is_number,
    "string": lambda value: isinstance(value, str),
    "File": _is_file,
    "stdin": _is_file,
    "Directory": lambda value: isinstance(value, FileValue) and value.is_directory,
}
