"""Changing valid documents at random, as bytes, as lines, and as trees of values."""

from __future__ import annotations

import copy
import json
import re
import zlib
from random import Random
from typing import Any

TOKENS = (
    b"\x00", b"\xff", b"\xc3\x28", b"\xef\xbb\xbf", b"\x1b[2J", b"\r", b"\t", b"\xe2\x80\xae", b"\xed\xa0\x80", b"\\ud800",
    b"{", b"}", b"[", b"]", b":", b",", b"- ", b"? ", b"&a ", b"*a", b"<<: *a", b"!!python/object:os.system ",
    b"!!binary ", b"!<x> ", b"|\n", b">-\n", b"%YAML 9.9\n", b"---\n", b"...\n", b"'", b'"', b"#", b"~", b"null",
    b"<", b"/>", b"</adag>", b"<!DOCTYPE a>", b"<![CDATA[", b"&amp;", b"&#0;", b"&x;", b"<?x?>",
    b"-1", b"1e999", b"9" * 30, b"0x10", b"1_000", b".inf", b"NaN", b"2026-01-01", b"yes",
    b"${HOME}", b"${NO_SUCH}", b"${", b"$(x)", b"../..", b"/", b"//", b"file://", b"http://[", b"u:p@", b"\\", b"=", b"\n", b"\n\n",
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30, 1.5, -0.0, 1e308, "", " ", "x", "0", "-1", "nan",
    "1e9999", "9" * 400, "..", "../x", "/", "a/b", "a//b", ".markab", ".work", "\0", "\x1b[31m", "\u202e", "\ud800", "\ue000",
    "n" * 300, "é" * 200, "${HOME}", "${NO_SUCH}", "file:///", "http://[::1", "http://x:99999/", "s3://", "://", [], {}, [[]],
    {"": ""}, [None], ["x"] * 50, {"a": {"b": {"c": {}}}},
)  # fmt: skip


_DEEP = re.compile(r'"@deep (\d+)@"')
"""Stands in a tree for so many lists inside of each other."""


def mutate_bytes(chance: Random, data: bytes, others: list[bytes]) -> bytes:
    """Return the bytes with one to four changes."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(out))
        end = min(len(out), at + int(chance.expovariate(1 / 20)))
        kind = chance.randrange(9)
        if kind == 0 and out:
            out[min(at, len(out) - 1)] = chance.randrange(256)
        elif kind == 1:
            out[at:at] = chance.choice(TOKENS)
        elif kind == 2:
            del out[at:end]
        elif kind == 3:
            out[at:at] = out[at:end]
        elif kind == 4:
            other = chance.choice(others)
            begin = chance.randint(0, len(other))
            out[at:end] = other[begin : begin + int(chance.expovariate(1 / 80))]
        elif kind == 5:
            out[at:end] = chance.choice(TOKENS) * chance.choice((2, 50, 2000))
        elif kind == 6:
            lines = out.split(b"\n")
            first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[first], lines[second] = lines[second], lines[first]
            out = bytearray(b"\n".join(lines))
        elif kind == 7:
            lines = out.split(b"\n")
            line = chance.randrange(len(lines))
            lines[line : line + 1] = [lines[line]] * chance.choice((0, 2, 300))
            out = bytearray(b"\n".join(lines))
        else:
            out = out[:at]
    return bytes(out[: 1 << 17])


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return all (container, key) pairs of a tree."""
    found, stack = [], [value]
    while stack:
        item = stack.pop()
        keys = item if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            found.append((item, key))
            stack.append(item[key])
    return found


def mutate_tree(chance: Random, tree: Any) -> Any:
    """Return the tree with one to three values changed."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.randint(1, 3)):
        found = places(tree)
        if not found:
            return chance.choice(VALUES)
        container, key = chance.choice(found)
        kind = chance.randrange(7)
        if kind <= 2:
            container[key] = copy.deepcopy(chance.choice(VALUES))
        elif kind == 3:
            del container[key]
        elif kind == 4:
            other, name = chance.choice(found)
            if name in other if isinstance(other, dict) else name < len(other):
                container[key] = copy.deepcopy(other[name])
        elif kind == 5 and isinstance(container, dict):
            new = chance.choice(("", "x", "x-y", "\x1b", *(str(k) for c, k in found if isinstance(c, dict))))
            container[new] = container.pop(key)
        elif kind == 6:
            container[key] = (
                f"@deep {chance.choice((90, 200, 3000))}@" if chance.random() < 0.2 else [container[key]] * 2
            )
    return tree


def dump(tree: Any) -> bytes:
    """Return the tree as JSON."""
    return _DEEP.sub(lambda match: "[" * int(match[1]) + "]" * int(match[1]), json.dumps(tree)).encode()


def mutate_json(chance: Random, data: bytes, others: list[bytes]) -> bytes:
    """Return a JSON text changed as a tree, or as bytes."""
    if chance.random() < 0.3:
        return mutate_bytes(chance, data, others)
    return dump(mutate_tree(chance, json.loads(data)))


def _sealed_line(kind: str, line: bytes) -> bytes:
    if kind == "journal":
        return b"%08x %s\n" % (zlib.crc32(line), line)
    return b'%s,"crc":"%08x"}\n' % (line[:-1], zlib.crc32(line))


def mutate_lines(chance: Random, data: bytes, kind: str) -> bytes:
    """Return lines of JSON, some changed, moved or doubled, each with its right checksum again."""
    lines = data.splitlines()
    bodies = [line[9:] if kind == "journal" else line[: line.rindex(b',"crc":')] + b"}" for line in lines]
    valid = list(bodies)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(bodies))
        change = chance.randrange(5)
        if change <= 2:
            bodies[at] = dump(mutate_tree(chance, json.loads(chance.choice(valid))))
        elif change == 3:
            bodies.insert(chance.randrange(len(bodies)), bodies[at])
        elif len(bodies) > 1:
            del bodies[at]
    return b"".join(_sealed_line(kind, body if len(body) > 1 else b"{}") for body in bodies)
