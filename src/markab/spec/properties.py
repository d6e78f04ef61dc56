"""Properties: the settings of a run, read from files, environment and command line.

A later source wins: `~/.pegasusrc`, `./pegasus.properties`, the file given with
`--conf`, environment variables such as `_PEGASUS__CATALOG__REPLICA__FILE` (an
underscore in front, two underscores for a dot, case ignored), `-D` on the command line.

`${key}` in a value is replaced by the value of that property, or else of that
environment variable; if there is neither, it stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TypeVar

from markab.errors import DocumentError, Problem, StorageError
from markab.spec import java_properties
from markab.spec.document_file import note_missing, read_bytes
from markab.spec.model import Profiles
from markab.spec.profile_keys import KEYS, canonical_key, canonical_namespace, is_profile_key
from markab.spec.property_keys import KNOWN, find_property
from markab.spec.schema import NAMESPACES
from markab.spec.suggestions import did_you_mean, likely

_REFERENCE = re.compile(r"\$\{([^${}]+)\}")
_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0"))
COMMAND_LINE = "command line"

Choice = TypeVar("Choice", bound=str)


class Properties(MutableMapping[str, str]):
    """A table of settings that records where each of them was set."""

    def __init__(
        self,
        values: Mapping[str, str] | None = None,
        source: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._values: dict[str, str] = dict(values or {})
        self._sources: dict[str, str] = dict.fromkeys(self._values, source)
        self._environment: Mapping[str, str] = environment if environment is not None else {}
        self._refused: set[str] = set()

    def __getitem__(self, key: str) -> str:
        return self._resolved(key, self._values[key], ())

    def __setitem__(self, key: str, value: str) -> None:
        self.put(key, value, "")

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        self._sources.pop(key, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Properties({', '.join(self._values)})"  # values may be passwords

    def put(self, key: str, value: str, source: str) -> None:
        """Set a property and record where it was set."""
        self._values[key] = value
        self._sources[key] = source

    def source(self, key: str) -> str:
        """Return where `key` was set: `file:line`, `command line`, a variable, or nothing."""
        return self._sources.get(key, "")

    def place(self, key: str) -> tuple[str, int]:
        """Return the file and the line where `key` was set; nothing and 0 if that was elsewhere."""
        return _split(self.source(key))

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a property that is true or false. Raises DocumentError if it is neither."""
        text = self.get(key)
        if text is None or not text.strip():
            return default
        word = text.strip().lower()
        if word not in _TRUE | _FALSE:
            raise DocumentError(self.problem(key, "it must be true or false"))
        return word in _TRUE

    def integer(self, key: str, default: int) -> int:
        """Return a property that is a whole number. Raises DocumentError if it is not."""
        text = self.get(key)
        if text is None or not text.strip():
            return default
        if not re.fullmatch(r"[-+]?[0-9]{1,18}", text.strip()):
            raise DocumentError(self.problem(key, "it must be a whole number"))
        return int(text)

    def choice(self, key: str, choices: Sequence[Choice], default: Choice) -> Choice:
        """Return the one of `choices` that a property names, in any case of letters.

        Raises:
            DocumentError: it names something else.
        """
        text = self.get(key)
        if text is None or not text.strip():
            return default
        for word in choices:
            if word.lower() == text.strip().lower():
                return word
        raise DocumentError(
            self.problem(key, f"it must be one of {', '.join(choices)}", did_you_mean(text, choices))
        )

    def under(self, prefix: str) -> dict[str, str]:
        """Return the properties below `prefix` (`a.b` has `a.b.c` below it), without the prefix."""
        start = prefix if prefix.endswith(".") else prefix + "."
        return {
            key[len(start) :]: self[key] for key in self if key.startswith(start) and len(key) > len(start)
        }

    def profiles(self) -> Profiles:
        """Return the profiles that hold for all jobs: keys such as `env.FOO` or `dagman.retry`."""
        found: Profiles = {}
        for key in self:
            namespace, dot, name = key.partition(".")
            if dot and is_profile_key(namespace, name) and find_property(key) is None:
                namespace = canonical_namespace(namespace)
                found.setdefault(namespace, {})[canonical_key(namespace, name)] = self[key]
        return found

    def keys_of_profile(self, namespace: str, key: str) -> list[str]:
        """Return the properties that give this profile, each in its spelling."""
        found = []
        for name in self:
            written, dot, rest = name.partition(".")
            if dot and is_profile_key(written, rest) and find_property(name) is None:
                at = canonical_namespace(written)
                if (at, canonical_key(written, rest)) == (namespace, key):
                    found.append(name)
        return found

    def problem(self, key: str, what: str, hint: str = "") -> Problem:
        """Return a problem with the value of `key`; `what` names the valid values."""
        self._refused.add(key)
        file, line = _split(self.source(key))
        where = f" ({self.source(key)})" if self.source(key) and not line else ""
        message = f"property {key!r} is {self[key]!r}{where}; {what}"
        return Problem(message, hint or f"change or remove {key!r}", file, line, "bad-property")

    def drop_refused(self) -> None:
        """Remove the properties with whose values a problem was found, so that each is found once."""
        for key in self._refused & self.keys():
            del self[key]

    def unknown(self) -> list[Problem]:
        """Return a warning for each unknown property, with the likely name.

        Keys outside the namespaces of Markab belong to other programs, and get a warning only if
        they look like one of Markab's. Values are never shown: they may be passwords.
        """
        warnings = []
        names = [row.key for row in KNOWN if "*" not in row.key]
        names += [f"dagman.{name.lower()}" for name in KEYS["dagman"]]
        for key in self:
            namespace, dot, name = key.partition(".")
            if find_property(key) or (dot and is_profile_key(namespace, name)):
                continue
            is_own = namespace in ("pegasus", "markab", "dagman")
            profile = likely(name, KEYS["pegasus"], cutoff=0.75) if namespace == "pegasus" else None
            close = f"pegasus.{profile}" if profile else likely(key, names, cutoff=0.6 if is_own else 0.85)
            if not is_own and (close is None or namespace in NAMESPACES):
                continue
            file, line = _split(self.source(key))
            hint = f"did you mean {close!r}?" if close else "remove it; it is not a setting of Markab"
            warnings.append(Problem(f"property {key!r} is not known", hint, file, line, "unknown-property"))
        return warnings

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write all properties, with references resolved, as `key = value` lines."""
        text = java_properties.write({key: self[key] for key in self})
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{os.fspath(path)!r} cannot be written: {error.strerror}") from error

    def _resolved(self, key: str, text: str, inside: tuple[str, ...]) -> str:
        if "${" not in text:
            return text

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name == key or name in inside:
                file, line = _split(self.source(key))
                message = f"property {key!r} refers to itself through ${{{name}}}"
                raise DocumentError(Problem(message, "write the value instead", file, line, "bad-property"))
            if name in self._values:
                return self._resolved(name, self._values[name], (*inside, key))
            return self._environment.get(name, match[0])

        return _REFERENCE.sub(value, text)


def read_properties(path: Path, into: Properties) -> None:
    """Add the properties of a file; they replace what is there.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig", "surrogateescape")
    except StorageError as error:
        why = getattr(error.__cause__, "strerror", "") or error
        raise StorageError(
            f"the properties {str(path)!r} cannot be read: {why}", "check the name given with --conf"
        ) from error
    for line, key, value in java_properties.parse(text):
        if key:
            into.put(key, value, f"{path}:{line}")


def load_properties(
    conf: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] = os.environ,
    directory: Path | None = None,
    home: Path | None = None,
) -> Properties:
    """Return the properties of all sources. `conf` must exist if given; the other files need not.

    Raises:
        StorageError: a file cannot be read.
        DocumentError: a property refers to itself.
    """
    properties = Properties(environment=environment)
    for path in ((home or Path.home()) / ".pegasusrc", (directory or Path()) / "pegasus.properties"):
        if path.is_file():
            read_properties(path, properties)
        else:
            note_missing(path)
    if conf is not None:
        read_properties(Path(conf), properties)
    for name in sorted(environment):
        if key := _key_of_variable(name):
            properties.put(key, environment[name], f"environment variable {name}")
    for key, value in (overrides or {}).items():
        properties.put(key, value, COMMAND_LINE)
    for key in properties:
        properties.get(key)  # a property that refers to itself is reported now, not when it is used
    return properties


def property_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that set properties."""
    return {name: environment[name] for name in sorted(environment) if _key_of_variable(name)}


def _key_of_variable(name: str) -> str | None:
    """`_PEGASUS__CATALOG__REPLICA__FILE` → `pegasus.catalog.replica.file`.

    Capital letters inside known keys (`pegasus.dir.useTimestamp`) are restored.
    """
    namespace, dots, rest = name[1:].partition("__")
    if not name.startswith("_") or not dots or not rest:
        return None
    namespace = namespace.lower()
    if namespace not in NAMESPACES and namespace != "markab":
        return None
    if namespace == "env":
        return f"env.{rest}"
    key = f"{namespace}.{rest.replace('__', '.').lower()}"
    return next((row.key for row in KNOWN if row.key.lower() == key), key)


def _split(source: str) -> tuple[str, int]:
    file, colon, line = source.rpartition(":")
    return (file, int(line)) if colon and line.isdigit() else ("", 0)
