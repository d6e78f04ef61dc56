"""`braindump.yml`: the identity of a run; the first file that Pegasus' tools look for.

A flat map of strings. When it is read, `submit_dir` is set to the directory of the
file, so that a moved directory still works.
"""

from __future__ import annotations

import json
from pathlib import Path

from markab.errors import CorruptPlan, NotARun, StorageError
from markab.plan.atomic_file import replacing

Braindump = dict[str, str | None]

_HINT = "restore the file, or plan the workflow again"


def write_braindump(path: Path, braindump: Braindump) -> None:
    """Write a braindump; every value is quoted, so that any YAML reader returns a string."""
    with replacing(path) as file:
        for key, value in braindump.items():
            file.write(f"{key}: {json.dumps(value)}\n".encode())


def read_braindump(path: Path) -> Braindump:
    """Read a braindump.

    Raises:
        NotARun: there is none.
        CorruptPlan: it is not a map.
        StorageError: it cannot be read.
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise NotARun(
            f"{str(path.parent)!r} is not a submit directory: it has no {path.name}", hint=_HINT
        ) from None
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise CorruptPlan(f"{str(path)!r} is not YAML: {why}", hint=_HINT) from error
    if not isinstance(data, dict):
        raise CorruptPlan(f"{str(path)!r} is not a map of keys and values", hint=_HINT)
    braindump = {str(key): None if value is None else str(value) for key, value in data.items()}
    braindump["submit_dir"] = str(path.parent.resolve())
    return braindump
