"""`braindump.yml`: what a run is called; the first file that Pegasus' tools look for.

A flat map of strings. Paths that point into the submit directory are not
repeated from it when read: `submit_dir` is where the file was found, so that a
moved directory still works.
"""

from __future__ import annotations

import json
from pathlib import Path

from markab.errors import CorruptPlan, NotARun
from markab.plan.durable import replacing

Braindump = dict[str, str | None]


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
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise NotARun(f"{str(path.parent)!r} is not a submit directory: it has no {path.name}") from None
    except yaml.YAMLError as error:
        raise CorruptPlan(f"{str(path)!r} is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise CorruptPlan(f"{str(path)!r} is no map of keys and values")
    braindump = {str(key): None if value is None else str(value) for key, value in data.items()}
    braindump["submit_dir"] = str(path.parent.resolve())
    return braindump
