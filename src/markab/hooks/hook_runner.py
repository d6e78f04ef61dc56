"""The process that runs the hooks of a run, beside its engine: it reads the journal, as the follower does.

`running_hooks` starts it if the plan has hooks. Its standard input is a pipe from the
process of the engine: when that is closed, or the engine ends for any reason, it runs
the hooks that are left, and ends with the last of them. The engine knows nothing of it,
and waits for no hook.

Killed together with the engine, it continues where it was: what happened meanwhile
stands in the journal, which hooks were started in `hooks.jsonl` (`hook_log.py`). Killed
alone, it is started again at the end of the engine.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from markab.errors import MarkabError
from markab.hooks.hook_queue import HookQueue
from markab.plan.model import SUB_WORKFLOWS
from markab.plan.plan_file import read_header
from markab.plan.submit_dir import SubmitDir

_BOOT = """import sys
if sys.path[:1] == [""]:  # the current directory: a copy.py of the user's is not the library's
    del sys.path[0]
from markab.hooks.hook_runner import main
main(sys.argv[1])
"""
COMMAND = (sys.executable, "-c", _BOOT)
IDLE_S = 0.3
"""How often the journal is read while no hook runs."""
BUSY_S = 0.05
"""How often the hooks that run are looked at."""
PATIENCE_S = 3.0
"""How long the end of a run waits for the last hooks; they continue in the background."""
NICE = 19

_unfinished: list[subprocess.Popen[bytes]] = []
"""Children still at work after `finish`; kept to avoid Python's ResourceWarning."""


class HookRunner:
    """The child, seen from the process of the engine. Nothing here waits, but `finish`."""

    def __init__(self, submit_dir: Path, command: tuple[str, ...] = COMMAND) -> None:
        """Start it."""
        self.warnings: list[str] = []
        self._command = [*command, str(submit_dir)]
        self._child = self._start()

    def release(self) -> None:
        """Signal the end of the run; what is left to do is done in the background. May be called twice."""
        child = self._child
        if child is None or child.stdin is None or child.stdin.closed:
            return
        child.stdin.close()
        if child.poll():  # it was killed, or ended by an error, while the run went on
            child.wait()
            if (again := self._start()) is not None and again.stdin is not None:
                self._child = again
                again.stdin.close()

    def finish(self, patience_s: float = PATIENCE_S) -> None:
        """Release it, and wait a little for the hooks that are left."""
        self.release()
        if self._child is None:
            return
        try:
            if self._child.wait(patience_s):
                self.warnings.append(
                    "the process that runs hooks ended unexpectedly; `markab run` goes on with them"
                )
        except subprocess.TimeoutExpired:
            _unfinished.append(self._child)

    def _start(self) -> subprocess.Popen[bytes] | None:
        try:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for the engine; the child notices its end
            )
        except OSError as error:
            self.warnings.append(f"hooks are not run: {error.strerror}")
            return None


@contextmanager
def running_hooks(submit_dir: Path) -> Iterator[HookRunner | None]:
    """Run the hooks of a run while the block runs, if it may have any; what is left is done afterwards."""
    try:
        has_some = _may_have_hooks(submit_dir)
    except MarkabError:  # the engine says so too, and then there is nothing to run
        has_some = False
    runner = HookRunner(submit_dir) if has_some else None
    try:
        yield runner
    finally:
        if runner is not None:
            runner.release()


def _may_have_hooks(submit_dir: Path) -> bool:
    """Return whether a run has hooks, or sub-workflows. Raises as `read_header`."""
    header = read_header(SubmitDir(submit_dir).plan)
    return header.hooks is not None or SUB_WORKFLOWS in header.sites


# --- the child ----------------------------------------------------------------


class HookTree:
    """The hooks of a run and of its sub-workflows, which it finds as they are planned."""

    def __init__(self, submit_dir: Path, environment: Mapping[str, str]) -> None:
        """Open the run at the root. Raises as `HookQueue`."""
        self._environment = environment
        self._queues = {submit_dir: HookQueue(submit_dir, environment)}
        self._known = {submit_dir}

    @property
    def is_idle(self) -> bool:
        """No hook runs, and none is due."""
        return all(queue.is_idle for queue in self._queues.values())

    def turn(self) -> bool:
        """Give each run a turn; return whether all of their journals was read."""
        is_read = True
        for queue in list(self._queues.values()):
            others = sum(other.running for other in self._queues.values() if other is not queue)
            is_read = queue.turn(others) and is_read
            for child in queue.children():
                if child not in self._known:
                    self._known.add(child)
                    if _may_have_hooks(child):
                        self._queues[child] = HookQueue(child, self._environment)
                        is_read = False
        return is_read


def main(argument: str) -> None:
    """Run the hooks of the run in a submit directory until standard input is closed and all of them are over."""
    submit_dir = Path(argument)
    os.nice(NICE)
    own = os.path.dirname(sys.executable)  # so that hooks find `markab`
    environment = {**os.environ, "PATH": os.pathsep.join(filter(None, (os.environ.get("PATH"), own)))}
    try:
        tree, is_over, detach_s = HookTree(submit_dir, environment), False, float("inf")
        while True:
            if not is_over and (is_over := _closed_within(IDLE_S if tree.is_idle else BUSY_S)):
                detach_s = time.monotonic() + PATIENCE_S
            if time.monotonic() >= detach_s:
                _leave_standard_error()
                detach_s = float("inf")
            if is_over and not tree.is_idle:
                time.sleep(BUSY_S)
            is_read = tree.turn()
            if is_over and is_read and tree.is_idle:
                return
    except MarkabError as error:
        if submit_dir.exists():
            sys.exit(f"hooks of the run: {error}")


def _leave_standard_error() -> None:
    """Let go of the standard error of the run: who reads it to its end (`markab run 2>&1 | tee`) waits for no hook."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)


def _closed_within(seconds: float) -> bool:
    """Wait up to `seconds` for the engine's process to close our standard input; return whether it did."""
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and not os.read(0, 4096)
