"""`braindump.yml`: what a run is called; the first file that Pegasus' tools look for.

A flat map of strings. Paths that point into the submit directory are not
repeated from it when read: `submit_dir` is where the file was found, so that a
moved directory still works.
"""

from __future__ import annotations

import json
from pathlib import Path

from markab.errors import CorruptPlan, NotARun, StorageError
from markab.plan.atomic_file import replacing

Braindump = dict[str, str | None]

_AGAIN = "bring the file back, or plan the workflow again"


def write_braindump(path: Path, braindump: Braindump) -> None:
    """Write one; every value quoted, so that any YAML reader gives text back."""
    with replacing(path) as file:
        for key, value in braindump.items():
            file.write(f"{key}: {json.dumps(value)}\n".encode())


def read_braindump(path: Path) -> Braindump:
    """Read one.

    Raises:
        NotARun: there is none.
        CorruptPlan: it is no map.
        StorageError: it may not be read.
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise NotARun(
            f"{str(path.parent)!r} is not a submit directory: it has no {path.name}", hint=_AGAIN
        ) from None
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise CorruptPlan(f"{str(path)!r} is not YAML: {why}", hint=_AGAIN) from error
    if not isinstance(data, dict):
        raise CorruptPlan(f"{str(path)!r} is no map of keys and values", hint=_AGAIN)
    braindump = {str(key): None if value is None else str(value) for key, value in data.items()}
    braindump["submit_dir"] = str(path.parent.resolve())
    return braindump
