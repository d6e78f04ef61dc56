"""Writing a workflow or a catalog to a file or a stream, as YAML or JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from markab.api.errors import PegasusError
from markab.spec.writer import emit, emit_json

if TYPE_CHECKING:
    from typing_extensions import Self

DOCUMENT_VERSION = "5.0.4"
"""Version of the documents, which is that of their schema."""

_FORMAT_OF_SUFFIX = {".yml": "yml", ".yaml": "yml", ".json": "json"}
_EMITTER = {"yml": emit, "yaml": emit, "json": emit_json}


class Writable:
    """The base of builders that have a document."""

    _DEFAULT_FILENAME = "document.yml"
    _path: Path | None = None

    @property
    def path(self) -> Path:
        """The file to which it was written last.

        Raises:
            PegasusError: it has not been written to a file.
        """
        if self._path is None:
            raise PegasusError(
                f"this {type(self).__name__} has no path: write it to a file first, with write()"
            )
        return self._path

    def to_data(self) -> dict[str, Any]:
        """Return the body of the document, which is also its form inside a workflow.

        An iterator in it can be used once.
        """
        raise NotImplementedError

    def write(self, file: str | os.PathLike[str] | TextIO | None = None, _format: str = "yml") -> Self:
        """Write the document to a path (by default `workflow.yml`, `sites.yml`, …) or a stream.

        The suffix `.yml`, `.yaml` or `.json` of a path is the format; with any
        other, and for streams, it is `_format`. A file is replaced as a whole.

        Raises:
            TypeError: `file` is neither path nor stream.
            ValueError: `_format` is not `yml`, `yaml` or `json`.
            OSError: the file cannot be written.
        """
        if _format not in _EMITTER:
            raise ValueError(f"documents are written as 'yml' or 'json', not as {_format!r}")
        if file is None:
            file = Path(self._DEFAULT_FILENAME).with_suffix("." + _format)
        if isinstance(file, (str, os.PathLike)):
            path = Path(os.path.abspath(file))
            self._write_path(path, _FORMAT_OF_SUFFIX.get(path.suffix, _format))
            self._path = path
        elif hasattr(file, "write"):
            self._write_stream(file, _format)
            self._path = _path_of(file)
        else:
            raise TypeError(f"{file!r} ({type(file).__name__}) is neither a path nor a stream to write to")
        return self

    def _write_path(self, path: Path, format: str) -> None:
        target = os.path.realpath(path)
        if os.path.exists(target) and not os.path.isfile(target):  # a terminal, a pipe
            with open(target, "w", encoding="utf-8") as stream:
                self._write_stream(stream, format)
            return
        partial = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{os.getpid()}.part")
        try:
            with open(partial, "w", encoding="utf-8") as stream:
                self._write_stream(stream, format)
            os.replace(partial, target)
        except BaseException as error:
            if os.path.exists(partial):
                os.remove(partial)
            if isinstance(error, OSError) and error.filename == partial:
                error.filename = str(path)
            raise

    def _write_stream(self, stream: TextIO, format: str) -> None:
        head = {"x-pegasus": _origin(), "pegasus": DOCUMENT_VERSION}
        _EMITTER[format]({**head, **self.to_data()}, stream.write)


def _path_of(stream: TextIO) -> Path | None:
    """Return the file of a stream, after flushing it."""
    flush = getattr(stream, "flush", None)
    if flush is not None:
        flush()
    name = getattr(stream, "name", None)
    return Path(name).resolve() if isinstance(name, str) and os.path.isfile(name) else None


def _origin() -> dict[str, str]:
    """Return author, time and language of the document."""
    import getpass
    from datetime import datetime, timezone

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, the user id may have no name
        user = str(os.getuid())
    now = datetime.now(timezone.utc)
    return {"apiLang": "python", "createdBy": user, "createdOn": now.strftime("%m-%d-%yT%H:%M:%SZ")}
