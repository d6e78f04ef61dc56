"""Run one attempt on a node: `python -m markab.worker SPEC.json [-o RECORD.json]`.

The record goes to the file, or to stdout. Exit code 0 means that the attempt succeeded,
1 that it failed and the record says why, 2 that the command line or the spec is wrong.
SIGTERM ends the task, puts its checkpoints in place, and is in the record.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from markab.transfers.checksum import Verified
from markab.worker.attempt import Prepared, inherited_environ
from markab.worker.attempt_spec import Spec, read_spec
from markab.worker.auxiliary_jobs import run_auxiliary_job
from markab.worker.captured_output import Capture
from markab.worker.deadlines import Deadlines
from markab.worker.exit_judgement import stop_reason
from markab.worker.failure import AttemptFailed
from markab.worker.finish import finish
from markab.worker.invocation import Process, next_series, open_streams, record_end, record_failed_start
from markab.worker.oom_kills import OomKills
from markab.worker.prepare import prepare
from markab.worker.record import Record
from markab.worker.steady_time import steady_time

_LONGEST_PAUSE_S = 0.05


def run(spec: Spec, stop: threading.Event) -> Record:
    """Run the attempt of `spec` (see attempt_spec.py) and return its record; setting `stop` cancels it."""
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


def main(arguments: Optional[List[str]] = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="markab.worker", description="Run one attempt of a job.")
    parser.add_argument("spec", metavar="SPEC.json", help="what to run")
    parser.add_argument(
        "-o", metavar="RECORD.json", dest="output", help="where the record goes (default: stdout)"
    )
    options = parser.parse_args(arguments)
    try:
        spec = read_spec(options.spec)
    except (OSError, ValueError) as error:
        print("error: cannot read the spec '%s': %s" % (options.spec, error), file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    record = run(spec, stop)
    text = json.dumps(record)
    if not options.output:
        print(text)
    else:
        with open(options.output + ".part", "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.rename(options.output + ".part", options.output)
    return 0 if record["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
