"""Judge an attempt of a compute job, put its outputs in place, and write its record.

No error hides another: an exit code, a failure message and five missing outputs are all in the
record. Outputs appear in the run's scratch only when the attempt succeeded; checkpoints, and what
was made by tasks that need not run again, appear there also when it failed.
"""

import os
import signal
from typing import Any, Dict, List, Optional

from markab.transfers.base import Stop
from markab.transfers.beneath import Beneath
from markab.transfers.container_tool import DOCKER
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared
from markab.worker.attempt_spec import captured_name
from markab.worker.captured_output import Capture, describe_stream, end_of_text
from markab.worker.container_command import is_removable
from markab.worker.container_exit import container_error
from markab.worker.container_images import container_entries
from markab.worker.container_removal import out_of_memory_in, remove_containers
from markab.worker.done_tasks import done_tasks, made_by
from markab.worker.exit_judgement import judge_disk, judge_inputs, judge_messages
from markab.worker.failure import AttemptFailed, storage_error
from markab.worker.fence import take
from markab.worker.job_scripts import exit_value
from markab.worker.outputs import FoundOutput, find_outputs, names_in, place_outputs, undeclared_files
from markab.worker.record import HOST, Record, checked_entry, hashed_entry, make_record
from markab.worker.steady_time import steady_time

_KILLED = 128 + signal.SIGKILL
"""The exit code of a container's command whose program was ended by SIGKILL."""
LOG_SUFFIXES = (".log", ".out", ".err")
"""How the names of logs among the outputs of a job end."""


def finish(prepared: Prepared, out: Optional[Capture], err: Optional[Capture], stop: Stop = None) -> Record:
    """Return the record of an attempt whose last process has ended; its own directory is removed, or kept if asked for.

    To be called once for everything that `prepare` returned. Never raises for what is wrong
    with the attempt.

    Args:
        out, err: what the tasks printed. None: no task can have printed anything.
    """
    _judge_memory_of_containers(prepared)
    prepared.errors.extend(_remove_containers(prepared))
    found: List[FoundOutput] = []
    if prepared.invocations:
        _judge_containers(prepared, err)
        judge_messages(prepared, out, err)
        judge_inputs(prepared)
        found = find_outputs(prepared, stop)
        if prepared.errors:
            judge_disk(prepared)
    done = done_tasks(prepared, found) if prepared.errors else []
    kept = made_by(done)
    wanted = [output for output in found if output.is_checkpoint or not prepared.errors or output.lfn in kept]
    if wanted and not _passes_fence(prepared):
        wanted = []
    placed = place_outputs(prepared, wanted, stop) if wanted else []
    if not kept.issubset(output.lfn for output in placed):
        done = []
    printed = _describe_streams(prepared, out, err)
    logs = _read_logs(prepared) if prepared.errors else []
    if logs:
        printed["logs"] = logs
    if prepared.directory is not None:
        if prepared.has_directory:
            names = names_in(prepared.directory)
            undeclared = undeclared_files(prepared, names, found) if prepared.invocations else []
            if undeclared:
                printed["undeclared"] = undeclared
            if _is_kept(prepared):
                printed["kept"] = True
                prepared.directory.close()
            else:
                reusable = names == [] and not prepared.leftovers
                prepared.directories.remove(prepared.directory, prepared.cwd, reusable)
        else:
            prepared.directory.close()
    record = _describe(prepared, placed)
    if done:
        record["done"] = done
    record.update(printed)
    record["end"] = steady_time()
    return record


def _passes_fence(prepared: Prepared) -> bool:
    """Return whether outputs may be put in place; if not, an error says why."""
    path = prepared.spec["fence"]
    try:
        if not path or take(path, "%s %d\n" % (HOST, os.getpid())):
            return True
        prepared.errors.append(
            AttemptFailed(ErrorKind.LOST, "it was given up before its outputs were in place")
        )
    except OSError as error:
        prepared.errors.append(storage_error("cannot make the file '%s'" % path, error))
    return False


def _judge_memory_of_containers(prepared: Prepared) -> None:
    """Find out whether memory ran out in a container of a task that failed; that then comes first in `errors`."""
    killed = [one["task"] for one in prepared.invocations if one["status"] >> 8 == _KILLED]
    bounded = [
        task for task in prepared.job.get("tasks") or () if task["id"] in killed and is_removable(task)
    ]
    if not bounded or not prepared.bounded_containers:
        return
    tool = prepared.containers[bounded[0]["container"]["name"]].tool
    if out_of_memory_in(prepared.bounded_containers, tool.path):
        message = "task '%s' was killed in container '%s', because the memory of that ran out"
        hint = "give the container more with --memory in its arguments, or ask for more with the profile pegasus.memory"
        names = bounded[0]["id"], bounded[0]["container"]["name"]
        prepared.errors.insert(0, AttemptFailed(ErrorKind.MEMORY, message % names, hint))


def _remove_containers(prepared: Prepared) -> List[AttemptFailed]:
    """Remove the containers that may still be there; return what went wrong."""
    names = prepared.left_containers
    if not names:
        return []
    programs = {
        ready.tool.path for ready in prepared.containers.values() if ready.container["type"] == DOCKER
    }
    return [error for program in programs for error in remove_containers(names, program)]


def _judge_containers(prepared: Prepared, err: Optional[Capture]) -> None:
    """Find out of failed tasks whether it was their container that did not start; that then comes first in `errors`."""
    tasks = {task["id"]: task for task in prepared.job.get("tasks") or () if is_removable(task)}
    for entry in prepared.invocations if tasks and prepared.errors else ():
        task, status = tasks.get(entry["task"]), entry["status"]
        if task is None or status <= 0 or not os.WIFEXITED(status):
            continue
        printed = _end_of_stderr(prepared, task, err)
        error = container_error(task["id"], task["container"]["name"], os.WEXITSTATUS(status), printed)
        if error is not None:
            prepared.errors.insert(0, error)


def _end_of_stderr(prepared: Prepared, task: Dict[str, Any], err: Optional[Capture]) -> str:
    name = task.get("stderr")
    if not name:
        return end_of_text(err.fd)["text"] if err is not None else ""
    assert prepared.directory is not None, "its task was started"
    try:
        fd = prepared.directory.open(name)
    except OSError:
        return ""  # the task removed it
    try:
        return str(end_of_text(fd)["text"])
    finally:
        os.close(fd)


def _is_kept(prepared: Prepared) -> bool:
    """Return whether the directory stays, also on a full disk: until the job is tried again."""
    errors = prepared.errors
    return bool(prepared.spec["keep_failed"] and errors and errors[0].kind != ErrorKind.CANCELLED)


def _describe(prepared: Prepared, placed: List[FoundOutput]) -> Record:
    record = make_record(prepared.start, prepared.errors, prepared.cwd)
    if prepared.invocations:
        record["invocations"] = prepared.invocations
    if prepared.containers:
        record["containers"] = container_entries(prepared)
    record.update(prepared.scripts.done)
    abort = prepared.job.get("abort")
    if abort and abort["on"] == exit_value(prepared.scripts, prepared.invocations):
        record["ends_run"] = abort["on"] if abort.get("exit_code") is None else abort["exit_code"]
    if prepared.checked:
        failed = sum(error.kind == ErrorKind.CHECKSUM for error in prepared.errors)
        record["checked"] = checked_entry(prepared.checked, failed, prepared.checked_s)
    if placed:
        record["outputs"] = [output.entry() for output in placed]
        hashed = sum(output.sha256 is not None for output in placed)
        if hashed:
            record["hashed"] = hashed_entry(hashed, prepared.hashed_s)
    if prepared.transfers:
        record["transfers"] = prepared.transfers
    if prepared.environments:
        record["environments"] = prepared.environments
    return record


def _describe_streams(prepared: Prepared, out: Optional[Capture], err: Optional[Capture]) -> Record:
    """Return what a record has of the output of the tasks.

    What went to a declared file is not captured; of a failed attempt, which delivers no file, it is kept all the same.
    """
    described: Record = {}
    for stream, capture, number in (("stdout", out, 1), ("stderr", err, 2)):
        if capture is not None and capture.size():
            described.update(_describe_stream(prepared, stream, capture.fd))
        elif prepared.errors and prepared.directory is not None:
            fd = _open_redirected(prepared, prepared.directory, number)
            if fd >= 0:
                try:
                    described.update(_describe_stream(prepared, stream, fd))
                finally:
                    os.close(fd)
    return described


def _describe_stream(prepared: Prepared, stream: str, fd: int) -> Record:
    spec = prepared.spec
    name = captured_name(spec["job"]["id"], stream[3:], spec["attempt"])
    return describe_stream(stream, fd, spec["attachments"], name)


def _read_logs(prepared: Prepared) -> List[Dict[str, Any]]:
    """Return the ends of the logs that the job declared as outputs: those of a failed attempt are not delivered."""
    streams = {
        task.get(stream) for task in prepared.job.get("tasks") or () for stream in ("stdout", "stderr")
    }
    logs = []
    for output in prepared.job.get("outputs") or ():
        lfn = output["lfn"]
        if not lfn.endswith(LOG_SUFFIXES) or lfn in streams or prepared.directory is None:
            continue
        try:
            fd = prepared.directory.open(lfn)
        except OSError:
            continue  # the task did not come so far
        try:
            logs.append(dict(end_of_text(fd), lfn=lfn))
        finally:
            os.close(fd)
    return logs


def _open_redirected(prepared: Prepared, directory: Beneath, number: int) -> int:
    """Open the file to which the task that failed first, else the last one, sent its stdout (1) or stderr (2); -1: there is none."""
    entries = [entry for entry in prepared.invocations if entry["status"]] or prepared.invocations[-1:]
    ran = entries[0]["task"] if entries else None
    task: Dict[str, Any] = next((task for task in prepared.job.get("tasks") or () if task["id"] == ran), {})
    name = task.get(("", "stdout", "stderr")[number])
    if not name or (number == 2 and name == task.get("stdout")):
        return -1
    try:
        return directory.open(name)
    except OSError:
        return -1  # it was never made, or the task removed it
