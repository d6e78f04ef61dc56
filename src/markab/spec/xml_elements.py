"""XML as plain elements with line numbers, a branch at a time.

Uses the standard library's expat. A document type declaration is rejected, because
it can define entities, whose expansion can fill any memory; nothing outside of the
document is ever opened. Namespaces are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.parsers import expat

from markab.errors import Problem

_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[?!A-Za-z_]")

MAX_DEPTH = 100


class NotXmlError(Exception):
    """The text is not readable XML; the one argument is the problem."""


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
    """Call `begin` with the root, still without content, then `take` with each element inside it.

    An element is passed on when it ends, and not kept: a document may be larger than
    the memory that all its elements would need.

    Raises:
        NotXmlError: with the line; elements before it have been passed on.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    open_elements: list[Element] = []

    def refuse(*_: object) -> None:
        raise NotXmlError(
            Problem(
                "unsupported document type declaration (<!DOCTYPE …>)",
                "remove it; write the text of its entities instead",
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
