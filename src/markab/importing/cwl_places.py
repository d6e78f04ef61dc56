"""Where the parts of a CWL document stand: file and line, for errors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from markab.errors import Problem
from markab.spec.yaml_nodes import UnreadableError, compose, decode


class Inconvertible(Exception):
    """A part of a document that has no counterpart here; the one argument is the problem."""


@dataclass(frozen=True)
class CwlPlace:
    """A part of a document. A part of it that cannot be found there has the place of the whole."""

    file: str
    node: yaml.Node | None
    line: int
    """Where it begins: of a value the line of its key; 0: it is not known."""

    def at(self, *names: str) -> CwlPlace:
        """Return the value of a key, or the entry of that name (`id`, `class`, `entryname`) of a list; and so on."""
        place = self
        for name in names:
            place = place._at(name)
        return place

    def item(self, position: int) -> CwlPlace:
        """Return an item of a list."""
        if isinstance(self.node, yaml.SequenceNode) and position < len(self.node.value):
            return _of(self.file, self.node.value[position])
        return self

    def error(self, message: str, hint: str = "", kind: str = "cwl") -> Inconvertible:
        """Return the error of this place."""
        return Inconvertible(self.problem(message, hint, kind))

    def problem(self, message: str, hint: str = "", kind: str = "cwl") -> Problem:
        """Return a problem of this place."""
        return Problem(message, hint, self.file, self.line, kind)

    def _at(self, name: str) -> CwlPlace:
        if isinstance(self.node, yaml.MappingNode):
            for key, value in self.node.value:
                if key.value == name:
                    return CwlPlace(self.file, value, key.start_mark.line + 1)
        if isinstance(self.node, yaml.SequenceNode):
            for item in self.node.value:
                if _named(item).lstrip("#") == name:
                    return _of(self.file, item)
        return self


def _of(file: str, node: yaml.Node | None) -> CwlPlace:
    return CwlPlace(file, node, node.start_mark.line + 1 if node is not None else 0)


def _named(node: yaml.Node) -> str:
    """Return the name of an entry of a list."""
    if not isinstance(node, yaml.MappingNode):
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    names = {key.value: str(value.value) for key, value in node.value if isinstance(value, yaml.ScalarNode)}
    return names.get("id") or names.get("class") or names.get("entryname") or names.get("envName") or ""


def _document(path: str) -> yaml.Node | None:
    try:
        return compose(decode(Path(path).read_bytes(), path), path)
    except (OSError, UnreadableError):
        return None


def place_of(path: Path, shown: str, fragment: str = "") -> CwlPlace:
    """Return the place of a document, or of the process of that name in its `$graph`."""
    root = _of(shown, _document(str(path)))
    graph = root.at("$graph")
    return graph.at(fragment) if graph != root else root
