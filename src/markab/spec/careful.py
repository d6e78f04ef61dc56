"""The careful reader: YAML to structs, with the line of everything that is wrong.

It reads any YAML 1.1 and JSON: anchors, aliases, merge keys, tags. Texts keep
the characters of the document, so `3.10`, `007` and `yes` stay what they are.
An empty value (`null`, `~`, or nothing) counts as if the key were not there.
Keys that start with `x-` are the user's own, and skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from markab.errors import Problem
from markab.spec import schema
from markab.spec.expand import expand, expand_argument
from markab.spec.suggest import did_you_mean

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML built without libyaml: slower, and the same otherwise
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_WHOLE = re.compile(r"[-+]?[0-9]+\Z")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TWO_ESCAPES = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_DEEP = re.compile(r"(?:[\[{][^\[\]{}]*){100}|^ *(?:[-?:] +){100}", re.MULTILINE)
TRUE = frozenset(("true", "yes", "on"))
FALSE = frozenset(("false", "no", "off"))


class UnreadableError(Exception):
    """The text is no document at all; the one argument is the problem."""


class Lines:
    """Line numbers of the structs that were read."""

    def __init__(self) -> None:
        self._lines: dict[int, int] = {}
        self._kept: list[object] = []

    def put(self, item: object, line: int) -> None:
        """Remember where `item` stands, and keep it, so that its identity stays its own."""
        self._lines[id(item)] = line
        self._kept.append(item)

    def of(self, item: object) -> int:
        """Return the line of `item`, 0 if unknown."""
        return self._lines.get(id(item), 0)


def decode(data: bytes, name: str) -> str:
    """Return the text of a document.

    Raises:
        UnreadableError: it is not UTF-8, or has control characters that no document may have.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(
            Problem(
                f"not a text in UTF-8: byte 0x{data[error.start]:02x}",
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
                "this is XML; except for workflows, only YAML and JSON are read",
                "convert it with Pegasus' own converters, or write it as YAML",
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
        node = yaml.compose(text, Loader=Loader)
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


class Builder:
    """Turns nodes into structs and collects what is wrong with them."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.environment = environment
        self.problems: list[Problem] = []
        self.lines = Lines()

    def problem(self, node: yaml.Node, message: str, hint: str = "", kind: str = "wrong-type") -> None:
        """Note that something is wrong at `node`."""
        self.problems.append(Problem(message, hint, self.name, node.start_mark.line + 1, kind))

    def record(self, node: yaml.MappingNode, shape: schema.Record) -> Any:
        """Return the struct that `node` describes, or None (and problems) if it does not."""
        label = _label(node, shape)
        values: dict[str, Any] = {}
        complete = True
        seen: set[str] = set()
        for key_node, key, value in self.pairs(node, label):
            field = shape.fields.get(key)
            if field is None:
                if not key.startswith("x-") and key not in shape.skipped:
                    self._unknown_key(key_node, key, label, shape.fields)
                continue
            if is_null(value):
                continue
            seen.add(key)
            made = self.value(value, field.shape, f"{key!r} of {label}")
            if made is None:
                complete = False
            else:
                values[field.name] = made
        for key, field in shape.fields.items():
            if field.required and key not in seen:
                self.problem(node, f"{label} has no {key!r}", f"add a line `{key}: …`", "missing-key")
                complete = False
        if not complete:
            return None
        item = shape.struct(**values)
        self.lines.put(item, node.start_mark.line + 1)
        return item

    def value(self, node: yaml.Node, shape: schema.Shape, label: str) -> Any:
        """Return what `node` says, or None and a problem."""
        if isinstance(shape, schema.Record):
            if isinstance(node, yaml.MappingNode):
                return self.record(node, shape)
            self._wrong(node, label, "a mapping")
            return None
        if isinstance(shape, schema.ListOf):
            return self._list(node, shape, label)
        if isinstance(shape, schema.TableOf):
            return self._table(node, shape, label)
        if not isinstance(node, yaml.ScalarNode):
            self._wrong(node, label, "a single value")
            return None
        return self._scalar(node, shape, label)

    def pairs(self, node: yaml.MappingNode, label: str) -> list[tuple[yaml.Node, str, yaml.Node]]:
        """Return keys and values, with merge keys (`<<`) resolved; a key given twice is a problem."""
        own: dict[str, tuple[yaml.Node, str, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, str, yaml.Node]] = {}
        self._gather(node, label, own, merged, (node,))
        for key, pair in merged.items():
            own.setdefault(key, pair)
        return list(own.values())

    def _gather(
        self,
        node: yaml.MappingNode,
        label: str,
        own: dict[str, tuple[yaml.Node, str, yaml.Node]],
        merged: dict[str, tuple[yaml.Node, str, yaml.Node]],
        inside: tuple[yaml.Node, ...],
    ) -> None:
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(key_node, f"a key of {label} is not a word", kind="unknown-key")
                continue
            if key_node.tag == _MERGE:
                self._merge(value, label, merged, inside)
                continue
            key = _text(key_node)
            if key in own:
                first = own[key][0].start_mark.line + 1
                self.problem(
                    key_node,
                    f"key {key!r} of {label} is given twice, first on line {first}",
                    "keep one of them",
                    "duplicate-key",
                )
                continue
            own[key] = (key_node, key, value)

    def _merge(
        self,
        value: yaml.Node,
        label: str,
        merged: dict[str, tuple[yaml.Node, str, yaml.Node]],
        inside: tuple[yaml.Node, ...],
    ) -> None:
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            if not isinstance(source, yaml.MappingNode) or source in inside:
                self.problem(value, f"'<<' of {label} must name a mapping", "write `<<: *anchor`")
                continue
            keys: dict[str, tuple[yaml.Node, str, yaml.Node]] = {}
            deeper: dict[str, tuple[yaml.Node, str, yaml.Node]] = {}
            self._gather(source, label, keys, deeper, (*inside, source))
            for key, pair in (*keys.items(), *deeper.items()):
                merged.setdefault(key, pair)

    def _list(self, node: yaml.Node, shape: schema.ListOf, label: str) -> list[Any] | None:
        if not isinstance(node, yaml.SequenceNode):
            self._wrong(node, label, "a list")
            return None
        made = []
        for number, item in enumerate(node.value, start=1):
            place = f"item {number} of {label}"
            if is_null(item):
                self.problem(item, f"{place} is empty", "remove it, or write '' for an empty text", "empty")
                continue
            if shape.argument and isinstance(item, yaml.ScalarNode):
                made.append(expand_argument(_text(item), self.environment))
                continue
            value = self.value(item, shape.item, place)
            if value is not None:
                made.append(value)
        return made

    def _table(self, node: yaml.Node, shape: schema.TableOf, label: str) -> dict[str, Any] | None:
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, label, "a mapping")
            return None
        made = {}
        for key_node, key, item in self.pairs(node, label):
            if shape.keys and key.startswith("x-"):
                continue
            if shape.keys and key not in shape.keys:
                self._unknown_key(key_node, key, label, shape.keys)
                continue
            if is_null(item):
                continue
            value = self.value(item, shape.value, f"{key!r} of {label}")
            if value is not None:
                made[key] = value
        return made

    def _scalar(self, node: yaml.ScalarNode, shape: schema.Shape, label: str) -> Any:
        text = self._expanded(node, label)
        if text is None or isinstance(shape, schema.Text):
            return text
        if isinstance(shape, schema.Choice):
            if text in shape.words:
                return text
            hint = did_you_mean(text, shape.words)
            words = ", ".join(shape.words)
            self.problem(node, f"{label} is {text!r}; it must be one of {words}", hint, "wrong-value")
            return None
        if isinstance(shape, schema.Whole):
            if _WHOLE.match(text):
                return int(text)
            self.problem(node, f"{label} is {text!r}; it must be a whole number", "", "wrong-value")
            return None
        if text.lower() in TRUE:
            return True
        if text.lower() in FALSE:
            return False
        self.problem(node, f"{label} is {text!r}; it must be true or false", "", "wrong-value")
        return None

    def _expanded(self, node: yaml.ScalarNode, label: str) -> str | None:
        try:
            return expand(_text(node), self.environment)
        except KeyError as error:
            (name,) = error.args
            self.problem(
                node,
                f"{label} uses the environment variable {name!r}, which is not set",
                f"type `export {name}=…` before planning",
                "unset-variable",
            )
            return None

    def _wrong(self, node: yaml.Node, label: str, wanted: str) -> None:
        kinds = {"mapping": "a mapping", "sequence": "a list", "scalar": "a single value"}
        found = (
            repr(node.value)
            if isinstance(node, yaml.ScalarNode)
            else kinds.get(str(getattr(node, "id", "")), "something else")
        )
        self.problem(node, f"{label} must be {wanted}, not {found}")

    def _unknown_key(self, node: yaml.Node, key: str, label: str, known: Any) -> None:
        hint = did_you_mean(key, known, "remove it; keys of your own start with 'x-'")
        self.problem(node, f"unknown key {key!r} in {label}", hint, "unknown-key")


def _text(node: yaml.ScalarNode) -> str:
    text: str = node.value
    return text


def _as_yaml(text: str) -> str:
    """Return JSON as YAML 1.1 with the same lines: no tabs outside of texts, no characters as two escapes."""
    return _TWO_ESCAPES.sub(
        lambda match: (
            match[1]
            + match[2].encode().decode("unicode-escape").encode("utf-16", "surrogatepass").decode("utf-16")
        ),
        text.replace("\t", " "),
    )


def is_null(node: yaml.Node) -> bool:
    """Return whether a value is empty: `null`, `~`, or nothing."""
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL


def _label(node: yaml.MappingNode, shape: schema.Record) -> str:
    """Name a struct for messages: `job 'ID0000001'`, `use 'f.a'`, or only `place`."""
    given = {
        key.value: value.value
        for key, value in reversed(node.value)
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
    }
    wanted = next((key for key in ("id", "lfn", "name") if key in shape.fields and key in given), None)
    return f"{shape.noun} {given[wanted]!r}" if wanted else shape.noun
