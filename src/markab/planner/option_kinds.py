"""The kinds of options that the planner takes.

Each defines how its value is typed on a command line, which Python values it
accepts, how it is stored, and the words of a command line that give it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class OptionKind:
    """The base of all kinds: text as it was typed, None when it is not given."""

    annotation = "str | None"
    """Type of the keyword in Python."""
    keyword_default: Any = None
    is_switch = False
    """The flag has no value."""
    is_repeated = False
    """The flag may stand several times, each with a value."""
    has_commas = False
    """A value may be several, with commas between them."""

    def empty(self) -> Any:
        """Return the value when the option is not given."""
        return None

    def parse(self, typed: Any) -> Any:
        """Return the value of what was typed: text, or whether, how often, or each that stood there.

        Raises:
            ValueError: it cannot be understood; the message does not name the option.
        """
        return typed

    def accept(self, name: str, value: Any) -> Any:
        """Return the value for a keyword called `name`.

        Raises:
            TypeError: it has another type; the message shows how it is written.
        """
        return str(value)

    def words(self, flag: str, value: Any) -> Iterable[str]:
        """Return the words of a command line that give the value again."""
        return (flag, str(value))


class TextOption(OptionKind):
    """A word."""


class PathTextOption(OptionKind):
    """A path that stands for a name below another one; it is stored as text."""

    annotation = "str | Path | None"


class PathOption(OptionKind):
    """A path."""

    annotation = "str | Path | None"

    def parse(self, typed: Any) -> Path | None:
        """See `OptionKind.parse`."""
        return Path(typed) if typed else None

    def accept(self, name: str, value: Any) -> Path:
        """See `OptionKind.accept`."""
        return _path(name, value)


class SwitchOption(OptionKind):
    """Yes or no."""

    annotation = "bool"
    keyword_default = False
    is_switch = True

    def empty(self) -> bool:
        """See `OptionKind.empty`."""
        return False

    def accept(self, name: str, value: Any) -> bool:
        """See `OptionKind.accept`."""
        return bool(value)

    def words(self, flag: str, value: Any) -> Iterable[str]:
        """See `OptionKind.words`."""
        return (flag,)


class SwitchOrTextOption(OptionKind):
    """Yes, no or a name; typed without a name it is yes."""

    annotation = "bool | str | Path"
    keyword_default = False

    def empty(self) -> bool:
        """See `OptionKind.empty`."""
        return False

    def parse(self, typed: Any) -> bool | str:
        """See `OptionKind.parse`."""
        return typed or False

    def accept(self, name: str, value: Any) -> bool | str:
        """See `OptionKind.accept`."""
        return value if isinstance(value, bool) else str(value)

    def words(self, flag: str, value: Any) -> Iterable[str]:
        """See `OptionKind.words`."""
        return (flag,) if value is True else (f"{flag}={value}",)


class CountOption(OptionKind):
    """How often it is given."""

    annotation = "int"
    keyword_default = 0

    def empty(self) -> int:
        """See `OptionKind.empty`."""
        return 0

    def accept(self, name: str, value: Any) -> int:
        """See `OptionKind.accept`."""
        return int(value)

    def words(self, flag: str, value: Any) -> Iterable[str]:
        """See `OptionKind.words`."""
        return ("-" + flag.lstrip("-")[0] * value,)


class ListOption(OptionKind):
    """A list of words."""

    annotation = "Sequence[str] | None"
    is_repeated = True
    has_commas = True

    def empty(self) -> list[Any]:
        """See `OptionKind.empty`."""
        return []

    def parse(self, typed: Any) -> list[Any]:
        """See `OptionKind.parse`."""
        return _split(typed)

    def accept(self, name: str, value: Any) -> list[Any]:
        """See `OptionKind.accept`."""
        words = [str(item) for item in _list(name, value)]
        return _split(words) if self.has_commas else words

    def words(self, flag: str, value: Any) -> Iterable[str]:
        """See `OptionKind.words`."""
        return (flag, ",".join(map(str, value)))


class PathListOption(ListOption):
    """A list of paths."""

    annotation = "Sequence[str | Path] | None"

    def parse(self, typed: Any) -> list[Path]:
        """See `OptionKind.parse`."""
        return [Path(word) for word in _split(typed)]

    def accept(self, name: str, value: Any) -> list[Path]:
        """See `OptionKind.accept`."""
        return [_path(name, item) for item in _list(name, value)]


class RepeatedOption(ListOption):
    """A list of words that may have commas, so that each stands behind a flag of its own."""

    has_commas = False

    def parse(self, typed: Any) -> list[str]:
        """See `OptionKind.parse`."""
        return list(typed)

    def words(self, flag: str, value: Any) -> Iterable[str]:
        """See `OptionKind.words`."""
        return (word for item in value for word in (flag, item))


class JoinedOption(RepeatedOption):
    """A list of words that are joined to the flag, or begin with it already."""

    def words(self, flag: str, value: Any) -> Iterable[str]:
        """See `OptionKind.words`."""
        return (item if item.startswith(flag) else flag + item for item in value)


class StagingSitesOption(ListOption):
    """Execution site → staging site; the key "" stands for all sites, and is left out when typed."""

    annotation = "Mapping[str, str] | None"

    def empty(self) -> Any:
        """See `OptionKind.empty`."""
        return {}

    def parse(self, typed: Any) -> Any:
        """See `OptionKind.parse`."""
        pairs = (text.rpartition("=") for text in _split(typed))
        return {site.strip(): staging.strip() for site, _, staging in pairs}

    def accept(self, name: str, value: Any) -> Any:
        """See `OptionKind.accept`."""
        if not isinstance(value, Mapping):
            raise TypeError(
                f"{name} is {value!r}, but must be a dict of execution site to staging site: "
                f"{name}={{'condorpool': 'local'}}"
            )
        return {str(site): str(staging) for site, staging in value.items()}

    def words(self, flag: str, value: Any) -> Iterable[str]:
        """See `OptionKind.words`."""
        return (flag, ",".join(f"{site}={staging}" if site else staging for site, staging in value.items()))


class PropertiesOption(RepeatedOption):
    """Key → value, both text; a key that is typed without a value is "true"."""

    annotation = "object"

    def empty(self) -> Any:
        """See `OptionKind.empty`."""
        return {}

    def parse(self, typed: Any) -> Any:
        """See `OptionKind.parse`."""
        return dict(_property(text) for text in typed)

    def accept(self, name: str, value: Any) -> Any:
        """See `OptionKind.accept`."""
        return {
            key: str(item).lower() if isinstance(item, bool) else str(item) for key, item in value.items()
        }

    def words(self, flag: str, value: Any) -> Iterable[str]:
        """See `OptionKind.words`."""
        return (f"{flag}{key}={item}" for key, item in value.items())


def _property(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key.strip():
        raise ValueError(f"{text!r} is not KEY=VALUE")
    return key.strip(), value.strip() if equals else "true"


def _split(typed: Iterable[str]) -> list[str]:
    return [word.strip() for text in typed for word in text.split(",") if word.strip()]


def _list(name: str, value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{name} is {value!r}, but must be a list: {name}=[{value!r}]")
    return value


def _path(name: str, value: Any) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} is {value!r}, but must be a path: {name}='{value}'")
    return Path(value)
