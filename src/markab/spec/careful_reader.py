"""The careful reader: YAML nodes to structs, with the line of everything that is wrong.

It understands all of YAML 1.1: anchors, aliases, merge keys, tags. Texts keep
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
from markab.spec.suggestions import did_you_mean
from markab.spec.variables import expand, expand_argument
from markab.spec.yaml_nodes import MERGE, UnreadableError, is_null

_WHOLE = re.compile(r"[-+]?[0-9]{1,18}\Z")
TRUE = frozenset(("true", "yes", "on"))
FALSE = frozenset(("false", "no", "off"))
SPARE_VALUES = 100_000
"""So many values may come from the aliases of a small document."""
KEYS_SEARCHED = 100
"""Among so many keys the name of a struct is looked for: a wrong document may have a problem for each key."""

Place = tuple[Any, Any]
"""A struct's node and shape; or a key, or the number of an item, and the place of what it is in.

Turned into text only when something is wrong there, which is rare.
"""


class Lines:
    """The line number of each struct that was read."""

    def __init__(self) -> None:
        self._lines: dict[int, int] = {}
        self._kept: list[object] = []

    def put(self, item: object, line: int) -> None:
        """Record the line of `item`, and keep `item` alive, so that its `id()` is not reused."""
        self._lines[id(item)] = line
        self._kept.append(item)

    def of(self, item: object) -> int:
        """Return the line of `item`, 0 if unknown."""
        return self._lines.get(id(item), 0)


class Builder:
    """Turns nodes into structs and collects what is wrong with them."""

    def __init__(self, name: str, environment: Mapping[str, str], size_bytes: int) -> None:
        self.name = name
        self.environment = environment
        self.problems: list[Problem] = []
        self.lines = Lines()
        self._left = size_bytes + SPARE_VALUES
        """How many values there may still be. Only aliases can make more of them than the text has bytes."""

    def problem(self, node: yaml.Node, message: str, hint: str = "", kind: str = "wrong-type") -> None:
        """Add a problem at `node`."""
        self.problems.append(Problem(message, hint, self.name, node.start_mark.line + 1, kind))

    def record(self, node: yaml.MappingNode, shape: schema.Record) -> Any:
        """Return the struct that `node` describes, or None (and problems) if it does not."""
        place = (node, shape)
        values: dict[str, Any] = {}
        complete = True
        given = set()
        fields = shape.fields
        for key_node, key, value in self.pairs(node, place):
            field = fields.get(key)
            if field is None:
                if not key.startswith("x-") and key not in shape.skipped:
                    self._unknown_key(key_node, key, place, fields)
                continue
            if is_null(value):
                continue
            given.add(key)
            made = self.value(value, field.shape, (key, place))
            if made is None:
                complete = False
            else:
                values[field.name] = made
        if not shape.required <= given:
            complete = False
            for key in (key for key in fields if key in shape.required - given):
                message = f"{describe_place(place)} has no {key!r}"
                self.problem(node, message, f"add a line `{key}: …`", "missing-key")
        if not complete:
            return None
        item = shape.struct(**values)
        self.lines.put(item, node.start_mark.line + 1)
        return item

    def value(self, node: yaml.Node, shape: schema.Shape, place: Place) -> Any:
        """Return the value of `node`, or None after adding a problem."""
        if isinstance(node, yaml.ScalarNode):
            if type(shape) is schema.Text and "${" not in node.value:
                return node.value
            if not isinstance(shape, schema.Record | schema.ListOf | schema.TableOf):
                return self._scalar(node, shape, place)
        if isinstance(shape, schema.ListOf):
            return self._list(node, shape, place)
        if isinstance(shape, schema.TableOf):
            return self._table(node, shape, place)
        if not isinstance(shape, schema.Record):
            self._wrong(node, place, "a single value")
        elif isinstance(node, yaml.MappingNode):
            return self.record(node, shape)
        else:
            self._wrong(node, place, "a mapping")
        return None

    def _count(self, node: yaml.CollectionNode) -> None:
        """Count the values directly in `node`.

        Raises:
            UnreadableError: with aliases the document has more values than fit its size.
        """
        self._left -= len(node.value)
        if self._left < 0:
            raise UnreadableError(
                Problem(
                    "the aliases (`*name`) of the document repeat too much: it would have more values than bytes",
                    "write out what the aliases stand for",
                    self.name,
                    node.start_mark.line + 1,
                    "too-large",
                )
            )

    def pairs(self, node: yaml.MappingNode, place: Place) -> list[tuple[yaml.Node, str, yaml.Node]]:
        """Return keys and values, with merge keys (`<<`) resolved; a key given twice is a problem."""
        self._count(node)
        plain = {key.value for key, _ in node.value if type(key) is yaml.ScalarNode and key.tag != MERGE}
        if len(plain) == len(node.value):
            return [(key, key.value, value) for key, value in node.value]
        own: dict[str, tuple[yaml.Node, str, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, str, yaml.Node]] = {}
        self._gather(node, place, own, merged, (node,))
        for key, pair in merged.items():
            own.setdefault(key, pair)
        return list(own.values())

    def _gather(
        self,
        node: yaml.MappingNode,
        place: Place,
        own: dict[str, tuple[yaml.Node, str, yaml.Node]],
        merged: dict[str, tuple[yaml.Node, str, yaml.Node]],
        inside: tuple[yaml.Node, ...],
    ) -> None:
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(
                    key_node, f"a key of {describe_place(place)} is not a string", kind="unknown-key"
                )
                continue
            if key_node.tag == MERGE:
                self._merge(value, place, merged, inside)
                continue
            key = _text(key_node)
            if key in own:
                first = own[key][0].start_mark.line + 1
                self.problem(
                    key_node,
                    f"key {key!r} of {describe_place(place)} is given twice, first on line {first}",
                    "keep one of them",
                    "duplicate-key",
                )
                continue
            own[key] = (key_node, key, value)

    def _merge(
        self,
        value: yaml.Node,
        place: Place,
        merged: dict[str, tuple[yaml.Node, str, yaml.Node]],
        inside: tuple[yaml.Node, ...],
    ) -> None:
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            if not isinstance(source, yaml.MappingNode) or source in inside:
                self.problem(
                    value, f"'<<' of {describe_place(place)} must name a mapping", "write `<<: *anchor`"
                )
                continue
            self._count(source)
            keys: dict[str, tuple[yaml.Node, str, yaml.Node]] = {}
            deeper: dict[str, tuple[yaml.Node, str, yaml.Node]] = {}
            self._gather(source, place, keys, deeper, (*inside, source))
            for key, pair in (*keys.items(), *deeper.items()):
                merged.setdefault(key, pair)

    def _list(self, node: yaml.Node, shape: schema.ListOf, place: Place) -> list[Any] | None:
        if not isinstance(node, yaml.SequenceNode):
            self._wrong(node, place, "a list")
            return None
        self._count(node)
        made = []
        for number, item in enumerate(node.value, start=1):
            if is_null(item):
                message = f"{describe_place((number, place))} is empty"
                self.problem(item, message, "remove it, or write '' for an empty string", "empty")
                continue
            if shape.argument and isinstance(item, yaml.ScalarNode):
                made.append(expand_argument(_text(item), self.environment))
                continue
            value = self.value(item, shape.item, (number, place))
            if value is not None:
                made.append(value)
        return made

    def _table(self, node: yaml.Node, shape: schema.TableOf, place: Place) -> dict[str, Any] | None:
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, place, "a mapping")
            return None
        made = {}
        for key_node, key, item in self.pairs(node, place):
            if shape.keys and key.startswith("x-"):
                continue
            if shape.keys and key not in shape.keys:
                self._unknown_key(key_node, key, place, shape.keys)
                continue
            if is_null(item):
                continue
            value = self.value(item, shape.value, (key, place))
            if value is not None:
                made[key] = value
        return made

    def _scalar(self, node: yaml.ScalarNode, shape: schema.Shape, place: Place) -> Any:
        text = self._expanded(node, place)
        if text is None or isinstance(shape, schema.Text):
            return text
        if isinstance(shape, schema.Choice):
            if text in shape.words:
                return text
            hint = did_you_mean(text, shape.words)
            message = f"{describe_place(place)} is {text!r}; it must be one of {', '.join(shape.words)}"
            self.problem(node, message, hint, "wrong-value")
            return None
        if isinstance(shape, schema.Whole):
            if _WHOLE.match(text):
                return int(text)
            self.problem(
                node, f"{describe_place(place)} is {text!r}; it must be a whole number", "", "wrong-value"
            )
            return None
        if text.lower() in TRUE:
            return True
        if text.lower() in FALSE:
            return False
        self.problem(
            node, f"{describe_place(place)} is {text!r}; it must be true or false", "", "wrong-value"
        )
        return None

    def _expanded(self, node: yaml.ScalarNode, place: Place) -> str | None:
        try:
            return expand(_text(node), self.environment)
        except KeyError as error:
            (name,) = error.args
            self.problem(
                node,
                f"{describe_place(place)} uses the environment variable {name!r}, which is not set",
                f"type `export {name}=…` before planning",
                "unset-variable",
            )
            return None

    def _wrong(self, node: yaml.Node, place: Place, wanted: str) -> None:
        kinds = {"mapping": "a mapping", "sequence": "a list", "scalar": "a single value"}
        found = (
            repr(node.value)
            if isinstance(node, yaml.ScalarNode)
            else kinds.get(str(getattr(node, "id", "")), "something else")
        )
        self.problem(node, f"{describe_place(place)} must be {wanted}, not {found}")

    def _unknown_key(self, node: yaml.Node, key: str, place: Place, known: Any) -> None:
        hint = did_you_mean(key, known, "remove it; keys of your own start with 'x-'")
        self.problem(node, f"unknown key {key!r} in {describe_place(place)}", hint, "unknown-key")


def _text(node: yaml.ScalarNode) -> str:
    text: str = node.value
    return text


def describe_place(place: Place) -> str:
    """Return a location in a document for messages: `item 2 of 'uses' of job 'ID1'`."""
    what, around = place
    if isinstance(what, yaml.MappingNode):
        return _label(what, around)
    return f"{f'item {what}' if isinstance(what, int) else repr(what)} of {describe_place(around)}"


def _label(node: yaml.MappingNode, shape: schema.Record) -> str:
    """Return the name of a struct for messages: `job 'ID0000001'`, `use 'f.a'`, or only `place`."""
    given = {
        key.value: value.value
        for key, value in reversed(node.value[:KEYS_SEARCHED])
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
    }
    wanted = next((key for key in ("id", "lfn", "name") if key in shape.fields and key in given), None)
    return f"{shape.noun} {given[wanted]!r}" if wanted else shape.noun
