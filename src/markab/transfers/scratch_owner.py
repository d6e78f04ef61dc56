"""The marker of a run's scratch directory: whose it is."""

import os
from typing import List, Sequence

from markab.transfers.own_directories import open_inside
from markab.transfers.reserved_names import MARKER


def read_owner(scratch: str) -> List[str]:
    """Return uuid, submit directory and host of the run that owns a directory of this machine.

    Nothing if there is no marker, or if it is reached by a link out of the directory or is no file.
    """
    try:
        with open(open_inside(scratch, MARKER), encoding="utf-8") as file:
            return file.read().splitlines()
    except (OSError, ValueError):
        return []


def owner_text(owner: Sequence[str], submit_dir: str) -> str:
    """Say whose a scratch is to a run in a submit directory."""
    if len(owner) < 2:
        return "belongs to another run"
    if owner[1] == submit_dir:
        return "belongs to an earlier run in the same submit directory, whose plan was deleted"
    return "belongs to another run, in '%s'" % owner[1]


def is_abandoned(owner: Sequence[str], host: str) -> bool:
    """Return whether no run needs a scratch: the plan of its owner, on this host, no longer exists.

    That the run succeeded is not enough: its results may be there.
    """
    return len(owner) > 2 and owner[2] == host and not os.path.exists(os.path.join(owner[1], "plan.jsonl"))
