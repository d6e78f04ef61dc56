"""Reading the parameters of a workflow script from a file: a YAML or JSON map of names to values or lists.

Values keep the text of the file: only the script knows of which type each parameter is.
"""

from __future__ import annotations

from typing import BinaryIO

import yaml

from markab.errors import DocumentError, Problem
from markab.spec.document_file import read_bytes
from markab.spec.script_messages import Given
from markab.spec.yaml_nodes import UnreadableError, compose, decode

Value = str | list[str]
STDIN = "-"


def read_parameters(name: str, stdin: BinaryIO) -> list[Given]:
    """Return the parameters in a file, or in `stdin` if its name is `-`.

    Raises:
        DocumentError: as `parse_parameters`.
        StorageError: it cannot be read.
    """
    data, shown = (stdin.read(), "standard input") if name == STDIN else (read_bytes(name), name)
    return [
        Given(parameter, value, f"{shown}:{line}", "" if name == STDIN else name)
        for parameter, value, line in parse_parameters(data, shown)
    ]


def parse_parameters(data: bytes, name: str) -> list[tuple[str, Value, int]]:
    """Return name, value and line of each parameter, in the order of the file, which `name` names in messages.

    Raises:
        DocumentError: it is no map, names a parameter twice, or has a value that is neither single nor a list.
    """
    problems: list[Problem] = []
    try:
        root = compose(decode(data, name), name)
    except UnreadableError as error:
        (problem,) = error.args
        if problem.kind == "not-a-mapping":
            problem.hint = "write a line `name: value` for each parameter"
        raise DocumentError(problem) from None
    found: dict[str, tuple[str, Value, int]] = {}
    for key, value in root.value:
        line, text = key.start_mark.line + 1, _value(value)
        named = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a parameter"
        if text is None or not isinstance(key, yaml.ScalarNode):
            what, hint = (
                "must be a single value or a list of them",
                "write `name: value` or `name: [value, value]`",
            )
        elif key.value in found:
            what, hint = f"has a value on line {found[key.value][2]} already", "remove one of them"
        else:
            found[key.value] = (key.value, text, line)
            continue
        problems.append(Problem(f"{named} {what}", hint, name, line, "parameter"))
    if problems:
        raise DocumentError(*problems)
    return [*found.values()]


def _value(node: yaml.Node) -> Value | None:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(one, yaml.ScalarNode) for one in node.value):
        return [str(one.value) for one in node.value]
    return None
