"""The jobs that Markab does itself: directories, transfers, cleanup, registration.

They run in the engine's own process where that is near enough to the files, or on a
node; each returns a record, whatever happens, and may be done again from any point.
"""

import os
import stat
import time
from typing import Any, Callable, Dict, List, Optional

from markab.errors import MarkabError
from markab.transfers.base import Stop, is_local, path_of
from markab.transfers.checksum import Verified
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt_directories import remove_tree
from markab.worker.attempt_spec import Spec, place_of
from markab.worker.failure import AttemptError, arrived_and_failed, storage_error, transfer_error
from markab.worker.record import HOST, Record, checked_entry, make_record

Facts = Dict[str, Any]
"""What a job adds to its record."""

MARKER = ".markab"
"""File in a run's scratch that says whose it is: uuid, submit directory and host of the run, a line each.

Only such a directory is ever removed as a whole, and no other run works in it.
"""


def run_auxiliary_job(spec: Spec, stop: Stop = None, verified: Optional[Verified] = None) -> Record:
    """Run the job of `spec` (see attempt_spec.py) and return its record, which also says what is wrong."""
    start = time.time()
    job = spec["job"]
    found: Facts = {}
    errors: List[AttemptError] = []
    try:
        work = _JOBS.get(job["kind"])
        if work is None:
            raise AttemptError(ErrorKind.INTERNAL, "the worker does not run jobs of kind '%s'" % job["kind"])
        work(spec, found, errors, stop, verified or Verified())
    except AttemptError as error:
        errors.append(error)
    except MarkabError as error:
        errors.append(transfer_error(error))
    except OSError as error:
        where = " at '%s'" % error.filename if error.filename else ""
        errors.append(storage_error("job '%s' failed%s" % (job["id"], where), error))
    return dict(make_record(start, errors), **found)


def _create_dir(spec: Spec, found: Facts, errors: List[AttemptError], stop: Stop, verified: Verified) -> None:
    scratch = spec["scratch"]
    try:
        os.makedirs(scratch, exist_ok=True)
        marker = os.path.join(scratch, MARKER)
        owner = _owner(scratch)
        if owner and owner[0] != spec["uuid"] and not _is_over(owner):
            raise AttemptError(
                ErrorKind.STORAGE,
                "the scratch directory '%s' is that of another run%s, whose files would mix with this one's"
                % (scratch, ", in '%s'" % owner[1] if len(owner) > 1 else ""),
                "plan this one with --randomdir; or, if nobody needs what is in there: rm -r '%s'" % scratch,
            )
        if not owner or owner[0] != spec["uuid"]:
            with open(marker + ".part", "w", encoding="utf-8") as file:
                file.write("%s\n%s\n%s\n" % (spec["uuid"], spec["submit_dir"], HOST))
            os.rename(marker + ".part", marker)
    except OSError as error:
        raise storage_error("cannot make the scratch directory '%s'" % scratch, error) from error


def _owner(scratch: str) -> List[str]:
    """Return uuid, submit directory and host of the run that a scratch is of; nothing if it is nobody's."""
    try:
        with open(os.path.join(scratch, MARKER), encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _is_over(owner: List[str]) -> bool:
    """Say whether nobody can want what is in a run's scratch: its plan is gone.

    That it has succeeded is not enough: what it left there then are its results.
    """
    return len(owner) > 2 and owner[2] == HOST and not os.path.exists(os.path.join(owner[1], "plan.jsonl"))


def _transfer(spec: Spec, found: Facts, errors: List[AttemptError], stop: Stop, verified: Verified) -> None:
    from markab.transfers.batch import move_all

    integrity = spec["integrity"]
    items = []
    for item in spec["job"].get("transfers") or ():
        if item.get("optional") and _is_nowhere(item):
            continue
        sha256 = spec["checksums"].get(item["lfn"])
        items.append(dict(item, sha256=sha256) if sha256 else item)
    moved = move_all(
        items,
        spec["transfer_threads"],
        spec["transfer_attempts"],
        stop,
        True,
        verified if integrity != "none" else None,
        durable=spec["job"]["kind"] == "stage_out",
        verify_links=integrity != "nosymlink",
    )
    arrived, failed = arrived_and_failed(moved)
    errors.extend(failed)
    if arrived:
        found["transfers"] = arrived
    if integrity != "none":
        expected = {item["lfn"] for item in items if item.get("sha256")}
        sound = sum(
            item["lfn"] in expected and not ("link" in item and integrity == "nosymlink") for item in arrived
        )
        wrong = sum(error.kind == ErrorKind.CHECKSUM for error in failed)
        if sound or wrong:
            # What it took is part of moving: a file is hashed while it is copied.
            found["checked"] = checked_entry(sound + wrong, wrong, 0.0)


def _is_nowhere(item: Dict[str, Any]) -> bool:
    """Say whether nobody has made the file: all its sources are paths where nothing is."""
    urls = [source["url"] for source in item["sources"]]
    return all(is_local(url) and not os.path.lexists(path_of(url)) for url in urls)


def _cleanup(spec: Spec, found: Facts, errors: List[AttemptError], stop: Stop, verified: Verified) -> None:
    job = spec["job"]
    scratch = spec["scratch"]
    if job.get("removes_scratch"):
        found["removed"] = _remove_scratch(scratch, spec["uuid"])
        return
    inside = os.path.realpath(scratch)
    parents = set()
    removed = 0
    for lfn in job.get("removes") or ():
        path = place_of(scratch, lfn)
        folder = os.path.realpath(os.path.dirname(path))
        if folder != inside and not folder.startswith(inside + "/"):
            errors.append(
                AttemptError(
                    ErrorKind.STORAGE,
                    "'%s' is outside of the run's scratch '%s': not removed" % (path, scratch),
                )
            )
            continue
        try:
            os.unlink(os.path.join(folder, os.path.basename(path)))
            removed += 1
        except (FileNotFoundError, NotADirectoryError):
            pass  # an earlier attempt removed it
        except OSError as error:
            errors.append(storage_error("cannot remove '%s'" % path, error))
        parents.add(folder)
    for folder in sorted(parents, key=len, reverse=True):
        _remove_empty(folder, inside)
    found["removed"] = removed


def _remove_empty(folder: str, inside: str) -> None:
    while folder.startswith(inside + "/"):
        try:
            os.rmdir(folder)
        except OSError:
            return  # not empty, or somebody else's by now
        folder = os.path.dirname(folder)


def _remove_scratch(scratch: str, uuid: str) -> int:
    """Remove the run's whole scratch directory; return the number of entries that were in it, and itself.

    The marker goes last, so that an interrupted removal can go on.
    """
    if not os.path.lexists(scratch):
        return 0
    if os.path.islink(scratch) or _owner(scratch)[:1] != [uuid]:
        raise AttemptError(
            ErrorKind.STORAGE,
            "'%s' is not removed: it has no file '%s' that says it is the scratch of run %s"
            % (scratch, MARKER, uuid),
            "remove it by hand if it is not needed",
        )
    removed = 2
    with os.scandir(scratch) as entries:
        names = [entry.name for entry in entries if entry.name != MARKER]
    for name in names:
        path = os.path.join(scratch, name)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            removed += sum(len(folders) + len(files) for _, folders, files in os.walk(path))
            remove_tree(path)
            if os.path.lexists(path):
                raise AttemptError(
                    ErrorKind.STORAGE,
                    "'%s' cannot be removed, or not all that is in it" % path,
                    "see whose it is: ls -lR '%s'; remove it by hand" % path,
                )
        else:
            os.unlink(path)
        removed += 1
    os.unlink(os.path.join(scratch, MARKER))
    os.rmdir(scratch)
    return removed


def _register(spec: Spec, found: Facts, errors: List[AttemptError], stop: Stop, verified: Verified) -> None:
    from markab.worker.replica_registration import register

    catalog = spec["catalog"]
    if not catalog:
        raise AttemptError(
            ErrorKind.INTERNAL, "job '%s' has no replica catalog to write to" % spec["job"]["id"]
        )
    register(catalog, spec["job"].get("registrations") or (), spec["checksums"])


_JOBS: Dict[str, Callable[[Spec, Facts, List[AttemptError], Stop, Verified], None]] = {
    "create_dir": _create_dir,
    "stage_in": _transfer,
    "stage_out": _transfer,
    "stage_inter": _transfer,
    "cleanup": _cleanup,
    "register": _register,
}

_QUICK_FILES = 8


def is_quick(spec: Spec, quick_bytes: int) -> bool:
    """Say whether an auxiliary job is done in about a millisecond, so that waiting for it costs less than a thread."""
    job = spec["job"]
    if job["kind"] in ("create_dir", "cleanup"):
        return (
            bool(spec["scratch"]) and not job.get("removes_scratch") and len(job.get("removes") or ()) <= 100
        )
    transfers = job.get("transfers")
    if job["kind"] == "stage_out":
        return False  # what is delivered is flushed to the disk, and that takes as long as the disk likes
    if not transfers or len(transfers) > _QUICK_FILES:
        return False
    total = 0
    for item in transfers:
        places = item["sources"] + item["destinations"]
        if not all(is_local(place["url"]) for place in places):
            return False
        try:
            total += os.stat(path_of(item["sources"][0]["url"])).st_size
        except (OSError, MarkabError):
            return False  # it is tried several times, with pauses
    return total <= quick_bytes
