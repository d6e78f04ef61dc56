"""XML as plain elements with line numbers, a branch at a time.

Reads with the expat of the standard library. A document type declaration is
refused, because with it come entities, whose expansion can fill any memory;
nothing outside of the document is ever opened. Namespaces are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.parsers import expat

from markab.errors import Problem

_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[?!A-Za-z_]")

MAX_DEPTH = 100


class NotXmlError(Exception):
    """The text is no XML that can be read; the one argument is the problem."""


class Element:
    """An element: its attributes without namespaces, and its texts and children in their order."""

    __slots__ = ("attributes", "content", "line", "name")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.content: list[str | Element] = []

    @property
    def children(self) -> list[Element]:
        """The elements directly inside."""
        return [part for part in self.content if isinstance(part, Element)]

    @property
    def text(self) -> str:
        """The text directly inside, without blanks around it."""
        return "".join(part for part in self.content if isinstance(part, str)).strip()


def is_xml(data: bytes) -> bool:
    """Return whether a document is meant as XML."""
    return _BEGIN.match(data) is not None


def read_elements(
    data: bytes, name: str, begin: Callable[[Element], None], take: Callable[[Element], None]
) -> None:
    """Call `begin` with the root, as yet without content, then `take` with each element inside it.

    An element is handed over when it ends, and forgotten: a document may be
    larger than the memory that all its elements would need.

    Raises:
        NotXmlError: with the line; what was taken before stays taken.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    open_elements: list[Element] = []

    def refuse(*_: object) -> None:
        raise NotXmlError(
            Problem(
                "the document has a document type declaration (<!DOCTYPE …>), which is not read",
                "remove it; write entities of your own as text",
                name,
                parser.CurrentLineNumber,
                "doctype",
            )
        )

    def start(tag: str, attributes: dict[str, str]) -> None:
        own = {key: value for key, value in attributes.items() if " " not in key}
        element = Element(tag.rpartition(" ")[2], own, parser.CurrentLineNumber)
        if not open_elements:
            begin(element)
        elif len(open_elements) > 1:
            open_elements[-1].content.append(element)
        if len(open_elements) >= MAX_DEPTH:
            raise NotXmlError(
                Problem(f"elements are nested more than {MAX_DEPTH} deep", "", name, element.line, "not-xml")
            )
        open_elements.append(element)

    def end(_: str) -> None:
        element = open_elements.pop()
        if len(open_elements) == 1:
            take(element)

    def text(words: str) -> None:
        open_elements[-1].content.append(words)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(data.removeprefix(b"\xef\xbb\xbf"), True)
    except expat.ExpatError as error:
        what = expat.errors.messages[error.code]
        hint = "check the tags and quotes on this line and the ones above"
        raise NotXmlError(Problem(f"not XML: {what}", hint, name, error.lineno, "not-xml")) from None
    except (LookupError, ValueError) as error:
        raise NotXmlError(Problem(f"not XML: {error}", "save it as UTF-8", name, 1, "not-xml")) from None
