"""The elements of a document in XML: what may stand in each (here, in DAX 3), and reading their attributes.

Obsolete attributes, such as `level` of a job or `varname` of stdin, are accepted
and ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

from markab.errors import Problem
from markab.spec.careful_reader import FALSE, TRUE, Lines
from markab.spec.model import Profiles
from markab.spec.schema import NAMESPACES
from markab.spec.suggestions import did_you_mean
from markab.spec.variables import expand
from markab.spec.xml_elements import Element

T = TypeVar("T")


class Shape(NamedTuple):
    """What may stand in an element."""

    required: tuple[str, ...]
    """One of the alternatives `a|b` is enough."""
    attributes: frozenset[str]
    """All of them, ignored ones included."""
    children: frozenset[str] = frozenset()
    text: bool = False


def element_shape(required: str = "", others: str = "", children: str = "", text: bool = False) -> Shape:
    """Return a shape from names that are separated by blanks."""
    every = required.replace("|", " ").split() + others.split()
    return Shape(tuple(required.split()), frozenset(every), frozenset(children.split()), text)


_TASK = "argument metadata profile stdin stdout stderr uses invoke"
_STREAM = element_shape("name|file", "link varname")

SHAPES = {
    "adag": element_shape("name version", "index count fileCount jobCount childCount"),
    "metadata": element_shape("key", "type", text=True),
    "invoke": element_shape("when", text=True),
    "profile": element_shape("namespace key", "origin", text=True),
    "file": element_shape("name", "link optional", "profile metadata pfn"),
    "pfn": element_shape("url", "site", "profile"),
    "executable": element_shape(
        "name", "namespace version installed arch os osrelease osversion glibc", "profile metadata pfn invoke"
    ),
    "transformation": element_shape("name", "namespace version", "metadata uses invoke"),
    "job": element_shape(
        "id name",
        "namespace version node-label level compound dv-namespace dv-name dv-version",
        _TASK,
    ),
    "dax": element_shape("id file|name", "node-label level namespace version", _TASK),
    "dag": element_shape("id file|name", "node-label level namespace version", _TASK),
    "argument": element_shape("", "", "file filename", text=True),
    "argument/file": element_shape("name|file", "link optional register transfer type"),
    "stdin": _STREAM,
    "stdout": _STREAM,
    "stderr": _STREAM,
    "uses": element_shape(
        "name|file",
        "link optional register transfer size namespace version executable type temporaryHint varname",
        "metadata",
    ),
    "child": element_shape("ref", "", "parent"),
    "parent": element_shape("ref", "edge-label"),
}

Event = Literal["never", "start", "error", "success", "end", "all"]
EVENTS: dict[str, Event] = {
    "never": "never",
    "start": "start",
    "on_error": "error",
    "on_success": "success",
    "at_end": "end",
    "all": "all",
}
"""When a hook is called, as DAX 3 and as YAML name it."""


class ElementReader:
    """Reads elements, and collects what is wrong with them."""

    def __init__(self, name: str, environment: Mapping[str, str], shapes: Mapping[str, Shape]) -> None:
        self.name = name
        self.shapes = shapes
        self.environment = environment
        self.problems: list[Problem] = []
        self.lines = Lines()

    def problem(self, element: Element, message: str, hint: str = "", kind: str = "wrong-value") -> None:
        """Add a problem with `element`."""
        self.problems.append(Problem(message, hint, self.name, element.line, kind))

    def is_known(self, element: Element, shape_name: str = "") -> bool:
        """Check the content of an element; return whether it has all that is required."""
        shape = self.shapes[shape_name or element.name]
        for key in element.attributes.keys() - shape.attributes:
            hint = did_you_mean(key, shape.attributes, "remove it")
            self.problem(element, f"unknown attribute {key!r} in {label(element)}", hint, "unknown-key")
        for part in element.content:
            if isinstance(part, Element):
                if part.name not in shape.children:
                    self.unknown(part, element, shape.children)
            elif not shape.text and part.strip():
                shown = " ".join(part.split())[:40]
                self.problem(element, f"{label(element)} contains the text {shown!r}", "remove it")
        missing = [names for names in shape.required if not element.attributes.keys() & set(names.split("|"))]
        for names in missing:
            key = names.partition("|")[0]
            self.problem(element, f"{label(element)} has no {key!r}", f'add {key}="…"', "missing-key")
        return not missing

    def unknown(self, element: Element, parent: Element, known: Collection[str]) -> None:
        """Add a problem: an element where it is not allowed."""
        hint = did_you_mean(element.name, known, "remove it")
        self.problem(element, f"unknown element <{element.name}> in {label(parent)}", hint, "unknown-key")

    def each(self, element: Element, name: str) -> list[Element]:
        """Return the complete children of that name."""
        return [part for part in element.children if part.name == name and self.is_known(part)]

    def get(self, element: Element, key: str) -> str:
        """Return a required attribute, under any of the names that the table has for it."""
        return self.find(element, key) or ""

    def find(self, element: Element, *keys: str) -> str | None:
        """Return the first of these attributes that is given."""
        for key in keys:
            value = element.attributes.get(key)
            if value is not None:
                return self.expanded(element, value, repr(key))
        return None

    def content(self, element: Element) -> str:
        """Return the text of an element."""
        return self.expanded(element, element.text, "the text")

    def expanded(self, element: Element, text: str, what: str) -> str:
        """Return `text` with variables of the environment replaced."""
        try:
            return expand(text, self.environment)
        except KeyError as error:
            (name,) = error.args
            message = f"{what} of {label(element)} uses the environment variable {name!r}, which is not set"
            self.problem(element, message, f"type `export {name}=…` before planning", "unset-variable")
            return text

    def flag(self, element: Element, key: str) -> bool | None:
        """Return a truth value, or None if there is none."""
        text = element.attributes.get(key)
        if text is None:
            return None
        word = text.strip().lower()
        if word not in TRUE and word not in FALSE and word not in ("0", "1"):
            self.problem(element, f"{key!r} of {label(element)} is {text!r}; it must be true or false")
            return None
        return word in TRUE or word == "1"

    def whole(self, element: Element, key: str) -> int | None:
        """Return a whole number, or None if there is none."""
        text = self.find(element, key)
        if text is None:
            return None
        if not (text.strip().isascii() and text.strip().isdigit()):
            self.problem(element, f"{key!r} of {label(element)} is {text!r}; it must be a whole number")
            return None
        return int(text)

    def choice(self, element: Element, key: str, words: Sequence[str], otherwise: str = "") -> str | None:
        """Return an attribute that is one of `words`."""
        text = element.attributes.get(key, otherwise)
        if text in words:
            return text
        if key in element.attributes:
            message = f"{key!r} of {label(element)} is {text!r}; it must be one of {', '.join(words)}"
            self.problem(element, message, did_you_mean(text, words))
        else:
            message = f"{label(element)} has no {key!r}"
            self.problem(element, message, f"add {key}= with one of {', '.join(words)}", "missing-key")
        return None

    def profiles(self, element: Element) -> Profiles:
        """Return the profiles inside an element."""
        found: Profiles = {}
        for profile in self.each(element, "profile"):
            profile.attributes["namespace"] = profile.attributes["namespace"].lower()
            if namespace := self.choice(profile, "namespace", NAMESPACES):
                found.setdefault(namespace, {})[self.get(profile, "key")] = self.content(profile)
        return found

    def at(self, element: Element, item: T) -> T:
        """Record the line of `item` and return it."""
        self.lines.put(item, element.line)
        return item


def label(element: Element) -> str:
    """Return the name of an element for messages: `<job id='ID1'>`."""
    key = next(
        (key for key in ("id", "name", "handle", "file", "key", "ref") if key in element.attributes), None
    )
    return f"<{element.name} {key}={element.attributes[key]!r}>" if key else f"<{element.name}>"
