"""Packing, moving and deleting submit directories, and entering them into the list of all runs.

Each takes the run's lock first: what an engine is running is refused. What is in scratch and at output
sites is never touched: a directory with one of these inside, or with another run, is neither packed, moved nor deleted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from markab.errors import MarkabError, NotARun, StorageError
from markab.operations.run_names import find_run
from markab.plan.braindump import Braindump, read_braindump, write_braindump
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import PLAN, SubmitDir

DELETED = f"{PLAN}.deleted"
"""What the plan, or the archive, of a directory is called when its deletion has begun; the last file of it."""


class OpenedRun(NamedTuple):
    """A submit directory, and what it is."""

    directory: SubmitDir
    braindump: Braindump
    is_packed: bool

    @property
    def uuid(self) -> str:
        """Of the run."""
        return self.braindump.get("wf_uuid") or ""


def archive_run(path: Path) -> tuple[Path, str]:
    """Pack a submit directory into one file in it; return its path and a warning, or nothing.

    Raises:
        NotARun: it is none, or is packed already.
        RunBusy: an engine runs it.
        StorageError: a file cannot be read, written or removed.
    """
    from markab.plan.run_archive import pack

    with opened_run(path) as found:
        if not found.is_packed:
            _refuse_what_is_inside(found, "packed")
            _bring_up_to_date(found.directory)
        if not pack(found.directory, found.uuid):
            raise NotARun(
                f"{str(found.directory.path)!r} is archived already",
                hint=f"pegasus-submitdir extract {quote(str(path))}",
            )
        return found.directory.path, _enter(found, is_archived=True)


def extract_run(path: Path) -> tuple[Path, str]:
    """Undo `archive_run`; return the path and a warning, or nothing.

    Raises:
        NotARun: it is no submit directory, or not packed.
        CorruptPlan: the archive is damaged; it is kept.
        RunBusy, StorageError: as `archive_run`.
    """
    from markab.plan.run_archive import unpack

    with opened_run(path) as found:
        if not found.directory.archive.exists():
            raise NotARun(
                f"{str(found.directory.path)!r} is not archived: it has no {found.directory.archive.name}"
            )
        unpack(found.directory, found.uuid)
        return found.directory.path, _enter(found, is_archived=False)


def move_run(path: Path, destination: Path) -> tuple[Path, str]:
    """Move a submit directory; return its new path and a warning, or nothing.

    Args:
        destination: the new path, or an existing directory into which it goes under its name.

    Raises:
        NotARun: `path` is no submit directory.
        RunBusy: an engine runs it.
        StorageError: something is there already, or it cannot be moved there.
    """
    _refuse_link(path)
    with opened_run(path) as found:
        _refuse_subworkflow(found, "moved")
        _refuse_what_is_inside(found, "moved")
        source = found.directory.path
        target = _new_place(source, destination)
        _rename(source, target)
        moved = OpenedRun(SubmitDir(target), found.braindump, found.is_packed)
        moved.braindump.update(submit_dir=str(target), basedir=str(target.parent))
        write_braindump(moved.directory.braindump, moved.braindump)
        return target, _enter(moved, is_archived=found.is_packed)


def delete_run(path: Path) -> Path:
    """Delete a submit directory with all that is in it, and its entries in databases; return its path.

    The list of all runs has it until nearly all of it is gone: whoever is killed before finds it there.

    Raises:
        NotARun: it is none.
        RunBusy: an engine runs it.
        StorageError: a database cannot be written, or a file not be removed; the same call again goes on.
    """
    from markab.provenance.run_places import forget
    from markab.transfers.tree_removal import remove_tree

    _refuse_link(path)
    place = path.resolve()
    if not is_half_deleted(place):
        place = _begin_deletion(path)
    directory = SubmitDir(place)
    braindump = read_braindump(directory.braindump) if directory.braindump.exists() else {}
    kept = {DELETED, directory.braindump.name, braindump.get("properties")}
    try:
        for name in sorted(os.listdir(place)):
            if name not in kept:
                remove_tree(str(place / name))
        forget(directory, braindump, braindump.get("wf_uuid") or "", at=place)
        remove_tree(str(place), last=DELETED)
    except OSError as error:
        raise StorageError(
            f"cannot delete {error.filename or str(place)!r}: {error.strerror}",
            hint="correct that, and give the same command again",
        ) from error
    return place


def is_half_deleted(path: Path) -> bool:
    """Return whether the deletion of a submit directory has begun, and was interrupted."""
    return os.path.lexists(path / DELETED)


def _begin_deletion(path: Path) -> Path:
    """Delete what a shared database has of a run, and mark its directory, so that no engine runs it; return that."""
    from markab.provenance.run_places import delete_rows

    with opened_run(path) as found:
        _refuse_subworkflow(found, "deleted")
        _refuse_what_is_inside(found, "deleted")
        directory = found.directory
        delete_rows(directory, found.braindump)
        try:
            os.rename(directory.archive if found.is_packed else directory.plan, directory.path / DELETED)
        except OSError as error:
            raise StorageError(f"cannot rename {error.filename!r}: {error.strerror}") from error
    return directory.path


def attach_run(path: Path) -> tuple[Path, str]:
    """Enter a run into the list of all runs; return its path and a warning, or nothing.

    Raises:
        NotARun: it is no submit directory.
        RunBusy, StorageError: as `archive_run`.
    """
    with opened_run(path) as found:
        _refuse_subworkflow(found, "attached")
        if not found.is_packed:
            _bring_up_to_date(found.directory)
        return found.directory.path, _enter(found, is_archived=found.is_packed)


def detach_run(path: Path, uuid: str | None = None) -> bool:
    """Take a run out of the list of all runs; return whether it was there. Its files stay.

    Args:
        path: its submit directory, which need not exist any more.
        uuid: which of the runs at `path` is meant, if the directory does not exist.

    Raises:
        NotARun: it is no submit directory, and no `uuid` is given.
        StorageError: the list cannot be written.
    """
    from markab.provenance.run_places import forget, runs_at

    place = Path(os.path.abspath(path))
    if place.is_dir():
        with opened_run(path) as found:
            _refuse_subworkflow(found, "detached")
            return forget(found.directory, found.braindump, found.uuid, at=found.directory.path)
    if uuid is not None:
        return forget(SubmitDir(place), {}, uuid, at=place)
    known = runs_at(place)
    hint = " or ".join(f"pegasus-submitdir detach -i {run.uuid} {quote(str(place))}" for run in known)
    raise NotARun(f"there is no directory {str(place)!r}", hint=hint)


@contextmanager
def opened_run(path: Path) -> Iterator[OpenedRun]:
    """Lock the submit directory at `path`, which may be packed."""
    from markab.journal.lock import RunLock

    found = _read(path)
    with RunLock(found.directory.lock):
        yield OpenedRun(found.directory, found.braindump, _is_packed(found.directory))


def _read(path: Path) -> OpenedRun:
    from markab.plan.run_archive import check_archive

    directory = SubmitDir(path.resolve())
    if not _is_packed(directory):
        directory = SubmitDir(find_run(path))
    braindump = read_braindump(directory.braindump)
    check_archive(directory, braindump.get("wf_uuid") or "")
    return OpenedRun(directory, braindump, _is_packed(directory))


def _is_packed(directory: SubmitDir) -> bool:
    from markab.plan.run_archive import is_packed

    return is_packed(directory)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise NotARun(
            f"{str(path)!r} is a symbolic link", hint=f"name the directory itself: {path.resolve()}"
        )


def _refuse_subworkflow(found: OpenedRun, what: str) -> None:
    if found.braindump.get("root_wf_uuid") not in (None, found.uuid):
        raise NotARun(
            f"{str(found.directory.path)!r} is a sub-workflow, and can only be {what} with its root workflow",
            hint="name the submit directory of the root workflow",
        )


def check_nothing_else_inside(submit_dir: Path, what: str) -> None:
    """Refuse a submit directory in which another run or results lie, or that is part of another run; changes nothing.

    Args:
        what: "deleted" or another participle, for the error.

    Raises:
        NotARun: it is that of a sub-workflow, or none.
        StorageError: something is in it.
    """
    found = _read(submit_dir)
    _refuse_subworkflow(found, what)
    _refuse_runs_inside(found, what)
    _refuse_results_inside(found, what, with_scratch=False)


def _refuse_what_is_inside(found: OpenedRun, what: str) -> None:
    """Refuse a directory in which another run, scratch files or results lie."""
    _refuse_runs_inside(found, what)
    _refuse_results_inside(found, what)


def _refuse_runs_inside(found: OpenedRun, what: str) -> None:
    top = found.directory.path
    for folder, folders, names in os.walk(top):
        inside = Path(folder)
        if inside != top and (PLAN in names or "braindump.yml" in names) and not _is_below(found, inside):
            raise StorageError(
                f"{str(top)!r} cannot be {what}: another run is in it, {str(inside)!r}",
                hint=f"pegasus-submitdir move {quote(str(inside))} DESTINATION",
            )
        if inside == top:
            folders[:] = [name for name in folders if name != found.directory.catalogs.name]


def _is_below(found: OpenedRun, inside: Path) -> bool:
    """Return whether a submit directory is that of a sub-workflow of a run."""
    try:
        inner = read_braindump(SubmitDir(inside).braindump)
    except MarkabError:
        return False
    root = found.braindump.get("wf_uuid")
    return inner.get("root_wf_uuid") == root != inner.get("wf_uuid")


def _refuse_results_inside(found: OpenedRun, what: str, with_scratch: bool = True) -> None:
    if found.is_packed:
        return  # it was looked at when it was packed
    top = found.directory.path
    plan = PlanFile(found.directory.plan)
    header = plan.header
    plan.close()
    places = [site.scratch.path for site in header.sites.values() if site.scratch and site.scratch.is_local]
    for place in (*(places if with_scratch else ()), *header.outputs.values()):
        held = Path(place.removeprefix("file://"))
        if held.is_absolute() and top in (held, *held.parents) and held.is_dir() and any(held.iterdir()):
            raise StorageError(
                f"{str(top)!r} cannot be {what}: results or scratch files of the run are in it, {str(held)!r}",
                hint="move what is wanted of them elsewhere, and remove that directory",
            )


def _bring_up_to_date(directory: SubmitDir) -> None:
    """Bring the database up to date, which stays when the journal is packed."""
    from markab.provenance.update import RunUpdater

    if error := RunUpdater(directory.path).update().error:
        raise StorageError(error)


def _enter(found: OpenedRun, *, is_archived: bool) -> str:
    """Enter a run into the list of all runs; an error there stops nothing, and is returned."""
    from markab.provenance.run_places import enter

    try:
        return enter(found.directory, found.braindump, is_archived=is_archived)
    except MarkabError as error:
        return f"the list of all your runs was not updated: {error}"


def _new_place(source: Path, destination: Path) -> Path:
    target = destination.resolve()
    if target.is_dir():
        if (target / PLAN).exists() or (target / "braindump.yml").exists():
            raise StorageError(f"{str(target)!r} is a submit directory", hint="name another directory")
        target /= source.name
    if os.path.lexists(target):
        raise StorageError(f"{str(target)!r} exists already", hint="name another directory")
    if source == target.parent or source in target.parents:
        raise StorageError(f"{str(target)!r} is inside of what is moved", hint="name another directory")
    return target


def _rename(source: Path, target: Path) -> None:
    """Move a directory at once: a kill leaves it here or there."""
    from markab.plan.atomic_file import flush_directory

    try:
        os.rename(source, target)
        for parent in (target.parent, source.parent):
            flush_directory(parent)
    except OSError as error:
        hint = "make the directory above it, or name another one"
        if error.errno == errno.EXDEV:
            old, new = quote(str(source)), quote(str(target))
            hint = (
                f"it is on another disk: cp -a {old} {new} && pegasus-submitdir delete {old} && "
                f"pegasus-submitdir attach {new}"
            )
        raise StorageError(
            f"cannot move {str(source)!r} to {str(target)!r}: {error.strerror}", hint=hint
        ) from error
