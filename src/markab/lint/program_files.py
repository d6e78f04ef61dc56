"""Which of its arguments a Python program opens for reading and which for writing, as its text says. Pure."""

from __future__ import annotations

import ast
import re
from typing import Literal

Direction = Literal["input", "output"]

_READS = re.compile(r"(?:read|load|imread)(?:_|\Z)|loadtxt\Z|genfromtxt\Z")
_WRITES = re.compile(r"(?:to|write|save)_|(?:save|savefig|savetxt|savez|imwrite)\Z")
_PATH_READS = frozenset(("read_text", "read_bytes"))
_PATH_WRITES = frozenset(("write_text", "write_bytes"))


def argument_directions(source: str) -> dict[str, Direction]:
    """Return name of an attribute of the parsed arguments → what is done with the file that it names.

    `open(args.data)` reads `data`, `Path(args.out).write_text(…)` and `table.to_csv(args.out)` write `out`. An
    argument that is both read and written, or of which the text does not tell, is left out.
    """
    found: dict[str, set[Direction]] = {}
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    for call in calls:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for argument, direction in (
            (_argument(call), _of_call(call, name)),
            (_path_argument(call), _of_path(name)),
        ):
            if argument and direction:
                found.setdefault(argument, set()).add(direction)
    return {argument: next(iter(kinds)) for argument, kinds in found.items() if len(kinds) == 1}


def _argument(call: ast.Call) -> str:
    """Return the name of `x` in `f(args.x, …)`."""
    first = call.args[0] if call.args else None
    is_plain = isinstance(first, ast.Attribute) and isinstance(first.value, ast.Name)
    return first.attr if is_plain and isinstance(first, ast.Attribute) else ""


def _path_argument(call: ast.Call) -> str:
    """Return the name of `x` in `Path(args.x).f(…)`."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(owner, ast.Call) and getattr(owner.func, "id", getattr(owner.func, "attr", "")) == "Path":
        return _argument(owner)
    return ""


def _of_call(call: ast.Call, name: str) -> Direction | None:
    if name == "open":
        given = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
        mode = given[0].value if given and isinstance(given[0], ast.Constant) else None if given else "r"
        if not isinstance(mode, str) or "+" in mode:
            return None
        return "output" if set(mode) & set("wax") else "input"
    if _READS.match(name):
        return "input"
    return "output" if _WRITES.match(name) else None


def _of_path(name: str) -> Direction | None:
    if name in _PATH_READS:
        return "input"
    return "output" if name in _PATH_WRITES else None
