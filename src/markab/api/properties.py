"""The builder of `pegasus.properties`: settings of the planner and the engine, as a dict that checks its keys."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from markab.api.enums import Namespace
from markab.api.profiles import as_value
from markab.api.warnings import warn

if TYPE_CHECKING:
    from typing_extensions import Self


class Properties(MutableMapping[str, str]):
    """Key → value, both text, in the order set. An unknown key is kept, with a warning that names a similar key."""

    _DEFAULT_FILENAME = "pegasus.properties"

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __setitem__(self, key: str, value: object) -> None:
        if not isinstance(key, str):
            raise TypeError(f"the key of a property is {key!r}, but must be text")
        if key not in self._values:
            _warn_if_unknown(key)
        self._values[key] = str(as_value(value))

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        # Keys only: some values are addresses with a password in them.
        return f"{type(self).__name__}({', '.join(self._values)})"

    @staticmethod
    def ls(prop: str | None = None) -> None:
        """Print the known keys that contain `prop`, sorted; all of them without it."""
        from markab.spec.property_keys import list_properties

        print("\n".join(list_properties(prop or "")))

    def add_site_profile(self, site: str, namespace: str | Namespace, key: str, value: object) -> None:
        """Set a profile of a site in the catalog, without touching the catalog.

        Raises:
            ValueError: there is no such namespace.
        """
        ns = namespace.value if isinstance(namespace, Namespace) else Namespace(namespace).value
        self._values[f"pegasus.catalog.site.sites.{site}.profiles.{ns}.{key}"] = str(as_value(value))

    @classmethod
    def load(cls, file: str | os.PathLike[str] | TextIO) -> Self:
        """Return the properties of a file, or of a stream.

        Raises:
            TypeError: `file` is neither path nor stream.
            OSError: it cannot be read.
        """
        if isinstance(file, (str, os.PathLike)):
            with open(file, encoding="utf-8") as stream:
                return cls.load(stream)
        if not hasattr(file, "read"):
            raise TypeError(f"{file!r} ({type(file).__name__}) is neither a path nor a stream to read")
        from markab.spec import java_properties

        properties = cls()
        properties._values.update((key, value) for _, key, value in java_properties.parse(file.read()))
        return properties

    def write(self, file: str | os.PathLike[str] | TextIO | None = None) -> None:
        """Write `key = value` lines to a path (by default `pegasus.properties`, which the planner finds) or stream.

        Raises:
            TypeError: `file` is neither path nor stream.
            OSError: it cannot be written.
        """
        from markab.spec import java_properties

        text = java_properties.write(self._values)
        if file is None:
            file = self._DEFAULT_FILENAME
        if isinstance(file, (str, os.PathLike)):
            Path(file).write_text(text, encoding="utf-8")
        elif hasattr(file, "write"):
            file.write(text)
        else:
            raise TypeError(f"{file!r} ({type(file).__name__}) is neither a path nor a stream to write to")


def _warn_if_unknown(key: str) -> None:
    from markab.spec.properties import Properties as Documented

    for problem in Documented({key: ""}).unknown():
        warn(f"{problem}; {problem.hint}")
