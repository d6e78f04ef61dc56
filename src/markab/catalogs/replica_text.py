r"""The text form of a replica catalog, one line for each place of a file.

    LFN PFN key="value" key="value" …

Names with blanks, quotes, `=` or backslashes are put between double quotes, in which
a backslash precedes `"` and `\`. `#` at the beginning of a line starts a
comment. The keys `site` (old name `pool`), `checksum.type`, `checksum.value` and
`regex` are special; all others are metadata. Lines for the same name merge.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from markab.errors import DocumentError, Problem
from markab.spec.catalog_checks import check_replicas
from markab.spec.document_file import read_bytes
from markab.spec.model import Checksum, Pfn, Replica, ReplicaCatalog
from markab.spec.variables import expand
from markab.spec.yaml_nodes import UnreadableError, decode
from markab.transfers.base import redact

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)')
_ATTRIBUTE = re.compile(r'([^\s="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def read_replica_file(
    path: str | os.PathLike[str],
    environment: Mapping[str, str] = os.environ,
    *,
    absolute_lfns: bool = False,
) -> ReplicaCatalog:
    """Read the text form of a replica catalog.

    Raises:
        DocumentError: with all invalid lines.
        StorageError: the file cannot be read.
    """
    name = os.fspath(path)
    try:
        text = decode(read_bytes(path), name)
    except UnreadableError as error:
        raise DocumentError(*error.args) from None
    return parse_replica_file(text, name, environment, absolute_lfns=absolute_lfns)


def parse_replica_file(
    text: str,
    name: str = "<string>",
    environment: Mapping[str, str] = os.environ,
    *,
    absolute_lfns: bool = False,
) -> ReplicaCatalog:
    """Return the catalog of a text. Raises DocumentError as `read_replica_file`."""
    problems: list[Problem] = []
    found: dict[tuple[str, bool], Replica] = {}
    lines: dict[int, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            replica = _parse_line(line.strip(), environment)
        except _BadLineError as error:
            problems.append(Problem(str(error), 'write: NAME PLACE site="SITE"', name, number, "bad-line"))
            continue
        except KeyError as error:
            message = f"the environment variable {error.args[0]!r} is not set"
            hint = f"type `export {error.args[0]}=…` before planning"
            problems.append(Problem(message, hint, name, number, "unset-variable"))
            continue
        lines[id(replica)] = number
        lines.update((id(place), number) for place in replica.pfns)
        first = found.setdefault((replica.lfn, replica.regex), replica)
        if first is not replica:
            problems += _merge(first, replica, name, number)
    catalog = ReplicaCatalog(list(found.values()))
    problems += check_replicas(catalog, name, lambda item: lines.get(id(item), 0), absolute_lfns)
    if problems:
        raise DocumentError(*sorted(problems, key=lambda problem: problem.line))
    return catalog


class _BadLineError(Exception):
    pass


def _merge(first: Replica, other: Replica, name: str, line: int) -> list[Problem]:
    first.pfns += [place for place in other.pfns if place not in first.pfns]
    first.metadata.update(other.metadata)
    if first.checksum and other.checksum and first.checksum != other.checksum:
        message = f"two lines for {other.lfn!r} have different checksums"
        hint = "all places of a file must have the same content; remove the wrong line"
        return [Problem(message, hint, name, line, "checksums-disagree")]
    first.checksum = first.checksum or other.checksum
    return []


def _parse_line(line: str, environment: Mapping[str, str]) -> Replica:
    lfn, position = _take(line, 0, _WORD, "a file name")
    pfn, position = _take(line, position, _WORD, "a place")
    attributes: dict[str, str] = {}
    while position < len(line):
        match = _ATTRIBUTE.match(line, position)
        if not match:
            raise _BadLineError(f'expected key="value" at {redact(line[position:])[:30]!r}')
        value = match[3] if match[2] is None else _plain(match[2])
        attributes[match[1]] = expand(value, environment)
        position = _skip(line, match.end())
    site = attributes.pop("site", None) or attributes.pop("pool", None) or "local"
    attributes.pop("pool", None)
    regex = attributes.pop("regex", "false").lower() == "true"
    kind = attributes.pop("checksum.type", "sha256")
    digest = attributes.pop("checksum.value", None)
    if digest is not None and kind != "sha256":
        raise _BadLineError(f"the checksum of {lfn!r} has the type {kind!r}; only sha256 is supported")
    checksum = Checksum(digest) if digest is not None else None
    if not regex:
        lfn = expand(lfn, environment)
    return Replica(lfn, [Pfn(site, expand(pfn, environment))], regex, checksum, attributes)


def _take(line: str, position: int, pattern: re.Pattern[str], wanted: str) -> tuple[str, int]:
    match = pattern.match(line, position)
    if not match:
        raise _BadLineError(f"expected {wanted} at {redact(line[position:])[:30]!r}")
    word = match[2] if match[1] is None else _plain(match[1])
    return word, _skip(line, match.end())


def _skip(line: str, position: int) -> int:
    match = _SPACE.match(line, position)
    assert match  # it matches the empty text
    return match.end()


def _plain(text: str) -> str:
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def quoted_word(text: str) -> str:
    """Return a name for a text catalog: quoted if necessary."""
    plain = text and not text.startswith("#") and not any(c.isspace() or c in '"\\=' for c in text)
    return text if plain else f'"{escaped_quotes(text)}"'


def escaped_quotes(text: str) -> str:
    """Return a text with backslashes and quotes escaped, to be put between double quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
