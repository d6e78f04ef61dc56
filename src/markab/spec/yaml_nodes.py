"""From the bytes of a document to YAML nodes, or one clear error.

Reads any YAML 1.1 and JSON, and checks only that it is one mapping.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from markab.errors import Problem

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML built without libyaml: slower, otherwise the same
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

NULL = "tag:yaml.org,2002:null"
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
MERGE = "tag:yaml.org,2002:merge"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TWO_ESCAPES = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_DEEP = re.compile(r"(?:[\[{][^\[\]{}]*){100}|^ *(?:[-?:] +){100}", re.MULTILINE)


class UnreadableError(Exception):
    """The text is not a document; the one argument is the problem."""


class _TextLoader(Loader):
    """Resolves only empty values and merge keys; every other scalar is a string.

    Resolving YAML 1.1 numbers, dates and booleans would take a third of the reading time.
    """

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Return the tag of a node without an explicit one."""
        if kind is not yaml.ScalarNode:
            return "tag:yaml.org,2002:map" if kind is yaml.MappingNode else "tag:yaml.org,2002:seq"
        if implicit[0]:
            if value in _NULLS:
                return NULL
            if value == "<<":
                return MERGE
        return "tag:yaml.org,2002:str"


def decode(data: bytes, name: str) -> str:
    """Return the text of a document.

    Raises:
        UnreadableError: it is not UTF-8, or has control characters that YAML forbids.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(
            Problem(
                f"not UTF-8 text: byte 0x{data[error.start]:02x}",
                "convert it, for example with `iconv -f latin1 -t utf-8`",
                name,
                line,
                "not-yaml",
            )
        ) from None
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise UnreadableError(
            Problem(
                f"not YAML: control character 0x{ord(found[0]):02x}",
                "remove the character, or write it as an escape between double quotes",
                name,
                line,
                "not-yaml",
            )
        )
    return text


def compose(text: str, name: str) -> yaml.MappingNode:
    """Parse `text`, which must be one mapping.

    Raises:
        UnreadableError: it is not.
    """
    if not text.strip():
        raise UnreadableError(Problem("the document is empty", "", name, 0, "empty"))
    if text.lstrip().startswith("<"):
        raise UnreadableError(
            Problem(
                "this is XML; only workflows and site catalogs can be XML; this is written as YAML or JSON",
                "convert it with Pegasus' converters, or write it as YAML",
                name,
                1,
                "not-yaml",
            )
        )
    if _DEEP.search(text):
        raise UnreadableError(Problem("not a document: nested more than 100 deep", "", name, 0, "not-yaml"))
    if text.lstrip()[0] == "{":
        text = _as_yaml(text)
    try:
        node = yaml.compose(text, Loader=_TextLoader)
    except yaml.MarkedYAMLError as error:
        raise UnreadableError(_syntax_problem(text, error, name)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError(
            Problem(f"not YAML: {str(error).splitlines()[0]}", "", name, 0, "not-yaml")
        ) from None
    if node is None:
        raise UnreadableError(Problem("the document is empty", "", name, 0, "empty"))
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        raise UnreadableError(
            Problem(
                f"the document is {kind}; it must be a mapping of keys to values",
                "begin with a line `pegasus: 5.0.4`",
                name,
                node.start_mark.line + 1,
                "not-a-mapping",
            )
        )
    return node


def _syntax_problem(text: str, error: yaml.MarkedYAMLError, name: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    what = " ".join(filter(None, (error.context, error.problem))) or "syntax error"
    hint = ""
    lines = text.split("\n")
    if "expected a single document" in what:
        what, hint = "more than one document in one file", f"split the file at the `---` above line {line}"
    elif line and "\t" in lines[min(line, len(lines)) - 1]:
        hint = f"indent with blanks: line {line} has a tab"
    elif line:
        hint = "check indentation, colons and quotes on this line and the one above"
    return Problem(f"not YAML: {what}", hint, name, line, "not-yaml")


def is_null(node: yaml.Node) -> bool:
    """Return whether a value is empty: `null`, `~`, or nothing."""
    return bool(node.tag == NULL) and isinstance(node, yaml.ScalarNode)


def _as_yaml(text: str) -> str:
    """Return JSON as YAML 1.1 with the same lines: no tabs outside of texts, no characters as two escapes."""
    return _TWO_ESCAPES.sub(
        lambda match: (
            match[1]
            + match[2].encode().decode("unicode-escape").encode("utf-16", "surrogatepass").decode("utf-16")
        ),
        text.replace("\t", " "),
    )
