"""What a document may contain, derived from the structs of `model.py`.

A shape describes the valid form of a value. `shape_of(Workflow)` is the root of
the tree of shapes; what the structs declare is not repeated here.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any, Literal, Union

import msgspec

from markab.spec import model

NAMESPACES = ("env", "condor", "globus", "dagman", "pegasus", "selector", "hints", "stat", "markab")
"""Namespaces of profiles; `hints` is the old name of `selector`."""


class Text(msgspec.Struct, frozen=True):
    """Any scalar, kept as written."""


class Whole(msgspec.Struct, frozen=True):
    """A whole number, written as such or as text."""


class Flag(msgspec.Struct, frozen=True):
    """True or false, in the spellings of YAML 1.1."""


class Choice(msgspec.Struct, frozen=True):
    """One of some words."""

    words: tuple[str, ...]


class ListOf(msgspec.Struct, frozen=True):
    """A list."""

    item: Shape
    argument: bool = False
    """Its texts are arguments of a job: expanded only in part."""


class TableOf(msgspec.Struct, frozen=True):
    """A mapping with keys of the user's choice, or with `keys` and `x-…`."""

    value: Shape
    keys: tuple[str, ...] = ()


class Field(msgspec.Struct, frozen=True):
    """One key of a struct."""

    name: str
    """As in Python."""
    shape: Shape


class Record(msgspec.Struct, frozen=True):
    """A mapping that becomes a struct."""

    struct: type
    noun: str
    fields: dict[str, Field]
    """By the name used in documents."""
    required: frozenset[str]
    """Of these names, the ones without which there is no struct."""
    skipped: tuple[str, ...] = ()
    """Keys that are allowed here and read elsewhere."""


Shape = Text | Whole | Flag | Choice | ListOf | TableOf | Record

_NOUNS = {
    "Task": "job",
    "Use": "use",
    "ShellHook": "hook",
    "Pfn": "place",
    "FileServer": "file server",
    "ReplicaCatalog": "replica catalog",
    "SiteCatalog": "site catalog",
    "TransformationCatalog": "transformation catalog",
    "TransformationSite": "transformation site",
}


@cache
def shape_of(struct: type) -> Record:
    """Return the shape of a struct of `model.py`."""
    hints = typing.get_type_hints(struct, vars(model))
    fields = {}
    for field in msgspec.structs.fields(struct):
        shape = _shape(hints[field.name])
        if struct is model.Task and field.name == "arguments":
            shape = ListOf(Text(), argument=True)
        elif field.name == "profiles":
            shape = TableOf(TableOf(Text()), keys=NAMESPACES)
        fields[field.encode_name] = Field(field.name, shape)
    noun = _NOUNS.get(struct.__name__, struct.__name__.lower())
    skipped = ("pegasus",) if struct.__name__.endswith("Catalog") else ()
    required = frozenset(field.encode_name for field in msgspec.structs.fields(struct) if field.required)
    return Record(struct, noun, fields, required, skipped)


def _shape(hint: Any) -> Shape:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        (only,) = (a for a in arguments if a is not type(None))
        return _shape(only)
    if origin is Literal:
        return Choice(arguments)
    if origin is list:
        return ListOf(_shape(arguments[0]))
    if origin is dict:
        return TableOf(_shape(arguments[1]))
    if hint is str:
        return Text()
    if hint is int:
        return Whole()
    if hint is bool:
        return Flag()
    return shape_of(hint)
