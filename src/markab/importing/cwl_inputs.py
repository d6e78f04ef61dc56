"""The input object of a CWL workflow, and the places of the files that it names."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from markab.errors import DocumentError, Problem
from markab.importing.cwl_places import CwlPlace, Inconvertible, place_of
from markab.importing.cwl_values import UNKNOWN, FileValue, secondary_name
from markab.spec.document_file import read_bytes
from markab.spec.model import Pfn, Replica, ReplicaCatalog


@dataclass
class InputFiles:
    """The files of the world outside that a workflow reads: each has a logical name and a replica."""

    lfn_of: Callable[[str, str], str]
    """From the place of a file and its base name to its logical name."""
    problems: list[Inconvertible]
    replicas: dict[str, Replica] = field(default_factory=dict)

    def catalog(self) -> ReplicaCatalog:
        """Return the replicas, in the order in which the workflow names the files."""
        return ReplicaCatalog(list(self.replicas.values()))

    def value(self, given: Any, patterns: list[tuple[str, bool]], directory: Path, place: CwlPlace) -> Any:
        """Return a value of an input object or a default: each mapping of class File or Directory becomes a file."""
        if isinstance(given, list):
            return [self.value(each, patterns, directory, place.item(i)) for i, each in enumerate(given)]
        if isinstance(given, dict) or hasattr(given, "class_"):
            try:
                return self._file(_as_mapping(given), patterns, directory, place)
            except Inconvertible as error:
                self.problems.append(error)
                return UNKNOWN
        return given

    def _file(
        self, given: dict[str, Any], patterns: list[tuple[str, bool]], directory: Path, place: CwlPlace
    ) -> FileValue:
        kind = given.get("class")
        if kind not in ("File", "Directory"):
            raise place.error("a record cannot be converted", "make each of its fields an input")
        url = _url(given.get("path") or given.get("location"), directory)
        if not url:
            raise place.error(
                f"this {kind} has no path: a literal cannot be converted", "write it to a file, and name it"
            )
        base = given.get("basename") or os.path.basename(unquote(urlsplit(url).path).rstrip("/"))
        lfn = self.lfn_of(url, base)
        self._add(lfn, url, place, is_directory=kind == "Directory")
        beside = [self._beside(each, lfn, directory, place) for each in given.get("secondaryFiles") or []]
        if not beside:
            beside = list(self._found_beside(patterns, lfn, url, place))
        return FileValue(lfn + "/" * (kind == "Directory"), kind == "Directory", tuple(beside))

    def _beside(self, given: Any, lfn: str, directory: Path, place: CwlPlace) -> FileValue:
        """Return a secondary file that the input object names."""
        url = _url(given.get("path") or given.get("location"), directory)
        name = os.path.join(
            os.path.dirname(lfn), given.get("basename") or os.path.basename(urlsplit(url).path)
        )
        self._add(name, url, place, is_directory=False)
        return FileValue(name)

    def _found_beside(self, patterns: list[tuple[str, bool]], lfn: str, url: str, place: CwlPlace) -> Any:
        for pattern, required in patterns:
            beside = secondary_name(url, pattern)
            if required or _exists(beside):
                name = secondary_name(lfn, pattern)
                self._add(name, beside, place, is_directory=False)
                yield FileValue(name)

    def _add(self, lfn: str, url: str, place: CwlPlace, *, is_directory: bool) -> None:
        if not _exists(url):
            path = url.removeprefix("file://")
            raise place.error(f"there is no file {path!r}", "correct its path", "missing-input")
        is_local = url.startswith("file:")
        pfn = url.removeprefix("file://") if is_local else url
        if "${" in pfn:
            raise place.error(f"{pfn!r} has '${{' in it, which is a variable in catalogs", "rename the file")
        name = lfn + "/" * is_directory
        self.replicas.setdefault(
            name, Replica(name, [Pfn("local" if is_local else urlsplit(url).netloc, pfn)])
        )


def read_input_object(path: Path) -> tuple[dict[str, Any], CwlPlace]:
    """Return the values of an input object, YAML or JSON.

    Raises:
        DocumentError: it is not a mapping.
        StorageError: it cannot be read.
    """
    text = read_bytes(path)
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        raise DocumentError(
            Problem(f"not YAML: {getattr(error, 'problem', error)}", "", str(path), line)
        ) from None
    if not isinstance(values, dict):
        raise DocumentError(Problem("the document is not a mapping of inputs to values", "", str(path), 1))
    return values, place_of(path, str(path))


def _as_mapping(given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return given
    return {**vars(given), "class": given.class_}


def _url(given: Any, directory: Path) -> str:
    if not given:
        return ""
    text = str(given)
    if "://" in text and not text.startswith("file:"):
        return text
    path = unquote(urlsplit(text).path) if text.startswith("file:") else text
    return "file://" + os.path.normpath(directory.absolute() / path)


def _exists(url: str) -> bool:
    return not url.startswith("file:") or os.path.exists(url.removeprefix("file://"))
