"""The runner of a fake scheduler: one process a queue that starts the scripts, notes their ends and ends what has run too long.

It is started by the first submission and ends when nothing has happened for a while. It may be killed at any time: the processes go on,
each writes its own exit code, and the next runner finds them by their pids.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import time
from typing import Any

from kit.fake_scheduler.queue_directory import Job, QueueDirectory, born, send
from kit.fake_scheduler.systems import variables

IDLE_S = 10.0
"""After so long without a job that waits or runs, the runner ends."""

# A process group of its own. The trap keeps the shell alive until the script has ended by the signal that both got.
_PROCESS = 'trap : TERM INT HUP USR1 USR2; "$@"; code=$?; echo $code > "$FAKE_EXIT.part" && mv "$FAKE_EXIT.part" "$FAKE_EXIT"'


def run(queue: QueueDirectory) -> None:
    """Run the queue until there is nothing to do, or until it is asked to stop."""
    lock = open(queue.path("runner.lock"), "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    queue.write("runner.pid", os.getpid())
    poke = queue.path("poke")
    if not os.path.exists(poke):
        os.mkfifo(poke)
    ours = os.open(poke, os.O_RDWR | os.O_NONBLOCK)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    busy_s = time.monotonic()
    while os.path.isdir(queue.directory) and not os.path.exists(queue.path("stop")):
        _reap()
        with queue.locked():
            running, has_limits = _step(queue)
            waiting = any(_has_waiting(job) for job in queue.jobs.values())
        if running or waiting:
            busy_s = time.monotonic()
        elif time.monotonic() - busy_s > IDLE_S:
            with queue.locked():
                if not any(_has_waiting(job) for job in queue.jobs.values()):
                    os.close(ours)  # whoever adds a job after this finds no reader, and starts a runner
                    return
        pause_s = 0.05 if has_limits else 1.0
        for pipe in select.select([ours, woken], [], [], pause_s)[0]:
            os.read(pipe, 65536)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _has_waiting(job: Job) -> bool:
    return bool(job["again"]) or job["next"] <= job["last"]


def _step(queue: QueueDirectory) -> tuple[int, bool]:
    """Note ends, end what is over its limit, start what has room; return how many run, and whether time may end one."""
    now = queue.now()
    running, has_limits = 0, False
    for native_id, job in list(queue.jobs.items()):
        for position, element in list(queue.known(job)):
            if element["state"] == "ended":
                if now - element["end"] > float(queue.control["keep_ended_s"]):
                    queue.forget(job, position)
                continue
            # Of a process that ended before it could be looked at, no time of birth is known.
            if element["born"] and born(element["pid"]) == element["born"]:
                running += 1
                has_limits |= _enforce(queue, job, element, now)
            else:
                _note_end(queue, job, position, element, _exit_code(queue, element))
        if not _has_waiting(job) and all(element["state"] == "gone" for element in job["states"].values()):
            # The processes that outlive it are still known to `close` of the test.
            for process in job.get("escaped", []):
                queue.append("escaped.jsonl", process)
            del queue.jobs[native_id]
            queue.changed = True
    slots = int(queue.control["slots"])
    for job in queue.jobs.values():
        while running < slots and not job["held"] and not job.get("is_foreign"):
            position = _take(job)
            if position is None:
                break
            _start(queue, job, position, running)
            queue.changed = True
            running += 1
    return running, has_limits


def _take(job: Job) -> int | None:
    """Take the next position of a job that waits; None: there is none."""
    if job["again"]:
        return int(job["again"].pop(0))
    while job["next"] <= job["last"]:
        position = job["next"]
        job["next"] += 1
        if str(position) not in job["states"]:
            return int(position)
    return None


def _exit_code(queue: QueueDirectory, element: dict[str, Any]) -> int:
    """Return what a process that is over wrote; it wrote nothing if it was killed."""
    try:
        with open(queue.path("exits", element["exit"])) as file:
            return int(file.read())
    except FileNotFoundError:
        return -signal.SIGKILL


def _note_end(queue: QueueDirectory, job: Job, position: int, element: dict[str, Any], code: int) -> None:
    """Note how a process ended: `code` as a shell has it, or minus a signal."""
    element["reaped"] = True
    if "cancelled" in element:
        queue.end(job, position, "cancelled", 0, signal.SIGTERM)
    elif "timed_out" in element:
        queue.end(job, position, "timeout", 0, signal.SIGTERM)
    elif code < 0:
        queue.end(job, position, "exit", 0, -code)
    else:
        queue.end(job, position, "exit", code)


def _enforce(queue: QueueDirectory, job: Job, element: dict[str, Any], now: float) -> bool:
    """Send an element the signals that are due; return whether one may become due by time."""
    since = element.get("cancelled") or element.get("timed_out")
    if since:
        if time.time() - since > float(queue.control["kill_wait_s"]):
            send(element["pid"], element["born"], signal.SIGKILL)
        return True
    if not job["limit_s"]:
        return False
    elapsed_s = now - element["start"]
    if elapsed_s > job["limit_s"]:
        element["timed_out"] = time.time()
        queue.changed = True
        send(element["pid"], element["born"], queue.warning)
    elif job["grace_s"] and elapsed_s > job["limit_s"] - job["grace_s"] and not element.get("warned"):
        element["warned"] = True
        queue.changed = True
        send(element["pid"], element["born"], queue.warning)
    return True


def _start(queue: QueueDirectory, job: Job, position: int, running: int) -> None:
    native_id = job["id"]
    facts = queue.read(f"jobs/{native_id}.json", None)
    exit_name = f"{native_id}.{position}.{time.time_ns()}"
    host = queue.control["nodes"][running % len(queue.control["nodes"])]
    element = {
        "state": "running",
        "host": host,
        "exit": exit_name,
        "start": queue.now(),
        "pid": 0,
        "born": "",
    }
    job["states"][str(position)] = element
    environment = facts["environment"] | variables(queue.control["system"], job, position)
    environment["FAKE_EXIT"] = queue.path("exits", exit_name)
    script = queue.path("jobs", f"{native_id}.script")
    try:
        with open(job["output"] or "/dev/null", "ab") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _PROCESS, "sh", "/bin/sh", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=facts["cwd"] if os.path.isdir(facts["cwd"]) else "/tmp",
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        element["reaped"] = True
        queue.end(job, position, "exit", 0, 53, str(error))
        return
    element |= {"pid": process.pid, "born": born(process.pid)}
    process.returncode = 0  # `_reap` waits for all of them
    if any(part in job["name"] for part in queue.control["end_early"]):
        queue.end(job, position, "exit", 0)
