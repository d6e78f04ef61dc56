"""What can be found out now about a failure, beyond what the run recorded: similar names, free space, modes, who makes a file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from markab.diagnosis.causes import Cause
from markab.diagnosis.failure_analysis import Analyzer
from markab.formatting import clipped, duration, printable_line, shown_path, size
from markab.insight.verdict import Evidence, NextStep
from markab.plan.model import PlannedJob

NAMES_COMPARED = 10_000
"""A directory with more names is not searched for similar ones."""
CATALOG_BYTES = 64 << 20
FIRST_LINE_BYTES = 200
_PATH = re.compile(r"'((?:file://)?/[^']*)'")
_QUOTED = re.compile(r"'([^']+)'")
_SIMILAR = 0.6


class FoundFacts:
    """What was found out about one failure."""

    def __init__(self) -> None:
        self.evidence: list[Evidence] = []
        self.steps: list[NextStep] = []
        self.cause = ""
        """The cause in plain words; empty: as it was recorded."""

    def seen(self, source: str | Path, text: str, line: int = 0) -> None:
        """Add a piece of evidence."""
        shown = shown_path(source) if isinstance(source, Path) else source
        self.evidence.append(Evidence(shown, line, printable_line(clipped(text, 300))))

    def do(self, text: str, command: str = "", *, mutating: bool = False) -> None:
        """Add a step."""
        self.steps.append(NextStep(text, command, mutating))


def find_facts(run: Analyzer, job: PlannedJob, cause: Cause) -> FoundFacts:
    """Return what the disk says now about the failure of a job; nothing if it says nothing."""
    facts = FoundFacts()
    try:
        if cause.rule in ("F12", "F24", "F25"):
            _missing_file(facts, run, cause)
        elif cause.rule == "F13":
            _modes(facts, cause)
        elif cause.rule in ("F28", "F29"):
            _room(facts, run, job, cause)
        elif cause.rule in ("F33", "F34", "F35"):
            _program(facts, cause)
        elif cause.rule == "F47":
            _undeclared_input(facts, run, job, cause)
        elif cause.rule == "F68":
            _other_outputs(facts, cause)
        elif cause.rule in ("F14", "F15", "F18", "F19", "F20", "F21"):
            _entry(facts, run, cause)
    except OSError:
        pass  # what is not there, or may not be read, is no fact
    return facts


def similar_names(path: Path) -> list[str]:
    """Return names in the directory of a path that are like its own: those that have it in them, or nearly the same letters."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return []
    if len(names) > NAMES_COMPARED:
        return []
    wanted = path.name.lower()
    holding = sorted(one for one in names if wanted in one.lower() and one != path.name)
    close = get_close_matches(path.name, [one for one in names if one != path.name], n=3, cutoff=_SIMILAR)
    return list(dict.fromkeys([*holding, *close]))[:3]


def _paths(cause: Cause) -> list[Path]:
    texts = [cause.line, cause.title, *cause.also]
    return [Path(found.removeprefix("file://")) for text in texts for found in _PATH.findall(text)]


def _missing_file(facts: FoundFacts, run: Analyzer, cause: Cause) -> None:
    path = next(iter(_paths(cause)), None)
    if path is None:
        return
    if not path.parent.is_dir():
        above = next((one for one in path.parents if one.is_dir()), Path("/"))
        facts.seen(above, f"has no '{path.relative_to(above).parts[0]}'")
    elif not os.path.lexists(path):
        facts.cause = f"the run takes {path.name!r} from a place where no file of that name is"
        similar = similar_names(path)
        for name in similar:
            changed_s = run.history.started - os.stat(path.parent / name).st_mtime
            when = f"{duration(changed_s)} before the run" if changed_s >= 0 else "after the run had started"
            facts.seen(path.parent, f"has '{name}' (last changed {when})")
        if len(similar) == 1:
            other = path.parent / similar[0]
            is_whole = path.name.lower() in similar[0].lower()
            text = (
                "give the file the name that the catalog has"
                if is_whole
                else f"if '{similar[0]}' is meant, give it that name"
            )
            facts.do(text, f"mv {shown_path(other)} {shown_path(path)}", mutating=True)
        elif not similar:
            facts.seen(path.parent, "has no file of a similar name")
            facts.do("look what is there", f"ls -la {shown_path(path.parent)}")
    elif cause.rule == "F12":
        facts.seen(path, "is there now")
    _catalog_entry(facts, run, str(path))


def _entry(facts: FoundFacts, run: Analyzer, cause: Cause) -> None:
    found = re.search(r"'(\w+://[^']+)'", cause.line or cause.title)
    if found is not None:
        _catalog_entry(facts, run, found[1])


def _catalog_entry(facts: FoundFacts, run: Analyzer, location: str) -> None:
    """Add the line of the catalogs, as the run uses them, that has a path or URL."""
    wanted = location.encode()
    for file in sorted(run.place.catalogs.glob("*")) if run.place.catalogs.is_dir() else ():
        if not file.is_file() or file.stat().st_size > CATALOG_BYTES:
            continue
        for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
            if wanted in line:
                facts.seen(file, line.strip().decode("utf-8", "replace"), number)
                if facts.cause:
                    facts.cause = f"the catalog says that {os.path.basename(location)!r} is there; it is not"
                return


def _modes(facts: FoundFacts, cause: Cause) -> None:
    path = next(iter(_paths(cause)), None)
    if path is None:
        return
    for one in [*reversed(path.parents), path]:
        status = os.stat(one)
        needed = stat.S_IXUSR if stat.S_ISDIR(status.st_mode) else stat.S_IRUSR
        if not status.st_mode & needed or not os.access(one, os.X_OK if needed == stat.S_IXUSR else os.R_OK):
            facts.seen(
                one, f"has the mode {stat.filemode(status.st_mode)}, and belongs to user {status.st_uid}"
            )
            return


def _room(facts: FoundFacts, run: Analyzer, job: PlannedJob, cause: Cause) -> None:
    scratch = run.plan.header.sites.get(job.staging or job.site) or None
    places = [*_paths(cause), *([Path(scratch.scratch.path)] if scratch and scratch.scratch else [])]
    for place in places:
        there = next((one for one in (place, *place.parents) if one.is_dir()), None)
        if there is None or there == Path("/"):
            continue
        room = os.statvfs(there)
        free, total = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
        inodes = f", {room.f_favail:,} of {room.f_files:,} inodes" if room.f_files else ""
        facts.seen(there, f"has {size(free)} of {size(total)} free now{inodes}")
        inode = " -i" if room.f_files and not room.f_favail else ""
        facts.do("see what is full", f"df -h{inode} {shown_path(there)}")
        return


def _program(facts: FoundFacts, cause: Cause) -> None:
    path = next((one for one in _paths(cause) if one.is_file()), None)
    if path is None:
        return
    with path.open("rb") as file:
        first = file.read(FIRST_LINE_BYTES).split(b"\n", 1)[0]
    shown = repr(first.decode("latin-1"))
    facts.seen(path, f"has the mode {stat.filemode(path.stat().st_mode)}, and begins with {shown}", 1)
    if cause.rule == "F33" and not os.access(path, os.X_OK):
        facts.do("let it be run", f"chmod +x {shown_path(path)}", mutating=True)


def _undeclared_input(facts: FoundFacts, run: Analyzer, job: PlannedJob, cause: Cause) -> None:
    found = _QUOTED.search(cause.title)
    if found is None:
        return
    name = found[1].removeprefix("./")
    declared = {one.lfn for one in job.inputs}
    if name in declared:
        return
    for position, title in makers_of(run, name):
        facts.seen(run.place.plan, f"'{name}' is made by {title}, and is no input of {job.id}", position + 2)
        facts.cause = (
            f"{job.id} reads '{name}', which is a file of the workflow and not declared as its input"
        )
        task = job.tasks[0].id if job.tasks else job.id
        facts.do(f"declare it in the workflow: add_inputs('{name}') of the job '{task}'")
        return
    similar = get_close_matches(name, declared, n=1, cutoff=_SIMILAR)
    if similar:
        facts.seen(run.place.plan, f"{job.id} has an input '{similar[0]}'", run.plan.positions[job.id] + 2)


def makers_of(run: Analyzer, lfn: str) -> Iterator[tuple[int, str]]:
    """Yield the jobs that have a file as an output: position and name."""
    from msgspec import json

    needle = b'"lfn":' + json.encode(lfn)
    for position in range(len(run.plan)):
        if needle in run.plan.line(position):
            job = run.plan.job(position)
            if any(output.lfn == lfn for output in job.outputs):
                yield position, job.id


def _other_outputs(facts: FoundFacts, cause: Cause) -> None:
    wrote = re.search(r"it wrote (.*)", cause.remedy)
    missing = _QUOTED.search(cause.title)
    if wrote is None or missing is None:
        return
    names = _QUOTED.findall(wrote[1])
    close = get_close_matches(missing[1], names, n=1, cutoff=_SIMILAR)
    if close:
        facts.do(f"it wrote '{close[0]}': correct that name in the program, or the declared '{missing[1]}'")
