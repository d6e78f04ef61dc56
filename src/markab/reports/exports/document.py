"""The run's workflow document as it may be given away: variables not expanded, no environment, no passwords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markab import PEGASUS_VERSION
from markab.plan.durable import replacing
from markab.spec.model import Workflow
from markab.spec.read import read_workflow
from markab.spec.write import emit, to_document
from markab.transfers.base import redact

_HIDDEN = {"condor": ("environment", "getenv"), "globus": ("environment",)}
"""Profiles that hold an environment too, by namespace."""


class _AsWritten(dict[str, str]):
    """An environment in which every variable stands for its own name, so that nothing is expanded."""

    def __missing__(self, name: str) -> str:
        return "${" + name + "}"


def write_document(source: Path, path: Path) -> None:
    """Write the workflow document at `source` as YAML, without environment and passwords.

    Raises:
        DocumentError, StorageError: it cannot be read.
    """
    data = _given_away(to_document(read_as_written(source)))
    with replacing(path) as out:
        emit({"pegasus": PEGASUS_VERSION, **data}, lambda text: out.write(text.encode()))


def read_as_written(source: Path) -> Workflow:
    """Read a workflow document with its `${VAR}` left as they are."""
    return read_workflow(source, _AsWritten(), limit_bytes=1 << 62, absolute_lfns=True)


def arguments_as_written(source: Path) -> dict[str, str]:
    """Return the arguments in which planning replaced variables: task id → as the user wrote them.

    A variable of whoever planned may hold a secret. Almost no document has one, which a look at its bytes shows.
    """
    if not source.is_file() or b"${" not in source.read_bytes():
        return {}
    return {
        task.id: " ".join(task.arguments)
        for task in read_as_written(source).jobs
        if any("${" in argument for argument in task.arguments)
    }


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
