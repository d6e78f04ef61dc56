"""Running one attempt on a node: its tasks are children of the worker, which prepares before them and finishes after."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from typing import Any, Dict, List, Tuple

from markab.transfers.checksum import Verified
from markab.worker.attempt import Prepared, inherited_environ
from markab.worker.attempt_spec import Spec
from markab.worker.auxiliary_jobs import run_auxiliary_job
from markab.worker.captured_output import Capture
from markab.worker.deadlines import Deadlines
from markab.worker.exit_judgement import stop_reason
from markab.worker.failure import AttemptFailed
from markab.worker.finish import finish
from markab.worker.invocation import Process, next_series, open_streams, record_end, record_failed_start
from markab.worker.leftover_processes import end_leftovers
from markab.worker.oom_kills import OomKills
from markab.worker.prepare import prepare
from markab.worker.record import Record
from markab.worker.steady_time import steady_time

_LONGEST_PAUSE_S = 0.05


def run(spec: Spec, stop: threading.Event, adopts: bool = False) -> Record:
    """Run the attempt of `spec` (see attempt_spec.py) and return its record; setting `stop` cancels it.

    Args:
        adopts: orphans become children of this process (`leftover_processes.py`), which has none but the
            tasks; all are ended with the last task.
    """
    verified = Verified()
    if spec["job"]["kind"] != "compute":
        return run_auxiliary_job(spec, stop, verified)
    prepared = prepare(spec, verified, inherited_environ(os.environ), stop)
    job = spec["job"]
    directory = tempfile.gettempdir()
    out, err = Capture(directory), Capture(directory)
    deadlines = Deadlines(
        time.monotonic(),
        job.get("checkpoint_s", 0.0),
        job.get("max_wall_s", 0.0),
        checkpoint_grace_s=job.get("checkpoint_grace_s", 0.0),
    )
    running: Dict[int, Process] = {}
    oom_kills = OomKills()
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        while True:
            for series in iter(lambda: next_series(prepared, 1), []):
                _start(prepared, series[0], (null, out.fd, err.fd), running)
            if not running:
                break
            pid, status, usage = _wait(running, deadlines, stop)
            process = running.pop(pid)
            why = stop_reason(process.task["id"], deadlines, job)
            record_end(prepared, process, pid, status, usage, steady_time() - process.start, why, oom_kills)
    finally:
        os.close(null)
    if adopts:
        end_leftovers()
    return finish(prepared, out, err)


def _start(
    prepared: Prepared, process: Process, fallback: Tuple[int, int, int], running: Dict[int, Process]
) -> None:
    opened: List[int] = []
    try:
        streams, opened = open_streams(process, fallback)
        child = subprocess.Popen(
            process.argv,
            cwd=process.cwd,
            env=process.environ(),
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            start_new_session=True,
        )
    except (OSError, AttemptFailed) as error:
        record_failed_start(prepared, process, error)
        return
    finally:
        for fd in opened:
            os.close(fd)
    child.returncode = 0  # it is waited for here, not by Popen
    running[child.pid] = process


def _wait(running: Dict[int, Process], deadlines: Deadlines, stop: threading.Event) -> Tuple[int, int, Any]:
    """Wait for one of several processes, sending their groups the signals that are due; then kill the rest of its group."""
    pause_s = 0.001
    while True:
        if stop.is_set():
            deadlines.cancel(time.monotonic())
        due = deadlines.due(time.monotonic())
        if due is not None:
            for pid in running:
                _signal_group(pid, due)
        for pid in running:
            # Not reaped yet: the number of the group is not used again before the rest is killed.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                _signal_group(pid, signal.SIGKILL)
                return os.wait4(pid, 0)
        stop.wait(pause_s) if not stop.is_set() else time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has just ended
