"""`braindump.yml` as an object with attributes: the identity of a run, and the places of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PATHS = ("submit_dir", "basedir", "bindir", "planner", "dax")


class Braindump:
    """The keys of a braindump as attributes; those that are missing are None.

    `submit_dir`, `basedir`, `bindir`, `planner` and `dax` are paths,
    `planner_arguments` is a list of words, all others are text.
    """

    def __init__(self, **values: str | None) -> None:
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = self._values.get(name)
        if value is None:
            return None
        if name in PATHS:
            return Path(value)
        if name == "planner_arguments":
            import shlex

            return shlex.split(value)
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Braindump) and self._values == other._values

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self._values.items())})"
        )

    def to_text(self) -> str:
        """Return the file: one `key: "value"` a line."""
        from markab.plan.braindump import braindump_text

        return braindump_text(self._values)


def to_braindump(text: str | bytes) -> Braindump:
    """Return the Braindump of a file's content.

    Raises:
        ValueError: it is not a map of keys and values.
    """
    from markab.plan.braindump import parse_braindump

    return Braindump(**parse_braindump(text))
