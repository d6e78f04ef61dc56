"""The sizes of the files of a workflow, as its last runs recorded them: what is expected of the next one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from markab.engine.recovery import Recovery
from markab.errors import MarkabError
from markab.journal.reader import JournalReader
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir

RUNS = 3
"""Runs that are read."""


def recorded_sizes(submit_dirs: Iterable[Path]) -> Mapping[str, int]:
    """Return lfn → bytes of the files that jobs of these runs made or moved; of a file in several, the first counts.

    What cannot be read is left out; at most `RUNS` are read that can.
    """
    found: dict[str, int] = {}
    left = RUNS
    for directory in submit_dirs:
        if not left:
            break
        sizes = _sizes(SubmitDir(directory))
        left -= bool(sizes)
        for lfn, size in sizes.items():
            if size is not None:
                found.setdefault(lfn, size)
    return found


def _sizes(place: SubmitDir) -> Mapping[str, int | None]:
    try:
        plan = PlanFile(place.plan)
        try:
            history = Recovery(plan.header)
        finally:
            plan.close()
        for body in JournalReader(place.journal).bodies():
            history.read(body)
    except (MarkabError, OSError):
        return {}
    return history.sizes
