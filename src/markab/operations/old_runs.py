"""Old runs: which are chosen, what of each can go, and its deletion: scratch first, then the submit directory.

Only what is provably of a run goes. A run is left alone if an engine runs it, if it is another user's or
Pegasus' own, or if something else is in one of its directories. Results at output sites stay.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markab.errors import MarkabError, StorageError
from markab.operations.run_list import ListedRun, list_runs, listed_run, states_named
from markab.operations.run_names import find_directory
from markab.operations.run_sizes import bytes_below
from markab.operations.submit_directories import (
    check_nothing_else_inside,
    delete_run,
    detach_run,
    is_half_deleted,
    opened_run,
)

if TYPE_CHECKING:
    from markab.operations.run_scratch import RunScratch

_NAMES = frozenset(
    [
        "plan.jsonl",
        "plan.jsonl.deleted",
        "braindump.yml",
        "sources.json",
        "reused.jsonl",
        "request.json",
        "finished.json",
        "passwords.json",
        "journal.jsonl",
        "status.json",
        "lock",
        "hooks.jsonl",
        "jobstate.log",
        "monitord.started",
        "monitord.done",
        "run.log",
        "archive.tar.gz",
        "catalogs",
        "control",
        "statistics",
        "report.html",
        "htcondor",
        "dagman",
    ]
)
_PATTERN = re.compile(
    r"[0-9a-f]{2}"  # output of tasks
    r"|pegasus\.\d+\.properties"
    r"|\.?[^/]+\.(?:stampede|replicas)\.db(?:-wal|-shm|-journal|\.lock)?"
    r"|[^/]+\.dag(?:\.rescue\d+|\.condor\.sub|\.dagman\.(?:out|log)|\.lib\.(?:out|err)|\.metrics|\.nodes\.log|\.lock|\.halt)?"
    r"|jobstate\.log\.\d+"
    r"|\.capture-[^/]*"
    r"|\.[^/]+\.tmp"  # a file that was being written when its process was killed
)
_STRANGERS_NAMED = 3
_LEFT_ALONE = ("Running", "Unreadable", "Gone")
"""States of runs that are chosen only if they are asked for."""


class Filters(NamedTuple):
    """Which runs are chosen: those that pass all filters."""

    states: Collection[str] = ()
    """Keys of `RUN_STATES`; empty: all but `running`, `unreadable` and `gone`."""
    workflow: str = ""
    """Name, in which `*` and `?` stand for others; "": every one."""
    older_s: float | None = None
    """Nothing happened to it for so many seconds."""
    keep: int | None = None
    """But not so many newest of each workflow, of those in `states` if any are named."""


@dataclass(frozen=True)
class OldRun:
    """A run that was chosen, and what of it can go."""

    run: ListedRun
    submit_bytes: int = 0
    """Of its submit directory; 0 if that stays."""
    scratch: tuple[RunScratch, ...] = ()
    uuid: str = ""
    why_kept: str = ""
    """Why nothing of it must go; "": it can."""
    warnings: tuple[str, ...] = ()
    links: tuple[Path, ...] = ()
    """Symbolic links to its submit directory by which it was named or is recorded: they go with it."""

    @property
    def removed_scratch(self) -> list[str]:
        """The scratch directories that go."""
        return [] if self.why_kept else [one.place for one in self.scratch if not one.why_kept]

    @property
    def bytes(self) -> int:
        """How much goes."""
        if self.why_kept:
            return 0
        return self.submit_bytes + sum(one.bytes for one in self.scratch if not one.why_kept)


NO_FILTERS = Filters()


def chosen(
    runs: Iterable[ListedRun], filters: Filters, now: float, among: Iterable[ListedRun] | None = None
) -> list[ListedRun]:
    """Return the runs that pass the filters, in their order. A deletion that was interrupted is always to be finished.

    Args:
        among: all runs of the user, of which the newest are kept; then `runs` were named, and are chosen in every
            state. None: `runs` are all.

    Raises:
        MarkabError: there is no such state.
    """
    named = states_named(filters.states)
    listed = list(runs)
    all_runs = {run.submit_dir: run for run in (*listed, *(among or ()))}
    candidates = [run for run in all_runs.values() if not named or run.state in named]
    kept = _newest(candidates, filters.keep) if filters.keep is not None else set()
    unwanted = _LEFT_ALONE if among is None else ()

    def is_chosen(run: ListedRun) -> bool:
        if run.state == "Half deleted":
            return True
        return (
            (run.state in named if named else run.state not in unwanted)
            and (not filters.workflow or fnmatchcase(run.workflow, filters.workflow))
            and (filters.older_s is None or run.last_active <= now - filters.older_s)
            and run.submit_dir not in kept
        )

    return [run for run in listed if is_chosen(run)]


def _newest(runs: Iterable[ListedRun], number: int) -> set[Path]:
    """Return the submit directories of so many runs of each workflow that were planned last."""
    by_workflow: dict[str, list[ListedRun]] = {}
    for run in runs:
        if run.state not in ("Gone", "Half deleted"):
            by_workflow.setdefault(run.workflow, []).append(run)
    newest = (sorted(of_one, key=lambda run: -run.planned)[:number] for of_one in by_workflow.values())
    return {run.submit_dir for of_one in newest for run in of_one}


def find_old_runs(
    names: Sequence[str | os.PathLike[str]] = (),
    filters: Filters = NO_FILTERS,
    *,
    now: float,
    scratch_only: bool = False,
    with_results: bool = False,
) -> tuple[list[OldRun], str]:
    """Return the runs that are chosen, and what of each can go; nothing is changed. The second value is a warning, or empty.

    Args:
        names: of these runs. Empty: of all runs of the user, as `list_runs` has them.
        scratch_only: the submit directories stay.
        with_results: scratch directories may go in which the only copies of results are.

    Raises:
        NotARun: a name is not that of a run.
        MarkabError: there is no such state.
    """
    everything, warning = list_runs()
    links: dict[Path, set[Path]] = {}
    everything = [run._replace(submit_dir=_followed(run.submit_dir, links)) for run in everything]
    if names:
        runs = [listed_run(_followed(find_directory(name), links)) for name in names]
    else:
        runs = [run for run in everything if not _is_of_another_user(run.submit_dir)]
    runs = [*{run.submit_dir: run for run in runs}.values()]
    wanted = chosen(runs, filters, now, everything if names else None)
    examined = (examine(run, scratch_only, with_results) for run in wanted)
    old = [replace(one, links=tuple(sorted(links.get(one.run.submit_dir, ())))) for one in examined]
    if scratch_only:
        old = [one for one in old if one.scratch or one.why_kept]
    going = {one.run.submit_dir for one in old if not one.why_kept}
    others = [run.submit_dir for run in everything if run.submit_dir not in going]
    return _with_warnings(old, others), warning


def _followed(path: Path, links: dict[Path, set[Path]]) -> Path:
    """Return the directory that is meant; a symbolic link by which it was named is added to those of the directory."""
    if not path.is_dir():
        return path  # it is gone
    found = path.resolve()
    if path.is_symlink():
        links.setdefault(found, set()).add(Path(os.path.abspath(path)))
    return found


def _is_of_another_user(submit_dir: Path) -> bool:
    try:
        return submit_dir.lstat().st_uid != os.geteuid()
    except OSError:
        return False  # it is gone


def examine(run: ListedRun, scratch_only: bool = False, with_results: bool = False) -> OldRun:
    """Return what of a run can go."""
    if run.state == "Gone":
        return OldRun(run, uuid=run.uuid, why_kept="its submit directory is gone" if scratch_only else "")
    try:
        if why := _why_left_alone(run):
            return OldRun(run, why_kept=why)
        scratch = _scratch(run)
        inside = [one for one in scratch if f"{one.place}/".startswith(f"{run.submit_dir}/")]
        why = _stranger(
            run.submit_dir, {Path(one.place).relative_to(run.submit_dir).parts[:1] for one in inside}
        )
        if not why and not scratch_only and run.state != "Half deleted":
            check_nothing_else_inside(run.submit_dir, "deleted")
            why = next((f"{one.place!r} is in it: {one.why_kept}" for one in inside if one.why_kept), "")
    except MarkabError as error:
        return OldRun(run, why_kept=str(error))
    except OSError as error:
        return OldRun(run, why_kept=f"it cannot be read: {error.strerror}")
    held = None if with_results else next((one for one in scratch if one.has_results), None)
    if held and not why:
        why = (
            f"its results are only in its scratch directory, {held.place!r}: --with-results deletes them too"
        )
    submit_bytes = bytes_below(run.submit_dir) - sum(one.bytes for one in inside)
    return OldRun(run, 0 if scratch_only else submit_bytes, scratch, run.uuid, why)


def _why_left_alone(run: ListedRun) -> str:
    """Return why a run must be left alone, whatever is in its directories; or nothing."""
    from markab.provenance.pegasus_directory import is_pegasus_directory

    if (owner := run.submit_dir.lstat().st_uid) != os.geteuid():
        return f"it belongs to another user (uid {owner})"
    if run.state in ("Running", "Unreadable"):
        return "an engine is running it" if run.state == "Running" else "it cannot be read"
    if run.state != "Half deleted" and is_pegasus_directory(run.submit_dir):
        return "Pegasus made it"
    return ""


def _stranger(submit_dir: Path, scratch: Collection[tuple[str, ...]]) -> str:
    """Return what is directly in a submit directory and neither the run's nor holds its scratch, or nothing."""
    names = sorted(
        name for name in os.listdir(submit_dir) if not is_own_name(name) and (name,) not in scratch
    )
    if not names:
        return ""
    more = f" and {len(names) - _STRANGERS_NAMED} more" if len(names) > _STRANGERS_NAMED else ""
    named = ", ".join(repr(name) for name in names[:_STRANGERS_NAMED])
    return f"what is not the run's is in its submit directory: {named}{more}"


def is_own_name(name: str) -> bool:
    """Return whether Markab makes files or directories of this name directly in a submit directory."""
    return name in _NAMES or _PATTERN.fullmatch(name) is not None


def _scratch(run: ListedRun) -> tuple[RunScratch, ...]:
    from markab.operations.run_scratch import scratch_of_run
    from markab.plan.braindump import read_braindump
    from markab.plan.child_directory import runs_below
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir

    if run.state == "Half deleted":
        return ()  # it went first
    with closing(PlanFile(SubmitDir(run.submit_dir).plan)) as plan:
        found = scratch_of_run(run.submit_dir, plan, run.uuid)
    for below in runs_below(run.submit_dir):
        place = SubmitDir(below.path)
        if not place.path.is_relative_to(run.submit_dir):
            continue  # it was planned by itself, and is a run of its own
        uuid = read_braindump(place.braindump).get("wf_uuid") or ""
        with closing(PlanFile(place.plan)) as plan:
            for one in scratch_of_run(place.path, plan, uuid):
                if not any(one.place.startswith(f"{other.place}/") for other in found):
                    found.append(one._replace(owner=(place.path, uuid)))
    return tuple(found)


def _with_warnings(old: Sequence[OldRun], others: Iterable[Path]) -> list[OldRun]:
    """Return the runs with warnings that others refer to what goes."""
    places = {f"{place.rstrip('/')}/".encode(): one for one in old for place in one.removed_scratch}
    warnings: dict[Path, list[str]] = {}
    for other in others if places else ():
        for place in _references(other, [*places]):
            text = f"{str(other)!r} refers to files in its scratch directory"
            warnings.setdefault(places[place].run.submit_dir, []).append(text)
    return [replace(one, warnings=tuple(warnings.get(one.run.submit_dir, ()))) for one in old]


def _references(submit_dir: Path, places: Sequence[bytes]) -> set[bytes]:
    """Return below which of these directories the plan of a run, or a replica catalog in it, has a file."""
    from markab.transfers.beneath import open_regular

    sought = re.compile(b"|".join(map(re.escape, places)))
    found: set[bytes] = set()
    for path in (submit_dir / "plan.jsonl", *submit_dir.glob("*.replicas.db")):
        try:
            with (
                open(path, "rb", opener=open_regular) as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            ):
                found.update(match[0] for match in sought.finditer(content))
        except (OSError, ValueError):
            continue  # it is gone, or empty
    return found


def delete_old_run(old: OldRun, *, scratch_only: bool = False) -> None:
    """Delete what can go of a run that `find_old_runs` has returned; the same call goes on after a kill.

    Raises:
        RunBusy: an engine runs it by now.
        StorageError: something cannot be removed.
        MarkabError: it must be kept.
    """
    if old.why_kept:
        raise MarkabError(f"{str(old.run.submit_dir)!r} is kept: {old.why_kept}")
    if old.run.state == "Gone":
        detach_run(old.run.submit_dir, old.uuid)
        return
    if not is_half_deleted(old.run.submit_dir):
        _remove_scratch(old)
    if not scratch_only:
        delete_run(old.run.submit_dir)
        for link in old.links:
            _remove_link(link, old.run.submit_dir)


def _remove_link(link: Path, submit_dir: Path) -> None:
    """Remove a symbolic link that leads to where a submit directory was."""
    if link.is_symlink() and link.resolve() == submit_dir:
        try:
            link.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot remove the link {str(link)!r}: {error.strerror}") from error


def _remove_scratch(old: OldRun) -> None:
    from markab.operations.run_scratch import remove_scratch

    with opened_run(old.run.submit_dir) as found:
        if found.uuid != old.uuid:
            raise StorageError(f"{str(old.run.submit_dir)!r} holds another run by now")
        for one in old.scratch:
            if not one.why_kept:
                submit_dir, uuid = one.owner or (old.run.submit_dir, old.uuid)
                remove_scratch(one.place, submit_dir, uuid)


def delete_old_runs(
    runs: Iterable[OldRun], *, scratch_only: bool = False
) -> Iterator[tuple[OldRun, MarkabError | None]]:
    """Delete what can go of each, and yield it with the error that prevented that; those that must be kept are left out."""
    for old in runs:
        if not old.why_kept:
            try:
                delete_old_run(old, scratch_only=scratch_only)
            except MarkabError as error:
                yield old, error
            else:
                yield old, None
