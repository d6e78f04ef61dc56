"""The run's workflow document for publication: variables not expanded, no environment, no passwords."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from markab import PEGASUS_VERSION
from markab.plan.atomic_file import replacing
from markab.reports.exports.document_stream import Pieces
from markab.spec.document_pieces import NotPlain
from markab.spec.gc_pause import without_garbage_collection
from markab.spec.model import Task, Workflow
from markab.spec.reader import FAST_BYTES, read_workflow
from markab.spec.variables import Unexpanded
from markab.spec.writer import emit, to_document
from markab.transfers.base import redact

_HIDDEN = {"condor": ("environment", "getenv"), "globus": ("environment",)}
"""Profiles that can hold an environment too, by namespace."""

_VARIABLE = re.compile(rb"\$[{\\]|\\[xuU]0*(?:24|7[bB])")
"""`${` in every spelling of YAML and JSON: plain, split by an escaped line break, or as character codes."""

_VARIABLE_IN_XML = re.compile(rb"\$|&#")
"""The same in XML, where a comment or an element may be in the middle."""


def write_document(source: Path, path: Path, *, durable: bool = True) -> None:
    """Write the workflow document at `source` as YAML, without environment and passwords.

    `durable` is that of `replacing`.

    Raises:
        DocumentError, StorageError: it cannot be read.
    """
    with replacing(path, durable=durable) as out, without_garbage_collection():

        def write(text: str) -> None:
            out.write(text.encode())

        if pieces := _in_pieces(source):
            try:
                emit(_data_in_pieces(pieces), write)
                return
            except NotPlain:
                out.seek(0)
                out.truncate()
            finally:
                pieces.close()
        emit({"pegasus": PEGASUS_VERSION, **_given_away(to_document(_read_whole(source)))}, write)


def arguments_as_written(source: Path) -> dict[str, str]:
    """Return the arguments in which planning replaced variables: task id → as the user wrote them.

    A variable of the planning user may hold a secret. Almost no document has one, as a search of its bytes shows.
    """
    if not _mentions_variables(source):
        return {}
    if pieces := _in_pieces(source):
        try:
            pieces.head()
            return dict(chain.from_iterable(_with_variables(tasks) for _, tasks in pieces.tasks()))
        except NotPlain:
            pass
        finally:
            pieces.close()
    return dict(_with_variables(_read_whole(source).jobs))


def _with_variables(tasks: Iterable[Task]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        if any("${" in argument for argument in task.arguments):
            yield task.id, " ".join(task.arguments)


def _mentions_variables(source: Path) -> bool:
    try:
        with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if (
                text[:1000].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in b"<"
            ):  # or all blank: then it may be XML
                return _VARIABLE_IN_XML.search(text) is not None
            if text.find(b"$") < 0 and text.find(b"\\") < 0:
                return False
            return _VARIABLE.search(text) is not None
    except (OSError, ValueError):  # missing or empty: reported where it is needed
        return False


def _read_whole(source: Path) -> Workflow:
    """Read a workflow document without expanding `${VAR}`."""
    return read_workflow(source, Unexpanded(), limit_bytes=1 << 62, absolute_lfns=True)


def _in_pieces(source: Path) -> Pieces | None:
    """Open a document for reading in pieces, if it is large and plain enough."""
    try:
        return Pieces(source, Unexpanded()) if source.stat().st_size >= FAST_BYTES else None
    except (NotPlain, OSError):
        return None


def _data_in_pieces(pieces: Pieces) -> dict[str, Any]:
    """Return the data of a document, in its order; its long lists are iterators."""
    data: dict[str, Any] = {"pegasus": PEGASUS_VERSION}
    for key, value in _given_away(to_document(pieces.head())).items():
        data[key] = value
        if key == "jobs":
            data["jobs"] = _tasks(pieces)
        if key == "jobs" and pieces.has("jobDependencies"):
            data["jobDependencies"] = (to_builtins(one) for some in pieces.dependencies() for one in some)
        if key == "replicaCatalog" and pieces.has("replicaCatalog"):
            data["replicaCatalog"] = {"replicas": _replicas(pieces)}
    return data


def _tasks(pieces: Pieces) -> Iterator[dict[str, Any]]:
    for text, tasks in pieces.tasks():
        some = to_document(Workflow(PEGASUS_VERSION, "", tasks))["jobs"]
        yield from some if _is_harmless(text) else _given_away(some)


def _replicas(pieces: Pieces) -> Iterator[dict[str, Any]]:
    for text, replicas in pieces.replicas():
        some = to_builtins(replicas)
        yield from some if _is_harmless(text) else _given_away(some)


def _is_harmless(text: bytes) -> bool:
    """Return whether there is certainly nothing to leave out, in any spelling."""
    return b"profiles" not in text and b"://" not in text and b"\\" not in text


def _given_away(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _given_away(item) for key, item in value.items() if key != "profiles"}
        if profiles := _profiles(value.get("profiles")):
            kept["profiles"] = profiles
        return kept
    if isinstance(value, (list, tuple)):
        return [_given_away(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def _profiles(profiles: Any) -> Any:
    if not isinstance(profiles, dict):
        return None
    kept = {}
    for namespace, keys in profiles.items():
        hidden = _HIDDEN.get(namespace, ())
        if namespace != "env" and (shown := {k: v for k, v in keys.items() if k.lower() not in hidden}):
            kept[namespace] = _given_away(shown)
    return kept
