"""Paths that a file system does not allow: too long, or with a part that is too long.

Not a pass: it needs the directories of the run, and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from markab.plan.model import DirectoryPlace
from markab.planner import job_names
from markab.planner.draft import Context, Draft
from markab.planner.site_directories import output_place, shared_scratch
from markab.spec.workflow_checks import MAX_JOB_NAME_BYTES
from markab.transfers.partial_file import part_stem
from markab.transfers.reserved_names import WORK
from markab.transfers.text_size import size_in_bytes

DATABASE_PATH_BYTES = 504
"""The longest path of a database. Source: SQLite, MAX_PATHNAME of os_unix.c (512), less `-journal`."""
_OF_A_NUMBER = "0"
_ATTEMPT = ".9999"
"""What the directory of an attempt has after the name of its job."""
_PRINTED = ".out.9999"
"""What the file with its output has there, if that is too long for the journal."""
_BEFORE_A_NAME = "merge_"


@dataclass(frozen=True, slots=True)
class PathLimits:
    """The longest path, and the longest name between two slashes, in a directory; in bytes."""

    path: int
    name: int


def limits_of(path: str) -> PathLimits:
    """Return the limits of the file system on which a directory is, or will be made."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    try:
        return PathLimits(os.pathconf(path, "PC_PATH_MAX") - 1, os.pathconf(path, "PC_NAME_MAX"))
    except OSError:
        return PathLimits(4095, 255)  # it cannot be asked; Linux has these


def check_path_lengths(
    draft: Draft, context: Context, submit_dir: str, scratch_dir: str, results_dir: str
) -> None:
    """Note the files that cannot be made on this machine because of the lengths of their paths.

    Args:
        submit_dir: path of the submit directory.
        scratch_dir, results_dir: the run's directories, relative to each scratch and each output directory.
    """
    _check_submit_directory(draft, context, submit_dir)
    for site, files in draft.scratch.items():
        place = shared_scratch(context.sites[site])
        if place is not None and place.is_local:
            _check_scratch(draft, context, site, place.below(scratch_dir), files)
    for site in context.options.output_sites if context.output_map is None else ():
        place = output_place(context.sites[site], context) if site in context.sites else None
        if place is not None and place.is_local:
            below = place.below(results_dir) if results_dir else place
            hint = "shorten the name, or name a shorter directory with --output-dir"
            limits = limits_of(below.path)
            _note(
                _too_long(below.path + _hashed_part(context), draft.results, limits),
                "output directory",
                below,
                limits,
                hint,
                draft,
                context,
            )


def _hashed_part(context: Context) -> str:
    """Return as many bytes as the directories take that a result is spread to."""
    return "/00" * (context.hashed.levels if context.hashed is not None else 0)


def _check_submit_directory(draft: Draft, context: Context, path: str) -> None:
    limits = limits_of(path)
    hint = "name a shorter directory with --dir"
    database = f"{path}/{draft.workflow.name}-{job_names.INDEX}.replicas.db"
    if size_in_bytes(database) > DATABASE_PATH_BYTES:
        context.problem(
            "path-too-long",
            f"the databases of the run would have a path of {size_in_bytes(database)} bytes in {path!r}, and {DATABASE_PATH_BYTES} are possible",
            hint,
        )
    if (
        MAX_JOB_NAME_BYTES + size_in_bytes(context.prefix) + len(_BEFORE_A_NAME + "_" + _PRINTED)
        <= limits.name
    ):
        return
    for job, _ in draft.task_jobs():
        name = draft.job_name(job, context.prefix)
        captured = name + _PRINTED
        if size_in_bytes(captured) > limits.name:
            context.problem(
                "path-too-long",
                f"the file {captured!r}, with what job {name!r} prints, would have a name of {size_in_bytes(captured)} bytes, "
                f"and {limits.name} are possible in {path!r}",
                "give the job a shorter id" + (", or shorten --job-prefix" if context.prefix else ""),
            )


def _check_scratch(
    draft: Draft, context: Context, site: str, place: DirectoryPlace, files: Iterable[str]
) -> None:
    limits = limits_of(place.path)
    hint = f"shorten the name, or give site {site!r} a shorter directory of type 'sharedScratch' in the site catalog"
    found = chain(
        _too_long(place.path, files, limits), _of_attempts(draft, context, site, place.path, files, limits)
    )
    _note(found, "scratch directory", place, limits, hint, draft, context)


def _too_long(directory: str, files: Iterable[str], limits: PathLimits) -> Iterator[tuple[str, str]]:
    """Yield those of the files that cannot be made in a directory: lfn, and the path that is too long."""
    spare = limits.path - size_in_bytes(directory) - 32
    for lfn in files:
        # Nearly all are short; four bytes are the longest character.
        if len(lfn) * 4 < spare and (limits.name >= 255 or len(lfn) * 4 < limits.name - 32):
            continue
        part = part_stem(f"{directory}/{lfn}") + _OF_A_NUMBER
        for path in (part, f"{directory}/{lfn}"):
            if size_in_bytes(path) > limits.path or max(map(size_in_bytes, path.split("/"))) > limits.name:
                yield lfn, path
                break


def _of_attempts(
    draft: Draft, context: Context, site: str, scratch: str, files: Iterable[str], limits: PathLimits
) -> Iterator[tuple[str, str]]:
    """Yield the files that cannot be made in the directory of an attempt, which is below the scratch."""
    spare = limits.path - size_in_bytes(scratch) - 300
    if max(map(len, files), default=0) * 4 < spare:
        return
    for job, _ in draft.task_jobs():
        if draft.placements[job].staging == site:
            directory = f"{scratch}/{WORK}/{draft.job_name(job, context.prefix)}{_ATTEMPT}"
            for use in (*draft.inputs(job), *draft.outputs(job)):
                yield from _too_long(directory, [use.lfn], limits)


def _note(
    found: Iterable[tuple[str, str]],
    what: str,
    place: DirectoryPlace,
    limits: PathLimits,
    hint: str,
    draft: Draft,
    context: Context,
) -> None:
    """Note the first of the files that were found, and how many there are."""
    paths: dict[str, str] = {}
    for lfn, path in found:
        paths.setdefault(lfn, path)
    if not paths:
        return
    lfn, path = next(iter(paths.items()))
    shown = lfn if len(lfn) <= 60 else f"{lfn[:57]}..."
    tasks = len(draft.tasks)
    users = (job for known in draft.scratch.values() for job in known.get(lfn, ()) if job < tasks)
    user = next((f" of job {draft.title_of(job)}" for job in users), "")
    longest = max(map(size_in_bytes, path.split("/")))
    why = (
        f"a path of {size_in_bytes(path)} bytes, and {limits.path} are possible"
        if size_in_bytes(path) > limits.path
        else f"a name of {longest} bytes, and {limits.name} are possible"
    )
    more = f" ({len(paths) - 1} more are too long there)" if len(paths) > 1 else ""
    context.problem(
        "path-too-long",
        f"file {shown!r}{user} would need {why} in the {what} {place.path!r}{more}",
        hint,
    )
