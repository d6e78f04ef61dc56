"""Finding the run that a name means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from markab.errors import NotARun

Run = str | os.PathLike[str] | None
"""A submit directory, or the `plan.jsonl` in it; None: the run that the current directory is in."""

DEPTH = 4
"""Levels below a directory in which runs are searched: `user/pegasus/workflow/run0001`."""
DIRECTORIES_READ = 2000
CANDIDATES_SHOWN = 3


def find_run(run: Run = None) -> Path:
    """Return the submit directory of a run.

    Raises:
        NotARun: there is none; the hint has similar names.
        StorageError: the directory may not be read.
    """
    from markab.plan.submit_dir import find_submit_dir

    around = _run_around(Path.cwd()) if run is None else None
    try:
        return find_submit_dir(run if around is None else around).path
    except NotARun as error:
        if candidates := _candidates(Path() if run is None else Path(run)):
            shown = " or ".join(quote(str(path)) for path in candidates)
            raise NotARun(error.message, hint=f"did you mean {shown}?") from None
        raise


def find_uuid(uuid: str) -> Path:
    """Return the submit directory of the user's run with this UUID.

    Raises:
        NotARun: it is not in the database of runs.
        StorageError: the database of runs cannot be read.
    """
    from markab.provenance.master_database import directory_of_uuid

    return directory_of_uuid(uuid)


def is_run(run: Run = None) -> bool:
    """Return whether a name is that of a run; without one, whether the current directory is in a run."""
    if run is None:
        return _run_around(Path.cwd()) is not None
    return _is_run(Path(run)) or (Path(run).name == "plan.jsonl" and Path(run).is_file())


def runs_below(directory: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Yield the submit directories below a directory, the last names first; not those inside of others.

    At most `DIRECTORIES_READ` directories are read.
    """
    left = [(directory, depth)]
    for _ in range(DIRECTORIES_READ):
        if not left:
            return
        place, levels = left.pop()
        if _is_run(place):
            yield place
        elif levels:
            left += [(below, levels - 1) for below in _directories(place)]


def _directories(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            names = [one.name for one in entries if one.is_dir(follow_symlinks=False) and one.name[0] != "."]
    except OSError:
        return []
    return [place / name for name in sorted(names)]


def _run_around(directory: Path) -> Path | None:
    return next((place for place in (directory, *directory.parents) if _is_run(place)), None)


def _is_run(directory: Path) -> bool:
    from markab.plan.submit_dir import PLAN

    return os.path.lexists(directory / PLAN)


def _candidates(named: Path) -> list[Path]:
    """Return runs with similar names: those below the named directory, or beside it."""
    if named.is_dir():
        return [*runs_below(named)][:CANDIDATES_SHOWN]
    from difflib import get_close_matches

    above = named.parent if named.parent.is_dir() else Path()
    runs = {path.name: path for path in runs_below(above)}
    return [runs[name] for name in get_close_matches(named.name, runs, CANDIDATES_SHOWN, 0.8)]
