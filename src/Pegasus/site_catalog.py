"""Site catalogs from and to documents."""

from __future__ import annotations

import io
from typing import IO, Any, TextIO

from markab.api import SiteCatalog
from markab.api.document_loader import to_site_catalog

__all__ = ["dump", "dumps", "load", "loads"]


def load(fp: IO[Any], *args: object, **kwargs: object) -> SiteCatalog:
    """Return the SiteCatalog of an open file."""
    return to_site_catalog(fp.read())


def loads(s: str, *args: object, **kwargs: object) -> SiteCatalog:
    """Return the SiteCatalog of a text."""
    return to_site_catalog(s)


def dump(obj: SiteCatalog, fp: TextIO, _format: str = "yml", *args: object, **kwargs: object) -> None:
    """Write it to an open file, as `yml` or `json`."""
    obj.write(fp, _format=_format)


def dumps(obj: SiteCatalog, _format: str = "yml", *args: object, **kwargs: object) -> str:
    """Return its document, as `yml` or `json`."""
    stream = io.StringIO()
    obj.write(stream, _format=_format)
    return stream.getvalue()
