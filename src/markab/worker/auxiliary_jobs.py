"""The jobs that the worker itself carries out: directories, transfers, cleanup, registration.

They run in the engine's own process if it has access to the files, or on a
node; each returns a record in every case, and may be repeated after an interruption at any point.
"""

import os
from typing import Any, Callable, Dict, List, Optional

from markab.errors import MarkabError
from markab.transfers.base import Stop, is_local, path_of
from markab.transfers.beneath import Beneath
from markab.transfers.checksum import Verified
from markab.transfers.content_links import keep_content
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.tree_names import is_tree
from markab.worker.attempt_spec import Spec, fill_in_passwords
from markab.worker.container_images import unload_images
from markab.worker.failure import AttemptFailed, arrived_and_failed, storage_error, transfer_error
from markab.worker.found_files import find_in_place
from markab.worker.record import Record, checked_entry, make_record
from markab.worker.scratch_directory import clean_scratch, create_scratch, remove_scratch
from markab.worker.steady_time import steady_time

Facts = Dict[str, Any]
"""What a job adds to its record."""


def run_auxiliary_job(spec: Spec, stop: Stop = None, verified: Optional[Verified] = None) -> Record:
    """Run the job of `spec` (see attempt_spec.py) and return its record, which has the errors too."""
    start = steady_time()
    job = spec["job"]
    facts: Facts = {}
    errors: List[AttemptFailed] = []
    try:
        run_job = _JOBS.get(job["kind"])
        if run_job is None:
            raise AttemptFailed(ErrorKind.INTERNAL, "the worker does not run jobs of kind '%s'" % job["kind"])
        fill_in_passwords(spec)
        run_job(spec, facts, errors, stop, verified or Verified())
    except AttemptFailed as error:
        errors.append(error)
    except MarkabError as error:
        errors.append(transfer_error(error))
    except OSError as error:
        where = " at '%s'" % error.filename if error.filename else ""
        errors.append(storage_error("job '%s' failed%s" % (job["id"], where), error))
    if spec["incomplete"]:
        errors.append(AttemptFailed(ErrorKind.INCOMPLETE, spec["incomplete"]))
    record = make_record(start, errors)
    record.update(facts)
    return record


def _create_dir(
    spec: Spec, facts: Facts, errors: List[AttemptFailed], stop: Stop, verified: Verified
) -> None:
    create_scratch(spec, stop)


def _transfer(spec: Spec, facts: Facts, errors: List[AttemptFailed], stop: Stop, verified: Verified) -> None:
    from markab.transfers.batch import move_all

    integrity = spec["integrity"]
    checked = verified if integrity != "none" else None
    items = []
    found = []
    for item in spec["job"].get("transfers") or ():
        if item.get("optional") and _is_absent(item):
            continue
        sha256 = spec["checksums"].get(item["lfn"])
        item = dict(item, sha256=sha256) if sha256 else item
        in_place = find_in_place(spec, item, checked, stop) if spec["attempt"] > 1 else None
        if in_place:
            found.append(in_place)
        else:
            items.append(item)
    moved = move_all(
        items,
        spec["transfer_threads"],
        spec["transfer_attempts"],
        stop,
        True,
        checked,
        durable=spec["job"]["kind"] == "stage_out",
        verify_links=integrity != "nosymlink",
        own=_own_directories(spec),
    )
    arrived, failed = arrived_and_failed(moved)
    # The first error decides whether the job is tried again: one that may go away comes before those that will not.
    errors.extend(sorted(failed, key=lambda error: error.kind == ErrorKind.REFUSED))
    if found or arrived:
        facts["transfers"] = found + arrived
    if integrity != "none":
        expected = {item["lfn"] for item in items if item.get("sha256")}
        sound = sum(
            item["lfn"] in expected and not ("link" in item and integrity == "nosymlink") for item in arrived
        )
        wrong = sum(error.kind == ErrorKind.CHECKSUM for error in failed)
        if sound or wrong:
            # 0 s: the time is part of moving, as a file is hashed while it is copied.
            facts["checked"] = checked_entry(sound + wrong, wrong, 0.0)


def _own_directories(spec: Spec) -> List[str]:
    """Return the directories on this machine in which the job's files stand under their lfns: scratch directories of the run."""
    job = spec["job"]
    paths = {spec["scratch"]} if spec["scratch"] else set()
    if job["kind"] == "stage_inter":
        for item in job.get("transfers") or ():
            for place in item["sources"]:
                path = path_of(place["url"]) if is_local(place["url"]) else ""
                if path.endswith("/" + item["lfn"]):
                    paths.add(path[: -len(item["lfn"]) - 1])
    return sorted(paths)


def _is_absent(item: Dict[str, Any]) -> bool:
    """Return whether the file was never made: all its sources are paths that do not exist."""
    urls = [source["url"] for source in item["sources"]]
    return all(is_local(url) and not os.path.lexists(path_of(url)) for url in urls)


def _cleanup(spec: Spec, facts: Facts, errors: List[AttemptFailed], stop: Stop, verified: Verified) -> None:
    job = spec["job"]
    _keep(spec)
    if job.get("unloads"):
        errors.extend(unload_images(spec["uuid"], job["unloads"], stop))
    if job.get("removes_scratch"):
        facts["removed"] = remove_scratch(spec, stop)
        return
    removed, failed = clean_scratch(spec, job.get("removes") or (), stop)
    facts["removed"] = removed
    errors.extend(failed)


def _keep(spec: Spec) -> None:
    """Keep what tasks made before it is removed: at once, as a second name, or not at all."""
    names, checksums = spec["job"].get("keeps") or (), spec["checksums"]
    if not (names and spec["store"] and spec["scratch"]):
        return
    try:
        scratch = Beneath(spec["scratch"])
    except OSError:
        return  # it is gone, or not as it was made: cleaning it up says so
    try:
        for lfn in names:
            if lfn in checksums:
                keep_content(spec["store"], checksums[lfn], lfn, scratch)
    finally:
        scratch.close()


def _register(spec: Spec, facts: Facts, errors: List[AttemptFailed], stop: Stop, verified: Verified) -> None:
    from markab.worker.replica_registration import register_elsewhere, register_replicas

    registrations = spec["job"].get("registrations") or ()
    if spec["catalog"]:
        register_replicas(spec["catalog"], registrations, spec["checksums"])
    else:
        register_elsewhere(spec["submit_dir"], registrations, spec["checksums"], stop)


def _do_nothing(
    spec: Spec, facts: Facts, errors: List[AttemptFailed], stop: Stop, verified: Verified
) -> None:
    pass


_JOBS: Dict[str, Callable[[Spec, Facts, List[AttemptFailed], Stop, Verified], None]] = {
    "create_dir": _create_dir,
    "stage_in": _transfer,
    "stage_out": _transfer,
    "stage_inter": _transfer,
    "cleanup": _cleanup,
    "register": _register,
    "noop": _do_nothing,
}

_QUICK_FILES = 8


def is_quick(spec: Spec, quick_bytes: int) -> bool:
    """Return whether an auxiliary job is done in about a millisecond, so that waiting for it costs less than a thread."""
    job = spec["job"]
    if job["kind"] in ("create_dir", "cleanup"):
        return (
            bool(spec["scratch"])
            and not job.get("removes_scratch")
            and not job.get("unloads")
            and len(job.get("removes") or ()) <= 100
        )
    transfers = job.get("transfers")
    if job["kind"] == "stage_out":
        return False  # what is delivered is flushed to the disk, and that takes as long as the disk needs
    if not transfers or len(transfers) > _QUICK_FILES:
        return False
    total = 0
    for item in transfers:
        if is_tree(item["lfn"]):
            return False
        for place in item["sources"] + item["destinations"]:
            if not is_local(place["url"]):
                return False
        try:
            total += os.stat(path_of(item["sources"][0]["url"])).st_size
        except (OSError, MarkabError):
            return False  # it is tried several times, with pauses
    return total <= quick_bytes
