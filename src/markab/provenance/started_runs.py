"""Runs that were started, and are not in the master database yet: a small file for each, so that no list lacks them.

They are in `$XDG_STATE_HOME/markab/started`, by default in `~/.local/state`. A file has the path of the submit directory;
the follower removes it when the run is in the master database. They are a convenience: no error of theirs is one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path


def note_started(submit_dir: Path) -> None:
    """Note a run that starts."""
    path = os.path.abspath(submit_dir)
    with suppress(OSError):
        file = _file_of(path)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(os.fsencode(path))


def forget_started(submit_dir: Path) -> None:
    """Forget a run that is in the master database now."""
    with suppress(OSError):
        _file_of(os.path.abspath(submit_dir)).unlink(missing_ok=True)


def started_runs() -> list[Path]:
    """Return the submit directories of the runs that were noted; those that no longer exist are forgotten."""
    found = []
    with suppress(OSError):
        for file in sorted(_directory().iterdir()):
            with suppress(OSError):
                path = Path(os.fsdecode(file.read_bytes()))
                if path.is_dir():
                    found.append(path)
                else:
                    file.unlink()
    return found


def _directory() -> Path:
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path(os.path.expanduser("~/.local/state"))
    return base / "markab" / "started"


def _file_of(path: str) -> Path:
    return _directory() / sha256(os.fsencode(path)).hexdigest()[:16]
