"""Transformation catalogs from and to documents."""

from __future__ import annotations

import io
from typing import IO, Any, TextIO

from markab.api import TransformationCatalog
from markab.api.document_loader import to_transformation_catalog

__all__ = ["dump", "dumps", "load", "loads"]


def load(fp: IO[Any], *args: object, **kwargs: object) -> TransformationCatalog:
    """Return the TransformationCatalog of an open file."""
    return to_transformation_catalog(fp.read())


def loads(s: str, *args: object, **kwargs: object) -> TransformationCatalog:
    """Return the TransformationCatalog of a text."""
    return to_transformation_catalog(s)


def dump(
    obj: TransformationCatalog, fp: TextIO, _format: str = "yml", *args: object, **kwargs: object
) -> None:
    """Write it to an open file, as `yml` or `json`."""
    obj.write(fp, _format=_format)


def dumps(obj: TransformationCatalog, _format: str = "yml", *args: object, **kwargs: object) -> str:
    """Return its document, as `yml` or `json`."""
    stream = io.StringIO()
    obj.write(stream, _format=_format)
    return stream.getvalue()
