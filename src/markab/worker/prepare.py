"""Make everything ready for an attempt of a compute job: its directory, its inputs, its environment.

With the data configurations `condorio` and `nonsharedfs` an attempt has a directory of its
own that holds exactly the declared inputs; with `sharedfs` it runs in `scratch` itself.
"""

from typing import Mapping, Optional

from markab.errors import MarkabError
from markab.transfers.base import Stop
from markab.transfers.beneath import Beneath
from markab.transfers.checksum import Verified
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.own_directories import NOT_AS_MADE, open_own, why_not_as_made
from markab.worker.attempt import Prepared
from markab.worker.attempt_directories import AttemptDirectories, discard_tree
from markab.worker.attempt_spec import Spec, attempt_directory, fill_in_passwords, place_of
from markab.worker.container_images import ready_containers
from markab.worker.declared_directories import remove_directories
from markab.worker.failure import AttemptFailed, storage_error, transfer_error
from markab.worker.inputs import Fetch, place_inputs
from markab.worker.software_environment import Environments, task_environ


def prepare(
    spec: Spec,
    verified: Verified,
    base_environ: Mapping[str, str],
    stop: Stop = None,
    directories: Optional[AttemptDirectories] = None,
    fetch: Optional[Fetch] = None,
    environments: Optional[Environments] = None,
) -> Prepared:
    """Make the directory of an attempt and put its inputs there, all of them verified.

    Never raises for what is wrong with the attempt: then the result has `errors`, no
    task may be started, and `finish` is still to be called.

    Args:
        directories: where directories of attempts come from. None: it is made, and removed at the end.
        environments: software environments that were found before.
        fetch: moves files from URLs, as `markab.transfers.batch.move_all` does (the default).
    """
    prepared = Prepared(spec, verified, base_environ, directories or AttemptDirectories())
    try:
        fill_in_passwords(spec)
        if prepared.has_directory:
            if spec["attempt"] > 1:
                discard_tree(attempt_directory(spec, 1))  # it may have been kept
            prepared.directory = prepared.directories.make(prepared.cwd)
        else:
            prepared.directory = _open_scratch(prepared)
            _remove_leftovers(prepared, prepared.directory)
        place_inputs(prepared, stop, fetch)
        if spec["environments"]:
            _use_environments(prepared, environments or Environments(base_environ), stop)
        _make_parents(prepared, prepared.directory)
        if not prepared.errors:
            ready_containers(prepared, stop)
    except AttemptFailed as error:
        prepared.errors.append(error)
    except OSError as error:
        prepared.errors.append(storage_error("cannot prepare directory '%s'" % prepared.cwd, error))
    except MarkabError as error:
        prepared.errors.append(transfer_error(error))
    return prepared


def _use_environments(prepared: Prepared, environments: Environments, stop: Stop) -> None:
    variables = {}
    for name, definition in prepared.spec["environments"].items():
        variables[name], entry = environments.use(name, definition, stop)
        prepared.environments.append(entry)
    for task in prepared.job.get("tasks") or ():
        name = task.get("environment")
        if name:
            task["env"] = task_environ(variables[name], task.get("env") or {})


def _open_scratch(prepared: Prepared) -> Beneath:
    if not prepared.cwd:
        raise AttemptFailed(
            ErrorKind.INTERNAL,
            "job '%s' runs in the scratch directory, which is not mounted at site '%s'"
            % (prepared.job["id"], prepared.job["site"]),
            "plan with --data-configuration nonsharedfs",
        )
    return open_own(prepared.cwd)


def _remove_leftovers(prepared: Prepared, scratch: Beneath) -> None:
    """Remove declared outputs that a failed attempt left in the shared directory, but not its checkpoints."""
    inputs = {item["lfn"] for item in prepared.job.get("inputs") or ()}
    for output in prepared.job.get("outputs") or ():
        if output.get("checkpoint") or output["lfn"] in inputs:
            continue
        path = place_of(prepared.cwd, output["lfn"])
        try:
            scratch.unlink(output["lfn"])
        except (FileNotFoundError, IsADirectoryError):
            pass
        except OSError as error:
            if error.errno in NOT_AS_MADE:
                raise why_not_as_made(prepared.cwd, output["lfn"]) or error from error
            raise storage_error("cannot remove the old '%s'" % path, error) from error
        remove_directories(scratch, [output["lfn"]])


def _make_parents(prepared: Prepared, directory: Beneath) -> None:
    for output in prepared.job.get("outputs") or ():
        folder, slash, _ = output["lfn"].rpartition("/")
        if slash:
            directory.make_directory(folder)
