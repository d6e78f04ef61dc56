r"""The text form of a transformation catalog, as Pegasus 4 wrote it.

    tr NAMESPACE::NAME:VERSION {
        profile env "KEY" "VALUE"
        requires "NAMESPACE::NAME:VERSION"
        site SITE {
            pfn "/path/to/it"
            arch "x86_64"
            os "linux"
            type "INSTALLED"
            container "CONTAINER"
            profile env "KEY" "VALUE"
        }
    }
    cont CONTAINER {
        type "docker"
        image "docker://IMAGE"
        image_site "SITE"
        mount "/on/the/host:/in/it"
    }

A word is bare or between double quotes, in which a backslash precedes `"` and `\`. `#` starts a comment.
The type `STATIC_BINARY` is an old name of `STAGEABLE`; `osrelease`, `osversion`, `bypass` and `metadata` are known too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from markab.errors import DocumentError, Problem
from markab.spec.catalog_checks import check_transformations
from markab.spec.document_file import read_bytes
from markab.spec.model import Container, Profiles, Transformation, TransformationCatalog, TransformationSite
from markab.spec.schema import NAMESPACES
from markab.spec.suggestions import did_you_mean
from markab.spec.variables import expand
from markab.spec.yaml_nodes import UnreadableError, decode

_TOKEN = re.compile(r'\s*(?:#[^\n]*|([{}])|"((?:[^"\\]|\\.)*)"|([^\s{}"]+)|(\S))')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_TYPES: dict[str, Literal["installed", "stageable"]] = {
    "installed": "installed",
    "stageable": "stageable",
    "static_binary": "stageable",
}
_CONTAINER_TYPES = ("docker", "singularity", "shifter")
_SITE_KEYS = {
    "pfn": "pfn",
    "arch": "arch",
    "os": "os_type",
    "osrelease": "os_release",
    "osversion": "os_version",
    "container": "container",
}


def read_transformation_text(
    path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ
) -> TransformationCatalog:
    """Read the text form of a transformation catalog.

    Raises:
        DocumentError: with all that is wrong in it.
        StorageError: the file cannot be read.
    """
    name = os.fspath(path)
    try:
        text = decode(read_bytes(path), name)
    except UnreadableError as error:
        raise DocumentError(*error.args) from None
    return parse_transformation_text(text, name, environment)


def parse_transformation_text(
    text: str, name: str = "<string>", environment: Mapping[str, str] = os.environ
) -> TransformationCatalog:
    """Return the catalog of a text. Raises DocumentError as `read_transformation_text`."""
    parser = _Parser(text, name, environment)
    try:
        parser.parse()
    except _BadTextError as error:  # what follows cannot be told apart
        parser.problems.append(error.args[0])
        raise DocumentError(*parser.problems) from None
    catalog = TransformationCatalog(parser.transformations, parser.containers)
    problems = parser.problems + check_transformations(
        catalog, name, lambda item: parser.lines.get(id(item), 0)
    )
    if problems:
        raise DocumentError(*sorted(problems, key=lambda problem: problem.line))
    return catalog


def transformation_text(catalog: TransformationCatalog) -> str:
    """Return a catalog in the text form; hooks and checksums have no place in it."""
    lines: list[str] = []
    for transformation in catalog.transformations:
        lines.append(f"tr {transformation.full_name} {{")
        lines += [f"    requires {_quoted(name)}" for name in transformation.requires]
        lines += _pairs("    ", transformation.profiles, transformation.metadata)
        for site in transformation.sites:
            lines.append(f"    site {site.name} {{")
            values = {key: getattr(site, field) for key, field in _SITE_KEYS.items()}
            values["type"] = site.type.upper()
            lines += [f"        {key} {_quoted(value)}" for key, value in values.items() if value is not None]
            lines += ['        bypass "true"'] if site.bypass else []
            lines += [*_pairs("        ", site.profiles, site.metadata), "    }"]
        lines.append("}")
    for container in catalog.containers:
        lines += [
            f"cont {container.name} {{",
            f'    type "{container.type}"',
            f"    image {_quoted(container.image)}",
        ]
        lines += [f"    image_site {_quoted(container.image_site)}"] if container.image_site else []
        lines += [f"    mount {_quoted(mount)}" for mount in container.mounts]
        lines += [*_pairs("    ", container.profiles, container.metadata), "}"]
    return "".join(f"{line}\n" for line in lines)


def _pairs(indent: str, profiles: Profiles, metadata: Mapping[str, str]) -> list[str]:
    found = [
        f"{indent}profile {namespace} {_quoted(key)} {_quoted(value)}"
        for namespace, keys in profiles.items()
        for key, value in keys.items()
    ]
    return found + [f"{indent}metadata {_quoted(key)} {_quoted(value)}" for key, value in metadata.items()]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _BadTextError(Exception):
    """The text has not the form of a catalog; the argument is the problem."""


class _Parser:
    """Reads words, and makes the structs."""

    def __init__(self, text: str, name: str, environment: Mapping[str, str]) -> None:
        self.text = text
        self.name = name
        self.environment = environment
        self.position = 0
        self.line = 1
        self.problems: list[Problem] = []
        self.lines: dict[int, int] = {}
        self.transformations: list[Transformation] = []
        self.containers: list[Container] = []

    def parse(self) -> None:
        """Read all entries."""
        while (word := self.token()) is not None:
            if word == "tr":
                self.transformation()
            elif word == "cont":
                self.container()
            else:
                raise self.bad(f"expected 'tr' or 'cont', not {word!r}")

    # --- words ---

    def token(self) -> str | None:
        """Return the next word, `{` or `}`; None at the end."""
        while match := _TOKEN.match(self.text, self.position):
            self.line += self.text.count("\n", self.position, match.end())
            self.position = match.end()
            brace, quoted, bare, wrong = match.groups()
            if wrong:
                raise self.bad(f"{wrong} is never closed" if wrong == '"' else f"unexpected {wrong!r}")
            if quoted is not None:
                return self.expanded(_ESCAPE.sub(r"\1", quoted))
            if brace or bare:
                return brace or self.expanded(bare)
        return None

    def value(self, after: str) -> str:
        """Return the next word, which belongs to the word `after`."""
        word = self.token()
        if word is None or word in ("{", "}"):
            raise self.bad(f"{after!r} has no value")
        return word

    def opened(self, what: str) -> None:
        """Read an opening brace."""
        if (word := self.token()) != "{":
            raise self.bad(f"expected '{{' after {what}, not {word or 'the end of the file'!r}")

    def each(self, what: str, keys: Mapping[str, Callable[[], None]]) -> None:
        """Read the entries between braces."""
        self.opened(what)
        while (word := self.token()) != "}":
            if word is None:
                raise self.bad(f"the braces of {what} are never closed")
            if word not in keys:
                raise self.bad(f"unknown word {word!r} in {what}", did_you_mean(word, list(keys)))
            keys[word]()

    def expanded(self, word: str) -> str:
        """Return a word with variables of the environment replaced."""
        try:
            return expand(word, self.environment)
        except KeyError as error:
            (missing,) = error.args
            self.wrong(
                f"the environment variable {missing!r} is not set",
                f"type `export {missing}=…` before planning",
            )
            return word

    def bad(
        self, message: str, hint: str = "check the words, quotes and braces here and above"
    ) -> _BadTextError:
        """Return the error that ends reading."""
        return _BadTextError(Problem(message, hint, self.name, self.line, "bad-line"))

    def wrong(self, message: str, hint: str) -> None:
        """Add a problem with a value; reading goes on."""
        self.problems.append(Problem(message, hint, self.name, self.line, "wrong-value"))

    # --- entries ---

    def transformation(self) -> None:
        """Read what follows `tr`."""
        line, full_name = self.line, self.value("tr")
        namespace, _, rest = full_name.rpartition("::")
        name, _, version = rest.partition(":")
        found = Transformation(name, [], namespace or None, version or None)
        found.profiles, found.metadata, found.requires = {}, {}, []
        self.lines[id(found)] = line
        self.transformations.append(found)
        self.each(
            f"transformation {full_name!r}",
            {
                "site": lambda: self.site(found),
                "profile": lambda: self.profile(found.profiles),
                "metadata": lambda: self.metadata(found.metadata),
                "requires": lambda: found.requires.append(self.value("requires")),
            },
        )

    def site(self, into: Transformation) -> None:
        """Read what follows `site`."""
        line = self.line
        found = TransformationSite(self.value("site"), "installed", "", profiles={}, metadata={})
        self.lines[id(found)] = line
        into.sites.append(found)

        def put(key: str, field: str) -> Callable[[], None]:
            return lambda: setattr(found, field, self.lowered(key))

        keys = {key: put(key, field) for key, field in _SITE_KEYS.items()}
        keys |= {
            "type": lambda: self.kind(found),
            "bypass": lambda: setattr(found, "bypass", self.value("bypass").lower() == "true"),
            "profile": lambda: self.profile(found.profiles),
            "metadata": lambda: self.metadata(found.metadata),
        }
        self.each(f"site {found.name!r} of transformation {into.full_name!r}", keys)

    def lowered(self, key: str) -> str:
        """Return a value; the names of systems are written in small letters today."""
        word = self.value(key)
        return word.lower() if key in ("os", "arch") else word

    def kind(self, found: TransformationSite) -> None:
        """Read the type of an executable."""
        word = self.value("type")
        if (kind := _TYPES.get(word.lower())) is None:
            self.wrong(
                f"type {word!r} must be INSTALLED or STAGEABLE",
                did_you_mean(word.upper(), ["INSTALLED", "STAGEABLE"]),
            )
        else:
            found.type = kind

    def profile(self, into: Profiles) -> None:
        """Read what follows `profile`."""
        namespace, key, value = (self.value("profile") for _ in range(3))
        if namespace.lower() not in NAMESPACES:
            self.wrong(
                f"unknown namespace {namespace!r} of profile {key!r}",
                did_you_mean(namespace, list(NAMESPACES)),
            )
        into.setdefault(namespace.lower(), {})[key] = value

    def metadata(self, into: dict[str, str]) -> None:
        """Read what follows `metadata`."""
        key = self.value("metadata")
        into[key] = self.value("metadata")

    def container(self) -> None:
        """Read what follows `cont`."""
        line = self.line
        name = self.value("cont")
        found: Any = Container(name, "docker", "", mounts=[], profiles={}, metadata={})
        self.lines[id(found)] = line
        self.containers.append(found)
        self.each(
            f"container {name!r}",
            {
                "type": lambda: self.container_kind(found),
                "image": lambda: setattr(found, "image", self.value("image")),
                "image_site": lambda: setattr(found, "image_site", self.value("image_site")),
                "mount": lambda: found.mounts.append(self.value("mount")),
                "profile": lambda: self.profile(found.profiles),
                "metadata": lambda: self.metadata(found.metadata),
            },
        )
        if not found.image:
            self.wrong(f"container {name!r} has no image", 'add: image "docker://IMAGE"')

    def container_kind(self, found: Container) -> None:
        """Read the type of a container."""
        word = self.value("type").lower()
        if word not in _CONTAINER_TYPES:
            self.wrong(
                f"type {word!r} of container {found.name!r} is unknown", did_you_mean(word, _CONTAINER_TYPES)
            )
        found.type = word  # type: ignore[assignment]
