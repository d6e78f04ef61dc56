"""The process that follows a run beside DAGMan: its `SERVICE` node, on the submit host, from the beginning to the end.

While it is there the run has an engine, as every view understands it: it holds the lock of the run, records which jobs
run or are held, keeps the database current and runs hooks. It carries out what `markab halt` and `markab remove` ask for.
Nothing that counts depends on it: without it, the scripts of the nodes record the same, but later.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from markab.dagman.dag_layout import EVENTS, DagLayout
from markab.dagman.dag_run import open_dag_run
from markab.dagman.job_events import record_events
from markab.engine.control import REMOVE, Requests
from markab.errors import RunBusy
from markab.hooks.hook_runner import running_hooks
from markab.journal.lock import RunLock
from markab.journal.records import Halt, Remove
from markab.plan.braindump import read_braindump
from markab.plan.submit_dir import SubmitDir
from markab.provenance.follower import following

LOOK_EVERY_S = 1.0


def watch(submit_dir: Path) -> int:
    """Follow the run until its `FINAL` node takes over, or DAGMan has this process removed."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    watcher, layout = Watcher(submit_dir), DagLayout(submit_dir)
    layout.ending.unlink(missing_ok=True)
    with ExitStack() as stack:
        while not stop.is_set():
            try:
                stack.enter_context(RunLock(SubmitDir(submit_dir).lock))
                break
            except RunBusy:  # that of a DAGMan before this one, or a person who looks
                stop.wait(LOOK_EVERY_S)
        watcher.requests.clear()
        hooks = stack.enter_context(running_hooks(submit_dir))
        follower = stack.enter_context(following(submit_dir))
        while not stop.wait(LOOK_EVERY_S) and not layout.ending.exists():
            _ = follower.may_start  # reads what it says, and starts it again if it was killed
            watcher.look()
        follower.release()
        if hooks is not None:
            hooks.finish()
    return 0


class Watcher:
    """What it knows of the jobs of the run."""

    def __init__(self, submit_dir: Path) -> None:
        self.requests = Requests(submit_dir)
        self._submit_dir, self._layout = submit_dir, DagLayout(submit_dir)
        self._sizes: dict[int, int] = {}
        """Job → how long its log of events was."""

    def look(self) -> None:
        """Record what is new, and carry out what was requested."""
        sizes = self._event_sizes()
        changed = [job for job, size in sizes.items() if size != self._sizes.get(job)]
        if changed:
            with open_dag_run(self._submit_dir) as run:
                for job in changed:
                    record_events(run, job)
        self._sizes = sizes
        if (request := self.requests.take()) is not None:
            self._carry_out(request)

    def _event_sizes(self) -> dict[int, int]:
        found = {}
        for name in os.listdir(self._layout.directory):
            if name.isdigit():
                try:
                    found[int(name)] = os.stat(self._layout.directory / name / EVENTS).st_size
                except OSError:
                    pass  # it has just ended, or was not submitted yet
        return found

    def _carry_out(self, request: str) -> None:
        now = time.time()
        if request == REMOVE:
            with open_dag_run(self._submit_dir) as run:
                run.add(Remove(now))
            dagman = self._layout.call.read_text().strip()
            subprocess.run(["condor_rm", dagman], stdin=subprocess.DEVNULL, check=False)
            return
        with open_dag_run(self._submit_dir) as run:
            run.add(Halt(now))
        dag = read_braindump(SubmitDir(self._submit_dir).braindump).get("dag")
        (self._submit_dir / f"{dag}.halt").touch()
