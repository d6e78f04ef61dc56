"""Finding the run that a name means."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote

from markab.errors import NotARun
from markab.plan.submit_dir import PLAN

Run = str | os.PathLike[str] | None
"""A submit directory, or the `plan.jsonl` or DAG file in it; None: the run that the current directory is in."""

DEPTH = 4
"""Levels below a directory in which runs are searched: `user/pegasus/workflow/run0001`."""
DIRECTORIES_READ = 2000
CANDIDATES_SHOWN = 3
_OF_PEGASUS = (
    "of a run of Pegasus there are `markab status`, `analyze`, `statistics`, `graph`, and the lists of "
    "`markab show` and `markab runs`; `pegasus-run` of Pegasus continues it, `markab plan` plans its workflow anew"
)


def find_run(run: Run = None) -> Path:
    """Return the submit directory of a run of Markab.

    Raises:
        NotARun: there is none, or Pegasus made it; the hint has similar names, or what works.
        StorageError: the directory may not be read.
    """
    from markab.plan.submit_dir import find_submit_dir
    from markab.provenance.pegasus_directory import find_pegasus_directory

    around = _run_around(Path.cwd()) if run is None else None
    try:
        return find_submit_dir(run if around is None else around).path
    except NotARun as error:
        if pegasus := find_pegasus_directory(find_directory(run)):
            raise NotARun(
                f"{str(pegasus)!r} was made by Pegasus: it has no {PLAN}, and this needs what only Markab records",
                hint=_OF_PEGASUS,
            ) from None
        if candidates := _candidates(Path() if run is None else Path(run)):
            shown = " or ".join(quote(str(path)) for path in candidates)
            raise NotARun(error.message, hint=f"did you mean {shown}?") from None
        raise


def find_directory(run: Run = None) -> Path:
    """Return the directory that a name means, whatever is in it; without one, that of the run around the current one."""
    if run is None:
        return _run_around(Path.cwd()) or Path.cwd()
    return Path(run).parent if Path(run).name == PLAN else Path(run)


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
    from markab.provenance.pegasus_directory import find_pegasus_directory

    named = Path(run)
    if _is_run(named) or (named.name == PLAN and named.is_file()):
        return True
    return find_pegasus_directory(named) is not None


def runs_below(
    directory: Path, depth: int = DEPTH, also: Callable[[Path], bool] = lambda _: False
) -> Iterator[Path]:
    """Yield the submit directories below a directory, the last names first; not those inside of others.

    At most `DIRECTORIES_READ` directories are read. What is accepted by `also` counts too.
    """
    left = [(directory, depth)]
    for _ in range(DIRECTORIES_READ):
        if not left:
            return
        place, levels = left.pop()
        if _is_run(place) or also(place):
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
    from markab.provenance.pegasus_directory import is_pegasus_directory

    return os.path.lexists(directory / PLAN) or is_pegasus_directory(directory)


def _is_own(directory: Path) -> bool:
    try:
        return directory.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _candidates(named: Path) -> list[Path]:
    """Return runs with similar names: those below the named directory, or beside it."""
    if named.is_dir():
        return [run for run in runs_below(named) if _is_own(run)][:CANDIDATES_SHOWN]
    from difflib import get_close_matches

    above = named.parent if named.parent.is_dir() else Path()
    runs = {path.name: path for path in runs_below(above)}
    return [runs[name] for name in get_close_matches(named.name, runs, CANDIDATES_SHOWN, 0.8)]
