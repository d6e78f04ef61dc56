"""The fast reader: large documents, through rapidyaml and JSON, or not at all.

rapidyaml is 30 times as fast as PyYAML, but reads some YAML differently: it
implements YAML 1.2, loses the spelling of some numbers, and keeps the last of two
equal keys. So this reader returns a struct only when the document is of the plain
kind that programs write, and the result is certain to equal the careful reader's.
In every other case, errors included, it returns None, and the careful reader decides.

So that no key is lost: the JSON is decoded into twins of the structs that
record which keys were given, and encoded again. An unknown or repeated key makes
the second text have fewer keys.

The long lists of a document are read in pieces of a megabyte, because rapidyaml takes twenty times as much memory as
the text has, and is slower where that is not in the processor's cache.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from markab.spec import schema
from markab.spec.document_pieces import (
    NotPlain,
    cut,
    find_long_lists,
    lists_of,
    take_stand_in,
    with_stand_ins,
)
from markab.spec.gc_pause import without_garbage_collection
from markab.spec.model import Dependency, Replica, ReplicaCatalog, Task, Workflow
from markab.spec.variables import expand, expand_argument

T = TypeVar("T", bound=msgspec.Struct)

_UNDECODABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What msgspec raises: for wrong JSON and types, for half characters, for a value nested too deep."""

_PECULIAR = re.compile(
    rb"[\s\[{,:-][&*!?@`%|>]|<<|\t|\r|[\x00-\x08\x0b-\x1f\x7f]"
    rb"|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]|\xef\xbb\xbf|\xef\xbf"
)
"""Anchors, aliases, tags, complex keys, block scalars, merge keys, tabs, more documents, rare line breaks."""

_ORDINARY = bytes(
    set(range(256)) - set(b"&*!?@`%|><\t\r\xc2\xe2\xef") - set(range(9)) - set(range(11, 32)) - {127}
)
"""Bytes that form no special YAML syntax. `---` and `...` are checked separately."""

_MISREAD = re.compile(rb"\\(?:[LP]| +\n|\n *\n)")
"""Escaped line separators, an escaped space that ends a line, an escaped line end before an empty line:
rapidyaml loses spaces and line breaks there."""

_LOST = tuple(f'"{text}"' for text in ("~", "Null", "NULL", ".nan", "-.nan", ".inf", "-.inf"))
"""What rapidyaml returns for values that YAML 1.1 reads or spells differently."""

_ODD_FLOAT = re.compile(rb"[\s\[{,:][-+]?\.[0-9]|[0-9]\.(?=[\s,\]}eE])")
"""`.5` and `5.`, which rapidyaml writes as 0.5 and 5.0."""


class _Kind(NamedTuple):
    """What is read: a document, or the entries of one of its lists."""

    type: Any
    twin: Any
    """The same, of twins."""
    shape: schema.Shape


@cache
def _document(struct: type) -> _Kind:
    return _Kind(struct, _twin(struct, top=True), schema.shape_of(struct))


@cache
def _entries(struct: type) -> _Kind:
    return _Kind(list[struct], list[_twin(struct)], schema.ListOf(schema.shape_of(struct)))  # type: ignore[valid-type, misc]


_LISTS: dict[type, dict[str, type]] = {
    Workflow: {"jobs": Task, "jobDependencies": Dependency, "replicaCatalog": Replica},
    ReplicaCatalog: {"replicas": Replica},
}
"""Kind of document → top-level keys with lists that may be long, and what is in these."""


def read(data: bytes, struct: type[T], environment: Mapping[str, str]) -> tuple[T, str | None] | None:
    """Return the struct and the `pegasus` version, or None if the careful reader must decide."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")  # YAML reads both as the same, even inside of quotes
    data = data.removeprefix(b"\xef\xbb\xbf").removeprefix(b"---\n")
    if b"\n---" in data or b"\n..." in data or (data.translate(None, _ORDINARY) and _PECULIAR.search(data)):
        return None
    with without_garbage_collection():
        return _read_in_pieces(data, struct, environment) or _read(data, _document(struct), environment)


def _read_in_pieces(
    data: bytes, struct: type[T], environment: Mapping[str, str]
) -> tuple[T, str | None] | None:
    """Return the struct and the `pegasus` version, or None if the document must be read as a whole."""
    kinds = _LISTS.get(struct, {})
    try:
        parts = find_long_lists(data, kinds)
        if not parts or not (found := _read(with_stand_ins(data, parts), _document(struct), environment)):
            return None
        lists = lists_of(found[0])
        for key, part in parts.items():
            take_stand_in(lists[key])
            for text in cut(data, part):
                if (piece := _read(text, _entries(kinds[key]), environment)) is None:
                    return None
                lists[key] += piece[0]
    except NotPlain:
        return None
    return found


def _read(data: bytes, kind: _Kind, environment: Mapping[str, str]) -> tuple[Any, str | None] | None:
    text = _to_json(data)
    if text is None or any(value in text for value in _LOST):
        return None
    return _decode(text, data, kind, environment)


def _to_json(data: bytes) -> str | None:
    try:
        if data.startswith(b"{"):
            return data.decode()  # JSON already, or YAML in flow style, which the JSON decoder rejects
        if b"\\" in data and _MISREAD.search(data):
            return None
        import ryml

        with _without_stderr():
            return str(ryml.emit_json(ryml.parse_in_arena(data)))
    except Exception:  # rapidyaml has no common error class; the careful reader reports the error
        return None


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Discard what is written to standard error: rapidyaml prints each error there, and cannot be asked not to."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _decode(
    text: str, data: bytes, kind: _Kind, environment: Mapping[str, str]
) -> tuple[Any, str | None] | None:
    try:
        item = msgspec.json.decode(text, type=kind.type)
    except _UNDECODABLE:
        if _ODD_FLOAT.search(data):
            return None
        text = _quote_numbers(text)
        try:
            item = msgspec.json.decode(text, type=kind.type)
        except _UNDECODABLE:
            return None
    known, version = _check(text, kind.twin)
    if not known:
        return None
    if b"${" in data:
        try:
            item = _expand(item, kind.shape, environment)
        except KeyError:
            return None
    return item, version


def _check(text: str, twin_type: Any) -> tuple[bool, str | None]:
    """Return whether every key of `text` is known and given once, and the `pegasus` version."""
    try:
        twin = msgspec.json.decode(text, type=twin_type)
        again = msgspec.json.encode(twin)
    except _UNDECODABLE:
        return False, None
    version = getattr(twin, "pegasus", None)
    return text.count('":') == again.count(b'":'), version if isinstance(version, str) else None


@cache
def _twin(struct: type, top: bool = False) -> Any:
    """Return a struct type like `struct` that knows which of its fields were given."""
    shape = schema.shape_of(struct)
    fields: list[Any] = []
    rename = {}
    for key, field in shape.fields.items():
        fields.append((field.name, _twin_type(field.shape) | None | msgspec.UnsetType, msgspec.UNSET))
        rename[field.name] = key
    if top:
        fields.append(("x_pegasus", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET))
        rename["x_pegasus"] = "x-pegasus"
        if "pegasus" in shape.skipped:
            fields.append(("pegasus", str | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(struct.__name__ + "Keys", fields, rename=rename, gc=False)


def _twin_type(shape: schema.Shape) -> Any:
    if isinstance(shape, schema.Record):
        return _twin(shape.struct)
    if isinstance(shape, schema.ListOf):
        return list[_twin_type(shape.item)]  # type: ignore[misc]
    if isinstance(shape, schema.TableOf):
        keys = Literal[shape.keys] if shape.keys else str
        return dict[keys, _twin_type(shape.value)]  # type: ignore[misc, valid-type]
    if isinstance(shape, schema.Whole):
        return int
    if isinstance(shape, schema.Flag):
        return bool
    return str


def _quote_numbers(text: str) -> str:
    """Return JSON in which numbers and truth values are texts, where the structs want texts.

    Works line by line: a JSON text has no line break inside, so what follows the
    indentation (and a key) at a line's end is the whole value.
    """
    return _bare_values().sub(r'\1"\2"\3', _QUOTED_SIZE.sub(r"\1\2", text))


_QUOTED_SIZE = re.compile(r'("size": )"([0-9]+)"')


@cache
def _bare_values() -> re.Pattern[str]:
    names = "|".join(sorted(_keys_of(schema.Whole) | _keys_of(schema.Flag)))
    key = rf'"(?!(?:{names})")[^"\\\n]*(?:\\.[^"\\\n]*)*": '
    return re.compile(rf'^( *(?:{key})?)([-+.0-9][^\s"\[\]{{}},]*|true|false)(,?)$', re.MULTILINE)


def _keys_of(kind: type) -> set[str]:
    found = set()
    todo: list[type] = [Workflow]
    done: set[type] = set()
    while todo:
        struct = todo.pop()
        if struct in done:
            continue
        done.add(struct)
        for key, field in schema.shape_of(struct).fields.items():
            shape = field.shape
            while isinstance(shape, schema.ListOf | schema.TableOf):
                shape = shape.item if isinstance(shape, schema.ListOf) else shape.value
            if isinstance(shape, schema.Record):
                todo.append(shape.struct)
            elif isinstance(shape, kind):
                found.add(key)
    return found


def _expand(value: Any, shape: schema.Shape, environment: Mapping[str, str]) -> Any:
    """Replace `${VAR}` in all values, in place where possible, and return the value."""
    if value is None:
        return None
    if isinstance(shape, schema.Text):
        return expand(value, environment)
    if isinstance(shape, schema.Record):
        for field in shape.fields.values():
            if not isinstance(field.shape, schema.Whole | schema.Flag | schema.Choice):
                old = getattr(value, field.name)
                if old:
                    setattr(value, field.name, _expand(old, field.shape, environment))
    elif isinstance(shape, schema.ListOf):
        if shape.argument:
            return [expand_argument(text, environment) for text in value]
        return [_expand(item, shape.item, environment) for item in value]
    elif isinstance(shape, schema.TableOf):
        return {key: _expand(item, shape.value, environment) for key, item in value.items()}
    return value
