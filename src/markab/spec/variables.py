"""`${VAR}` in documents: replaced from the environment of the planner.

`${NAME}` is replaced everywhere in the values of the workflow and the catalogs;
keys are not touched, and neither is `$NAME`. A name that is not set is an error.

The arguments of a job are the exception, because users write
`${_PEGASUS_INITIAL_DIR}/x` for variables that exist only where the job runs.
There, a name is replaced if it is set and starts with neither `PEGASUS_` nor
`_PEGASUS_`; everything else stays as it is, to be expanded on the node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

T = TypeVar("T")

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_.]*)\}")
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKED = re.compile(f"/{_OPEN}(.*?){_CLOSE}")
_ON_THE_NODE = ("PEGASUS_", "_PEGASUS_")


class Unexpanded(Mapping[str, str]):
    """An environment in which the value of every variable is the reference to it, so that nothing is expanded."""

    def __getitem__(self, name: str) -> str:
        return f"${{{name}}}"

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class MarkedVariables(Mapping[str, str]):
    """An environment in which each variable's value is a mark of its name, with the form of a path."""

    def __getitem__(self, name: str) -> str:
        return f"/{_OPEN}{name}{_CLOSE}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, name: object) -> bool:
        return True


def restored(data: T) -> T:
    """Return plain data in which the marks of `MarkedVariables` are references again."""
    found: Any = data
    if isinstance(data, str):
        found = _MARKED.sub(r"${\1}", data) if _OPEN in data else data
    elif isinstance(data, dict):
        found = {restored(key): restored(value) for key, value in data.items()}
    elif isinstance(data, list):
        found = [restored(item) for item in data]
    return cast(T, found)


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` with every `${NAME}` replaced.

    Raises:
        KeyError: with the first name that is not set.
    """
    if "${" not in text:
        return text
    return _VARIABLE.sub(lambda match: environment[match[1]], text)


def expand_argument(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` with those names replaced that are set here and don't belong to the node."""
    if "${" not in text:
        return text
    return _VARIABLE.sub(
        lambda match: match[0] if _stays(match[1], environment) else environment[match[1]], text
    )


def _stays(name: str, environment: Mapping[str, str]) -> bool:
    return name.startswith(_ON_THE_NODE) or name not in environment
