"""Parameter references of CWL, `$(inputs.x.basename)`, replaced by their values; JavaScript is an error. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markab.importing.cwl_places import CwlPlace
from markab.importing.cwl_values import UNKNOWN, FileValue

_PART = re.compile(r"""\.(\w+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_REFERENCE = re.compile(rf"\$\(\s*(inputs|self|runtime)((?:{_PART.pattern})*)\s*\)")
_EXPRESSION = re.compile(r"\\\\|\\\$(?=[({])|\$[({]")


@dataclass(frozen=True)
class Scope:
    """What references can name."""

    inputs: Mapping[str, Any]
    runtime: Mapping[str, Any]
    this: Any = None
    """The value of `self`."""

    def text(self, given: str, place: CwlPlace) -> str:
        """Return a text with its references replaced. Raises Inconvertible for JavaScript."""
        value = self.value(given, place)
        return "" if value is UNKNOWN else as_text(value)

    def value(self, given: Any, place: CwlPlace) -> Any:
        """Return the value of a field: that of the reference, if it is nothing else; a text has them replaced."""
        if not isinstance(given, str):
            return given
        if (whole := _REFERENCE.fullmatch(given.strip())) and given.strip().startswith("$("):
            return self._resolved(whole, place)
        pieces, position = [], 0
        while found := _EXPRESSION.search(given, position):
            pieces.append(given[position : found.start()])
            if found[0].startswith("\\"):
                pieces.append(found[0][1:])
                position = found.end()
                continue
            reference = _REFERENCE.match(given, found.start())
            if reference is None:
                raise place.error(
                    f"{_shown(given[found.start() :])} is JavaScript, which cannot be converted",
                    "give the value, or compute it in the program of the step",
                )
            value = self._resolved(reference, place)
            if value is UNKNOWN:
                return UNKNOWN
            pieces.append(as_text(value))
            position = reference.end()
        return "".join([*pieces, given[position:]])

    def _resolved(self, reference: re.Match[str], place: CwlPlace) -> Any:
        roots = {"inputs": self.inputs, "runtime": self.runtime, "self": self.this}
        value: Any = roots[reference[1]]
        for part in _PART.finditer(reference[2]):
            key = next(group for group in part.groups() if group is not None)
            if value is UNKNOWN:
                return UNKNOWN
            value = _part(value, key, reference[0], place)
        return value


def is_expression(given: Any) -> bool:
    """Return whether a field has a reference or JavaScript in it."""
    return isinstance(given, str) and any(not m[0].startswith("\\") for m in _EXPRESSION.finditer(given))


def as_text(value: Any) -> str:
    """Return a value as it stands in a command line."""
    if isinstance(value, FileValue):
        return value.path
    if isinstance(value, str):
        return value
    return json.dumps(
        value, default=lambda each: each.path if isinstance(each, FileValue) else type(each).__name__
    )


def _part(value: Any, key: str, reference: str, place: CwlPlace) -> Any:
    try:
        if isinstance(value, FileValue):
            return value.attribute(key)
        if isinstance(value, list):
            return len(value) if key == "length" else value[int(key)]
        return value[key]
    except (KeyError, IndexError, ValueError, TypeError):
        pass
    if isinstance(value, FileValue):
        raise place.error(
            f"{reference}: {key} of a file is not known before the workflow runs",
            "path, basename, nameroot, nameext and dirname are",
        )
    raise place.error(f"{reference} names nothing: there is no {key!r}", "check the name")


def _shown(text: str) -> str:
    line = text.strip().splitlines()[0]
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
