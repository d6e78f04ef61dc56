"""`braindump.yml`: the identity of a run; the first file that Pegasus' tools look for.

A flat map of strings. When it is read, `submit_dir` is set to the directory of the
file, so that a moved directory still works.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from markab.errors import CorruptPlan, NotARun, StorageError
from markab.plan.atomic_file import read_regular, replacing

Braindump = dict[str, str | None]

_OWN_LINE = re.compile(r'([a-z_]+): ("(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"|null)', re.ASCII)
_NULL = "tag:yaml.org,2002:null"
_HINT = "restore the file, or plan the workflow again"


def write_braindump(path: Path, braindump: Braindump) -> None:
    """Write a braindump; every value is quoted, so that any YAML reader returns a string."""
    with replacing(path) as file:
        file.write(braindump_text(braindump).encode())


def braindump_text(braindump: Braindump) -> str:
    """Return the text of a braindump: one `key: "value"` a line."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in braindump.items())


def parse_braindump(text: str | bytes) -> Braindump:
    """Return the braindump in a text.

    Raises:
        ValueError: it is not a map of single values, or not YAML.
    """
    if (found := _in_own_form(text)) is not None:
        return found
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(node, yaml.MappingNode):
        raise ValueError("not a map of keys and values")
    if not all(isinstance(part, yaml.ScalarNode) for pair in node.value for part in pair):
        raise ValueError("not a map of keys and single values")
    return {key.value: None if value.tag == _NULL else value.value for key, value in node.value}


def _in_own_form(text: str | bytes) -> Braindump | None:
    """Return the braindump in a text of the form that `braindump_text` writes; None: it has another form.

    Fifty times as fast as the reader of YAML, and each sub-workflow has one.
    """
    try:
        lines = (text if isinstance(text, str) else text.decode()).splitlines()
    except UnicodeDecodeError:
        return None
    found: Braindump = {}
    for line in lines:
        match = _OWN_LINE.fullmatch(line)
        if match is None:
            return None
        found[match[1]] = json.loads(match[2])
    return found or None


def original_of(path: Path) -> Path | None:
    """Return the submit directory of which that of a braindump is a copy; None if it is none, or was moved."""
    try:
        here = parse_braindump(read_regular(path))
        original = Path(here.get("submit_dir") or "")
        there = original / path.name
        if (
            os.path.samefile(there, path)
            or parse_braindump(read_regular(there)).get("wf_uuid") != here["wf_uuid"]
        ):
            return None
    except (OSError, ValueError, KeyError):
        return None
    return original


def read_braindump(path: Path) -> Braindump:
    """Read a braindump.

    Raises:
        NotARun: there is none.
        CorruptPlan: it is not a map of single values.
        StorageError: it cannot be read.
    """
    try:
        braindump = parse_braindump(read_regular(path))
    except FileNotFoundError:
        raise NotARun(
            f"{str(path.parent)!r} is not a submit directory: it has no {path.name}", hint=_HINT
        ) from None
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise CorruptPlan(f"{str(path)!r} is {error}", hint=_HINT) from error
    braindump["submit_dir"] = str(path.parent.resolve())
    return braindump
