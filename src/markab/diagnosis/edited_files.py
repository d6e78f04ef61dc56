"""Files that were edited after a run had taken them: its documents when it was planned, its inputs when they were staged.

The run goes on with what it took, which a user who has just corrected a file does not expect.
Only a file that is newer is compared with what was taken, so a run costs a call of `stat`
for each file that was staged for jobs that have not succeeded.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.replanning import replan_command
from markab.errors import MarkabError, Problem
from markab.formatting import shown_path, titled
from markab.journal.lifecycle import State
from markab.plan.model import Kind
from markab.plan.sources import read_sources
from markab.transfers.base import is_local, path_of
from markab.transfers.checksum import sha256_of

COMPARED_BYTES = 256 << 20
"""A larger file that is newer and has the same size counts as edited; reading it takes too long."""
NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class EditedInput:
    """A staged file that was edited since."""

    path: str
    lfn: str
    readers: tuple[str, ...]
    """The jobs that read the copy and have not succeeded, with their labels."""


def edited_files(run: Analyzer) -> list[Problem]:
    """Return what was edited since a run took it; the last has a hint: how the workflow is planned again."""
    documents, inputs = list(edited_documents(run)), list(edited_inputs(run))
    texts = [_documents_text(documents)] if documents else []
    texts += [_inputs_text(inputs)] if inputs else []
    problems = [Problem(text, kind="edited-file") for text in texts]
    if problems:
        problems[-1].hint = _hint(run, any(path.endswith(".properties") for path in documents))
    return problems


def edited_documents(run: Analyzer) -> Iterator[str]:
    """Yield the documents and properties files that changed after they were read for the plan."""
    for copy, path in read_sources(run.place.sources).documents.items():
        if _is_newer(path, run.place.catalogs / copy) and _other_text(run.place.catalogs / copy, path):
            yield path
    for path in _properties_files(run):
        if _is_newer(path, run.place.plan):
            yield path


def edited_inputs(run: Analyzer) -> Iterator[EditedInput]:
    """Yield the files that were staged for jobs which have not succeeded, and are no longer what was staged."""
    for stage_in, readers in _staged_for(run).items():
        record = run.record_at(run.ok_at[stage_in])
        edited = [moved for moved in record.get("transfers") or () if _was_edited(moved, record)]
        for moved in edited:
            lfn = moved["lfn"]
            jobs = [job for job in map(run.plan.job, readers) if any(lfn == one.lfn for one in job.inputs)]
            if jobs:
                yield EditedInput(
                    path_of(moved["source"]), lfn, tuple(titled(job.id, job.label) for job in jobs)
                )


def _staged_for(run: Analyzer) -> dict[int, list[int]]:
    """Return the stage-in jobs that succeeded, with their children that have not."""
    found: dict[int, list[int]] = {}
    if not run.history.count(State.SUCCEEDED):
        return found  # a run that starts is not to wait until its plan is read
    outline, states = run.plan.outline, run.history.states
    for position, job in enumerate(outline):
        if states[position] != State.SUCCEEDED and job.kind is Kind.COMPUTE:
            for parent in job.parents:
                if outline[parent].kind is Kind.STAGE_IN and states[parent] == State.SUCCEEDED:
                    found.setdefault(parent, []).append(position)
    return found


def _was_edited(moved: dict[str, Any], record: dict[str, Any]) -> bool:
    """Return whether the source of a transfer is a file here that has changed, and a copy of it is in use."""
    source, copy = moved.get("source", ""), moved.get("destination", "")
    if moved.get("link") or not (is_local(source) and is_local(copy)):
        return False
    try:
        path = path_of(source)
        found = os.stat(path)
        if not os.path.lexists(path_of(copy)):
            return False
        if not stat.S_ISREG(found.st_mode) or found.st_ctime <= (record.get("start") or 0.0):
            return False
        if found.st_size != moved.get("bytes", found.st_size):
            return True
        if not moved.get("sha256") or found.st_size > COMPARED_BYTES:
            return found.st_mtime > (record.get("start") or 0.0)
        return bool(sha256_of(path) != moved["sha256"])
    except (OSError, MarkabError):  # gone, or on another machine: not edited
        return False


def _properties_files(run: Analyzer) -> Iterator[str]:
    """Yield the files of properties that planning the workflow again would read."""
    directory = read_sources(run.place.sources).directory
    if directory is None:
        return
    words = shlex.split(run.braindump.get("planner_arguments") or "")
    named = [word for last, word in pairwise(words) if last == "--conf"]
    yield from dict.fromkeys(os.path.join(directory, name) for name in ("pegasus.properties", *named))


def _is_newer(path: str, copy: Path) -> bool:
    try:
        return os.stat(path).st_mtime > os.stat(copy).st_mtime
    except OSError:
        return False


def _other_text(copy: Path, path: str) -> bool:
    """Return whether a document has another text than its copy, but for the time at which a script wrote it."""
    try:
        with open(copy, "rb") as taken, open(path, "rb") as present:
            return any(one != other for one, other in zip_longest(_lines(taken), _lines(present)))
    except OSError:
        return False


def _lines(file: Iterable[bytes]) -> Iterator[bytes]:
    return (line for line in file if b"createdOn:" not in line)


def _hint(run: Analyzer, are_properties_edited: bool) -> str:
    """Return how the workflow is planned again: with the properties of the run, unless their files were edited."""
    properties = run.place.path / str(run.braindump.get("properties"))
    is_needed = properties.is_file() and properties.stat().st_size > 0 and not are_properties_edited
    sources = read_sources(run.place.sources)
    command = replan_command(
        run.braindump, sources.directory, properties if is_needed else None, sources.script
    )
    again = "to use what was edited, plan again, so that all jobs run again"
    also = ", with the options -D of the first time" if are_properties_edited else ""
    return again + (f": {command}{also}" if command else "")


def _documents_text(paths: list[str]) -> str:
    were = "was" if len(paths) == 1 else "were"
    return f"{_named(paths, _shown)} {were} edited after the run was planned; the plan is used as it is"


def _inputs_text(inputs: list[EditedInput]) -> str:
    one = len(inputs) == 1
    were, them, copies = ("was", "it", "the copy is") if one else ("were", "them", "the copies are")
    readers = list(dict.fromkeys(job for one in inputs for job in one.readers))
    paths = _named([one.path for one in inputs], _shown)
    return (
        f"{paths} {were} edited after this run had copied {them}; {copies} used (by {_named(readers, str)})"
    )


def _shown(path: str) -> str:
    """Return a path as it is typed."""
    return shown_path(Path(path))


def _named(names: list[str], show: Callable[[str], str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(map(show, names[:NAMES_SHOWN])) + (f" and {more:,} more" if more > 0 else "")
