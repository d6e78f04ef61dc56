"""Scratch directories that belong to other runs: found before a plan is written, where the submit host can look."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from markab.planner.draft import Context
from markab.planner.executable_jobs import RunPlaces
from markab.transfers.scratch_owner import is_abandoned, owner_text, read_owner


def check_scratch_owners(places: RunPlaces, submit_dir: Path, context: Context) -> None:
    """Note the scratch directories in which the new run must not work; its plan is not written yet.

    The directory of a run whose plan was deleted may be used by a run that is planned elsewhere. In the
    same submit directory, the user may not know that the files of the earlier run are still there.
    """
    here = os.path.realpath(submit_dir)
    for place in places.scratch.values():
        owner = read_owner(place.path) if place.is_local else []
        if not owner or (owner[1:2] != [here] and is_abandoned(owner, os.uname().nodename)):
            continue
        context.problem(
            "scratch-in-use",
            f"the scratch directory {place.path!r} {owner_text(owner, here)}, and the files of both would mix",
            f"plan with --randomdir; or, if nothing in it is needed: rm -r {shlex.quote(place.path)}",
        )
