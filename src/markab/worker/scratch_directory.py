"""The run's scratch directory: made, marked as the run's own, cleaned, and removed.

All of it goes through the scheme of the place, which is a path where the directory is mounted and
a URL elsewhere.
"""

import os
import tempfile
from typing import List, Sequence, Tuple

from markab.errors import MarkabError, TransferRefused, quoted
from markab.transfers.base import Stop, handler_for, is_local, name_of, path_of
from markab.transfers.beneath import Beneath
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.reserved_names import MARKER
from markab.transfers.scratch_owner import is_abandoned, owner_text, read_owner
from markab.transfers.tree_names import is_tree
from markab.worker.attempt_spec import Spec, scratch_of, scratch_place, staging_site
from markab.worker.declared_directories import remove_directories
from markab.worker.failure import AttemptFailed, storage_error, transfer_error
from markab.worker.record import HOST


def create_scratch(spec: Spec, stop: Stop) -> None:
    """Make the directory, and mark it as this run's; it may be so marked already.

    Raises:
        AttemptFailed: it belongs to another run, or cannot be made.
    """
    scratch, site = scratch_of(spec), staging_site(spec)
    name = name_of(scratch)
    try:
        handler_for(scratch).mkdir(scratch, stop=stop, site=site)
        owner = _read_owner(spec, stop)
        if owner and owner[0] != spec["uuid"] and not is_abandoned(owner, HOST):
            raise AttemptFailed(
                ErrorKind.STORAGE,
                "the scratch directory '%s' %s, and the files of both would mix"
                % (name, owner_text(owner, spec["submit_dir"])),
                "plan this one with --randomdir; or, if nothing in it is needed: rm -r %s" % quoted(name),
            )
        if not owner or owner[0] != spec["uuid"]:
            _write_owner(spec, stop)
    except (OSError, MarkabError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, OSError) and is_local(scratch):
            raise storage_error("cannot make the scratch directory '%s'" % name, cause) from error
        raise


def clean_scratch(spec: Spec, lfns: Sequence[str], stop: Stop) -> Tuple[int, List[AttemptFailed]]:
    """Remove files of the run; return the number removed, and the errors."""
    scratch = scratch_of(spec)
    removed, errors = handler_for(scratch).clean(scratch, lfns, stop=stop, site=staging_site(spec))
    if spec["scratch"] and any(map(is_tree, lfns)):
        _remove_unpacked(spec["scratch"], lfns)
    return removed, [transfer_error(error) for error in errors]


def _remove_unpacked(scratch: str, lfns: Sequence[str]) -> None:
    top = Beneath(scratch)
    try:
        remove_directories(top, lfns)
    finally:
        top.close()


def remove_scratch(spec: Spec, stop: Stop) -> int:
    """Remove the whole directory; return the number of entries that were in it, and itself.

    The marker is removed last, so that an interrupted removal can be continued. A directory without a marker
    that is empty is what is left of one that was interrupted after that.

    Raises:
        AttemptFailed: it is not marked as this run's, or not all of it can be removed.
    """
    scratch, site = scratch_of(spec), staging_site(spec)
    name = name_of(scratch)
    scheme = handler_for(scratch)
    is_link = is_local(scratch) and os.path.islink(path_of(scratch))
    if not is_link and scheme.exists(scratch, stop=stop, site=site) is False:
        return 0
    owner = [] if is_link else _read_owner(spec, stop)
    if not is_link and not owner and is_local(scratch) and _remove_emptied(path_of(scratch)):
        return 1
    if owner[:1] != [spec["uuid"]]:
        raise AttemptFailed(
            ErrorKind.STORAGE,
            "'%s' is not removed: it has no file '%s' that says it is the scratch of run %s"
            % (name, MARKER, spec["uuid"]),
            "remove it by hand if it is not needed",
        )
    try:
        return scheme.remove(scratch, recursive=True, stop=stop, site=site, last=MARKER)
    except TransferRefused as error:
        raise AttemptFailed(
            ErrorKind.STORAGE,
            "'%s' cannot be removed, or not all that is in it: %s" % (name, error),
            "check its owner: ls -lR %s; remove it by hand" % quoted(name),
        ) from error


def _remove_emptied(path: str) -> bool:
    """Remove a directory if it is empty; return whether it was."""
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def _read_owner(spec: Spec, stop: Stop) -> List[str]:
    """Return uuid, submit directory and host of the run that owns a scratch; nothing if it has no marker."""
    marker = scratch_place(spec, MARKER)
    if is_local(marker):
        return read_owner(path_of(scratch_of(spec)))
    with tempfile.TemporaryDirectory(prefix="markab-") as folder:
        path = os.path.join(folder, MARKER)
        try:
            handler_for(marker).get(marker, path, stop=stop, durable=False, site=staging_site(spec))
        except TransferRefused:
            return []
        return read_owner(folder)


def _write_owner(spec: Spec, stop: Stop) -> None:
    marker = scratch_place(spec, MARKER)
    text = "%s\n%s\n%s\n" % (spec["uuid"], spec["submit_dir"], HOST)
    if is_local(marker):
        scratch = Beneath(os.path.dirname(path_of(marker)))
        try:
            _write(scratch, MARKER, text)
        finally:
            scratch.close()
        return
    with tempfile.TemporaryDirectory(prefix="markab-") as folder:
        path = os.path.join(folder, MARKER)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        handler_for(marker).put(path, marker, stop=stop, durable=False, site=staging_site(spec))


def _write(directory: Beneath, name: str, text: str) -> None:
    """Write a file, whatever has its name and its temporary name now."""
    part = name + ".part"
    try:
        directory.unlink(part)
    except FileNotFoundError:
        pass
    with open(directory.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w", encoding="utf-8") as file:
        file.write(text)
    directory.move(part, directory, name)
