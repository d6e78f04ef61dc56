"""Files that were edited after a run had taken them: its documents when it was planned, its inputs when they were staged.

The run goes on with what it took, which a user who has just corrected a file does not expect.
Only a file that is newer is compared with what was taken, so a run costs a call of `stat`
for each file that it took.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, zip_longest
from pathlib import Path

from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.replanning import replan_command
from markab.engine.affected_jobs import affected_jobs, readers_of
from markab.engine.edited_inputs import EditedInput, glanced_at, read_taken_files
from markab.engine.refresh import CATALOG_HINT, REUSED_HINT, again_text, catalog_text, with_catalog_checksum
from markab.errors import Problem
from markab.formatting import shown_path
from markab.journal.lifecycle import State
from markab.plan.run_command import run_command
from markab.plan.sources import read_sources

COMPARED_BYTES = 256 << 20
"""A larger file that is newer counts as edited; reading it takes too long."""
NAMES_SHOWN = 3


def edited_files(run: Analyzer, *, only_documents: bool = False) -> list[Problem]:
    """Return what was edited since a run took it, each kind with a hint: the command that uses it as it is now."""
    problems = []
    if documents := list(edited_documents(run)):
        hint = _hint(run, any(path.endswith(".properties") for path in documents))
        problems.append(Problem(_documents_text(documents), hint, kind="edited-file"))
    if not only_documents and (inputs := edited_inputs(run)):
        problems += _of_inputs(run, inputs)
    return problems


def edited_inputs(run: Analyzer) -> list[EditedInput]:
    """Return the files on this machine that the run took, and that are no longer what it took."""
    return list(glanced_at(read_taken_files(run.place.journal, run.plan.header), COMPARED_BYTES))


def _of_inputs(run: Analyzer, inputs: list[EditedInput]) -> Iterator[Problem]:
    """Yield what there is to be said of edited inputs that jobs use: how they are taken anew, or why that is impossible."""
    if wrong := with_catalog_checksum(run.plan, inputs):
        command = command_to_plan_again(run, are_properties_edited=False)
        yield Problem(
            catalog_text(wrong), CATALOG_HINT + (f": {command}" if command else ""), kind="edited-file"
        )
        return
    lfns = [file.lfn for file in inputs]
    affected = affected_jobs(run.plan.jobs(), lfns)
    if readers := readers_of(run.plan.jobs(), lfns):
        if run.place.reused.exists():
            command = command_to_plan_again(run, are_properties_edited=False)
            hint = REUSED_HINT + (f": {command}" if command else "")
            yield Problem(_inputs_text(inputs, readers), hint, kind="edited-file")
            return
        again = [job for job in affected if run.history.states[job] == State.SUCCEEDED]
        command = run_command(run.place.path, "--refresh")
        them = "it" if len(inputs) == 1 else "them"
        hint = f"to take {them} anew: `{command}`; {again_text(run.plan, again)}"
        yield Problem(_inputs_text(inputs, readers), hint, kind="edited-file")


def edited_documents(run: Analyzer) -> Iterator[str]:
    """Yield the documents and properties files that changed after they were read for the plan."""
    for copy, path in read_sources(run.place.sources).documents.items():
        if _is_newer(path, run.place.catalogs / copy) and _other_text(run.place.catalogs / copy, path):
            yield path
    for path in _properties_files(run):
        if _is_newer(path, run.place.plan):
            yield path


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
    """Return how the workflow is planned again."""
    command = command_to_plan_again(run, are_properties_edited)
    also = " with the options -D of the first time" if are_properties_edited else ""
    again = f"to use what was edited, plan again{also}"
    return again + (f": {command}" if command else "")


def command_to_plan_again(run: Analyzer, are_properties_edited: bool) -> str:
    """Return the command that plans again: with the properties of the run, unless their files were edited."""
    properties = run.place.path / str(run.braindump.get("properties"))
    is_needed = properties.is_file() and properties.stat().st_size > 0 and not are_properties_edited
    sources = read_sources(run.place.sources)
    return replan_command(run.braindump, sources.directory, properties if is_needed else None, sources.script)


def _documents_text(paths: list[str]) -> str:
    were = "was" if len(paths) == 1 else "were"
    return f"{_named(paths, _shown)} {were} edited after the run was planned; the plan is used as it is"


def _inputs_text(inputs: list[EditedInput], readers: list[str]) -> str:
    one = len(inputs) == 1
    were, them, it = ("was", "it", "it") if one else ("were", "them", "they")
    paths = _named([one.path for one in inputs], _shown)
    return (
        f"{paths} {were} edited after this run had taken {them} (for {_named(readers, str)}); "
        f"the run goes on with what {it} {were}"
    )


def _shown(path: str) -> str:
    """Return a path as it is typed."""
    return shown_path(Path(path))


def _named(names: list[str], show: Callable[[str], str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(map(show, names[:NAMES_SHOWN])) + (f" and {more:,} more" if more > 0 else "")
