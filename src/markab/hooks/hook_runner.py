"""The process that runs the hooks of a run and of its sub-workflows, beside its engine: it reads the journals, as the follower does.

`running_hooks` starts it if the plan has hooks, or sub-workflows, which may have some. Its standard input is a pipe from the
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
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

import msgspec

from markab.errors import MarkabError
from markab.hooks.hook_events import HookCall, HookEvents, JobHooks
from markab.hooks.hook_log import HookLog
from markab.hooks.hook_process import HookProcess
from markab.journal.attempt_record import AttemptRecord
from markab.journal.reader import JournalReader
from markab.journal.records import decoder
from markab.plan.braindump import read_braindump
from markab.plan.child_directory import child_runs
from markab.plan.model import SUB_WORKFLOWS, Header, Hook, RunHooks
from markab.plan.plan_file import PlanFile, read_header
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
AHEAD = 1000
"""So many calls wait in memory; others wait in the journal."""
REMEMBERED_JOBS = 4096
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
    """Run the hooks of a run and of its sub-workflows while the block runs; what is left is done afterwards."""
    try:
        header: Header | None = read_header(SubmitDir(submit_dir).plan)
    except MarkabError:  # the engine says so too, and then there is nothing to run
        header = None
    may_have_hooks = header is not None and (header.hooks is not None or SUB_WORKFLOWS in header.sites)
    runner = HookRunner(submit_dir) if may_have_hooks else None
    try:
        yield runner
    finally:
        if runner is not None:
            runner.release()


# --- the child ----------------------------------------------------------------


class HookQueue:
    """The hooks of one run: those that are due, and those that run."""

    def __init__(self, submit_dir: Path, environment: Mapping[str, str]) -> None:
        """Open a run. Raises as `PlanFile`, `read_braindump` and `HookLog`."""
        directory = SubmitDir(submit_dir)
        self._plan = PlanFile(directory.plan)
        header, braindump = self._plan.header, read_braindump(directory.braindump)
        self._hooks = header.hooks or RunHooks()
        self._directory = directory.path
        self._environment = environment
        self._log = HookLog(directory.path)
        title = str(braindump.get("pegasus_wf_name") or header.workflow)
        of_job = lru_cache(REMEMBERED_JOBS)(self._of_job)
        self._events = HookEvents(
            self._hooks.workflow,
            of_job,
            header.local_sites,
            str(directory.path),
            str(braindump.get("wf_uuid") or ""),
            title,
        )
        self._bodies = JournalReader(directory.journal)
        self._decode = decoder(AttemptRecord)
        self._due: deque[HookCall] = deque()
        self._running: list[HookProcess] = []

    @property
    def running(self) -> int:
        """How many hooks run."""
        return len(self._running)

    @property
    def is_idle(self) -> bool:
        """No hook runs, and none is due."""
        return not self._running and not self._due

    def turn(self, elsewhere: int = 0) -> bool:
        """Look at the hooks that run, read the journal, and start hooks; return whether all of the journal was read.

        Args:
            elsewhere: how many hooks of other runs of the tree run; they count against the limit too.
        """
        self._reap()
        is_read = len(self._due) < AHEAD
        if is_read:
            for body in self._bodies.bodies():
                self._due.extend(self._events.of(self._decode(body)))
                if len(self._due) >= AHEAD:
                    is_read = False
                    break
        while self._due and len(self._running) + elsewhere < self._hooks.at_once:
            call = self._due.popleft()
            if self._log.claim(call, time.time()):
                self._running.append(HookProcess(call, self._directory, self._environment, time.monotonic()))
        return is_read

    def _reap(self) -> None:
        now_s, running = time.monotonic(), []
        for process in self._running:
            if process.is_over(now_s, self._hooks.limit_s):
                self._log.note_end(process.call.key, time.time(), process.status, process.output, process.why)
            else:
                running.append(process)
        self._running = running

    def _of_job(self, position: int) -> JobHooks:
        found = msgspec.json.decode(self._plan.line(position), type=_HooksOfJob)
        return JobHooks(found.hooks, len(found.tasks) > 1)


class HookTree:
    """The hooks of a run and of all sub-workflows below it; these are found as they get their plans."""

    def __init__(self, submit_dir: Path, environment: Mapping[str, str]) -> None:
        """Open a run. Raises as `HookQueue`."""
        self._environment = environment
        self._queues: dict[Path, HookQueue] = {}
        self._parents: dict[Path, int] = {}
        """Submit directory of a run with sub-workflows → bytes of its journal when they were looked for."""
        self._known: set[Path] = set()
        self._add(submit_dir)

    @property
    def is_idle(self) -> bool:
        """No hook runs, and none is due."""
        return all(queue.is_idle for queue in self._queues.values())

    def turn(self) -> bool:
        """Do what `HookQueue.turn` does for every run; return whether all journals were read."""
        self._find_children()
        running = sum(queue.running for queue in self._queues.values())
        is_read = True
        for queue in self._queues.values():
            elsewhere = running - queue.running
            is_read &= queue.turn(elsewhere)
            running = elsewhere + queue.running
        return is_read

    def _find_children(self) -> None:
        fresh = [*self._parents]
        while fresh:
            parent = fresh.pop()
            size_bytes = _size_bytes(SubmitDir(parent).journal)
            if size_bytes == self._parents[parent]:
                continue
            self._parents[parent] = size_bytes
            with closing(PlanFile(SubmitDir(parent).plan)) as plan:
                children = [child.path for child in child_runs(parent, plan) if child.is_inside]
            fresh += [child for child in children if self._add(child)]

    def _add(self, submit_dir: Path) -> bool:
        """Take a run in, unless it is known; return whether it is new, and has sub-workflows."""
        if submit_dir in self._known:
            return False
        self._known.add(submit_dir)
        header = read_header(SubmitDir(submit_dir).plan)
        if header.hooks is not None:
            self._queues[submit_dir] = HookQueue(submit_dir, self._environment)
        if SUB_WORKFLOWS not in header.sites:
            return False
        self._parents[submit_dir] = -1
        return True


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class _HooksOfJob(msgspec.Struct):
    """The same keys as `PlannedJob`."""

    hooks: list[Hook] = []
    tasks: list[_AnyTask] = []


class _AnyTask(msgspec.Struct):
    """A task of a job, of which only the number matters."""


def main(argument: str) -> None:
    """Run the hooks of the tree of runs in a submit directory until standard input is closed and all of them are over."""
    submit_dir = Path(argument)
    os.nice(NICE)
    own = os.path.dirname(sys.executable)  # so that hooks find `markab`
    environment = {**os.environ, "PATH": os.pathsep.join(filter(None, (os.environ.get("PATH"), own)))}
    try:
        tree, is_over = HookTree(submit_dir, environment), False
        while True:
            is_over = is_over or _closed_within(IDLE_S if tree.is_idle else BUSY_S)
            if is_over and not tree.is_idle:
                time.sleep(BUSY_S)
            is_read = tree.turn()
            if is_over and is_read and tree.is_idle:
                return
    except MarkabError as error:
        if submit_dir.exists():
            sys.exit(f"hooks of the run: {error}")


def _closed_within(seconds: float) -> bool:
    """Wait up to `seconds` for the engine's process to close our standard input; return whether it did."""
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and not os.read(0, 4096)
