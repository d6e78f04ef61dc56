"""What is said of bounded scratch directories: how full they are, and which job has no room."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markab.engine.scratch_space import ScratchSpace, Shortage, SpaceUse
from markab.formatting import size
from markab.journal.progress import ScratchUse
from markab.plan.model import BoundedScratch
from markab.plan.run_command import run_command


def scratch_use(space: ScratchSpace, bounds: Mapping[str, BoundedScratch]) -> dict[str, ScratchUse]:
    """Return how full each is."""
    return {
        site: ScratchUse(one.bound, one.present, one.peak, one.reserved, bounds[site].predicted_bytes)
        for site, one in space.use().items()
    }


def lack_text(short: Shortage, job: str, submit_dir: Path) -> tuple[str, str]:
    """Return why no job can start, and what to do."""
    why = (
        f"no job has room in the scratch of site {short.site!r}, which is bounded to {_bytes(short.bound)}: "
        f"job {job} needs {_bytes(short.wanted)} beside the {_bytes(short.used)} that are in use, "
        f"{_bytes(short.lacking)} too many"
    )
    return why, f"continue with a larger bound: `{run_command(submit_dir, f'--max-scratch {short.enough}')}`"


def excess_text(site: str, use: SpaceUse, job: str) -> str:
    """Return that a scratch has more than its bound, and after which job."""
    return (
        f"the scratch of site {site!r} has {_bytes(use.present - use.bound)} more than its bound of {_bytes(use.bound)}: "
        f"the files of job {job} are larger than predicted; no job starts there that makes it fuller"
    )


def _bytes(number: int) -> str:
    return f"{size(number)} ({number:,} bytes)" if number >= 1000 else f"{number} bytes"
