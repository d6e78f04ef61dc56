"""YAML of which only `true` and `false` are booleans, and dates stay text."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path, PosixPath
from typing import IO, Any

import yaml

__all__ = ["dump", "dump_all", "dumps", "load", "load_all", "loads"]


class _Loader(yaml.SafeLoader):
    """Reads words such as `yes` and `off`, and dates, as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


class _Dumper(yaml.SafeDumper):
    """Writes paths as text, and ordered dicts as mappings."""


_Dumper.add_representer(PosixPath, lambda dumper, path: dumper.represent_str(str(path)))
_Dumper.add_representer(OrderedDict, lambda dumper, data: dumper.represent_dict(dict(data)))


def load(stream: str | bytes | IO[Any], **options: Any) -> Any:
    """Return the data of a document."""
    return yaml.load(stream, Loader=options.get("Loader", _Loader))


def loads(s: str | bytes, *args: object, **kwargs: object) -> Any:
    """Return the data of a document."""
    return load(s)


def load_all(stream: str | bytes | IO[Any], **options: Any) -> Iterator[Any]:
    """Yield the data of each document."""
    return yaml.load_all(stream, Loader=options.get("Loader", _Loader))


def dump(data: Any, stream: IO[Any] | None = None, **options: Any) -> Any:
    """Write a document; return it if there is no stream. Options are those of PyYAML."""
    return yaml.dump(data, stream, **{"Dumper": _Dumper, **options})


def dumps(obj: Any, *args: object, **options: Any) -> str:
    """Return the document."""
    return str(dump(obj, None, **options))


def dump_all(documents: Iterable[Any], stream: IO[Any] | None = None, **options: Any) -> Any:
    """Write documents one after the other; return them if there is no stream."""
    return yaml.dump_all(documents, stream, **{"Dumper": _Dumper, **options})
