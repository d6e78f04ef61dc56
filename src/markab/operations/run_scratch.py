"""The scratch directories of a run on this machine: which are its own, what else is in them, and their removal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import NamedTuple

import msgspec

from markab.errors import StorageError
from markab.operations.run_sizes import files_below
from markab.plan.model import Header, Kind
from markab.plan.plan_file import PlanFile
from markab.transfers.base import is_local, path_of
from markab.transfers.reserved_names import CHILDREN, MARKER, is_reserved
from markab.transfers.scratch_owner import read_owner
from markab.transfers.tree_removal import remove_tree

FOREIGN_NAMED = 20


class RunScratch(NamedTuple):
    """A scratch directory of a run."""

    place: str
    """Its path, or its URL if it is not on this machine."""
    bytes: int = 0
    why_kept: str = ""
    """Why it must not be removed; "": it may be."""
    has_results: bool = False
    """Results of the run are there, and nowhere else."""
    foreign: tuple[str, ...] = ()
    """What is in it and no job of the run declares: the first `FOREIGN_NAMED` names, of a directory with `/`."""
    foreign_count: int = 0
    """How many of these there are."""
    owner: tuple[Path, str] | None = None
    """Submit directory and uuid of the sub-workflow that it belongs to; None: the run itself."""


class _Lfn(msgspec.Struct):
    lfn: str


class _Line(msgspec.Struct):
    """The fields of a plan line with names of files."""

    inputs: list[_Lfn] = []
    outputs: list[_Lfn] = []
    transfers: list[_Lfn] = []


def scratch_of_run(submit_dir: Path, plan: PlanFile, uuid: str) -> list[RunScratch]:
    """Return the scratch directories of a run that exist, or of which that is not known."""
    found: dict[str, RunScratch] = {}
    for site, used in plan.header.sites.items():
        if used.scratch is None or used.scratch.text in found:
            continue
        if not used.scratch.is_local:
            why = f"it is at site {site!r}: remove it there"
            found[used.scratch.text] = RunScratch(used.scratch.text, why_kept=why)
        elif os.path.lexists(used.scratch.path):
            found[used.scratch.text] = _examined(used.scratch.path, submit_dir, plan, uuid)
    return [*found.values()]


def _examined(place: str, submit_dir: Path, plan: PlanFile, uuid: str) -> RunScratch:
    if why := why_not_own(place, submit_dir, uuid):
        return RunScratch(place, why_kept=why)
    size_bytes, other, names = 0, "", []
    for path, one_bytes in files_below(Path(place)):
        size_bytes += one_bytes
        relative = path[len(place.rstrip("/")) + 1 :]
        if not is_reserved(relative):
            names.append(relative)
        is_childs = relative.startswith(f"{CHILDREN}/")
        if relative != MARKER and relative.endswith(f"/{MARKER}") and not is_childs:
            other = os.path.dirname(path)
    if other:
        return RunScratch(place, size_bytes, f"the scratch directory of another run is in it, {other!r}")
    if f"{submit_dir}/".startswith(f"{place.rstrip('/')}/"):
        return RunScratch(place, size_bytes, "the submit directory is in it")
    if held := _results_in(place, plan.header):
        return RunScratch(place, size_bytes, f"results are in it, {held!r}")
    only_there = (bool(names) and not plan.header.outputs) or _are_results_links_into(place, plan)
    foreign = _foreign(names, plan) if names else []
    return RunScratch(place, size_bytes, "", only_there, tuple(foreign[:FOREIGN_NAMED]), len(foreign))


def _foreign(names: Iterable[str], plan: PlanFile) -> list[str]:
    """Return those of the names of files that are not of the plan; where all of a directory is foreign, its name."""
    decode = msgspec.json.Decoder(_Line).decode
    lines = (decode(plan.line(position)) for position in range(len(plan)))
    lfns = {one.lfn for line in lines for one in (*line.inputs, *line.outputs, *line.transfers)}
    own_folders = {str(folder) for lfn in lfns for folder in PurePosixPath(lfn).parents}
    found = set()
    for name in names:
        places = [str(folder) for folder in PurePosixPath(name).parents][
            -2::-1
        ]  # without ".", the topmost first
        if name not in lfns and lfns.isdisjoint(places):
            found.add(next((f"{place}/" for place in places if place not in own_folders), name))
    return sorted(found)


def why_not_own(place: str, submit_dir: Path, uuid: str) -> str:
    """Return why a directory is not the scratch of the run in a submit directory, or nothing."""
    if os.path.islink(place):
        return "it is a symbolic link"
    owner = read_owner(place)
    if not owner and _is_empty(place):
        return ""  # its removal was interrupted when the marker, the last file, had gone
    if not owner or owner[0] != uuid:
        return f"its file {MARKER!r} does not say that it is the scratch of this run"
    if len(owner) > 1 and _is_copy(owner[1], submit_dir, uuid):
        return f"it belongs to the run in {owner[1]!r}, of which this one is a copy"
    return ""


def _is_empty(place: str) -> bool:
    try:
        return os.path.isdir(place) and not os.listdir(place)
    except OSError:
        return False


def _is_copy(original: str, submit_dir: Path, uuid: str) -> bool:
    from markab.provenance.master_database import is_copy

    return is_copy(original, submit_dir, uuid)


def _results_in(place: str, header: Header) -> str:
    """Return an output directory in a scratch directory, or nothing."""
    outputs = (path_of(where) for where in header.outputs.values() if is_local(where))
    return next((held for held in outputs if f"{held}/".startswith(f"{place.rstrip('/')}/")), "")


def _are_results_links_into(place: str, plan: PlanFile) -> bool:
    """Return whether a delivered result is a symbolic link to a file in a scratch directory."""
    inside = os.path.realpath(place) + "/"
    ends = (
        path_of(end.url)
        for job in plan.jobs_of(Kind.STAGE_OUT)
        for transfer in job.transfers
        for end in transfer.destinations
        if is_local(end.url)
    )
    return any(os.path.islink(path) and os.path.realpath(path).startswith(inside) for path in ends)


def remove_scratch(place: str, submit_dir: Path, uuid: str) -> None:
    """Remove a scratch directory of a run; its marker goes last, so that the same call goes on after a kill.

    Raises:
        StorageError: it is not its own, or something in it cannot be removed.
    """
    if not os.path.lexists(place):
        return
    if why := why_not_own(place, submit_dir, uuid):
        raise StorageError(f"the scratch directory {place!r} is not removed: {why}")
    try:
        if _is_empty(place):
            os.rmdir(place)
        else:
            remove_tree(place, last=MARKER)
    except OSError as error:
        raise StorageError(
            f"cannot remove {error.filename or place!r} in the scratch directory {place!r}: {error.strerror}",
            hint=f"see whose it is with `ls -la {quote(place)}`, and give the same command again",
        ) from error
