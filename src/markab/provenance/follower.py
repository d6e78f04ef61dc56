"""Keeping the database, `jobstate.log` and the list of all runs current during a run.

`following` starts a child process of the lowest priority beside the engine. It reads
the journal about once a second, less often when a pass takes long, so that it never
uses more than a twentieth of a processor for long. Its standard input is a pipe from
the engine's process: when that is closed, or the engine ends for any reason, the
child does a last pass and exits.

It reports on its standard output, one line each:

    ready            the database can be opened (only with --probe-first, before anything is written)
    current          a pass is done, and the database is current
    waiting          a pause goes on
    error <text>     a pass is done, and the database is not current; the child tries again
    warning <text>   something else could not be written; each warning is reported once

A run never continues unrecorded. While there is an error, or the child ends again and
again, the engine starts no new attempts; it resumes by itself when that is over.
Running attempts end normally and are recorded in the journal. A warning stops nothing.
For a run whose properties disable the database, a child that ends is only a warning.

A child that hangs, in a file system or for a server that never answers, ends itself
(`watchdog.py`), also after the end of the run. One that cannot, because it was stopped,
is killed by the engine's process. Either is then started again.

This does not slow a run down: if the precheck passes, jobs start at once, and an error
is reported with the first pass. Otherwise, or if the database is on a server, they wait
until it has been opened, for half a second.

Nothing here imports database code before the child needs it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from markab.errors import MarkabError
from markab.plan.braindump import read_braindump
from markab.plan.submit_dir import SubmitDir
from markab.provenance.database_location import EVENTS, has_database, run_properties
from markab.provenance.started_runs import note_started
from markab.provenance.watchdog import HANG_S, Watchdog, processor_time_s

_BOOT = """import sys
if sys.path[:1] == [""]:  # the current directory: a copy.py of the user's is not the library's
    del sys.path[0]
from markab.provenance.follower import main
main(sys.argv[1:])
"""
COMMAND = (sys.executable, "-c", _BOOT)
PROBE_FIRST = "--probe-first"
FIRST_PASS_S = 0.3
"""Delay of the first pass: a run that ends before then gets one pass instead of two."""
PAUSE_S = 1.0
SHARE = 20
"""A pause is at least this many times the processor time of the pass."""
AFTER_ERROR_S = 5.0
PROBE_EVERY_S = 5.0
"""In a long pause, how often to check that the database can still be opened."""
LONGEST_PAUSE_S = 60.0
"""A child that ends again and again is restarted after pauses that double, up to this."""
ANSWER_S = 2.0
"""A database that has not answered is reported after this time."""
PATIENCE_S = 0.1
"""How long the end of a run waits for the last pass; a longer one continues in the background."""
NICE = 19

_unfinished: list[subprocess.Popen[bytes]] = []
"""Children still in their last pass after `finish`; kept to avoid Python's ResourceWarning."""


class FollowerProcess:
    """The child, seen from the engine's process, where it is the `Recorder`. Nothing here waits."""

    def __init__(
        self, submit_dir: Path, command: tuple[str, ...] = COMMAND, *, probe_first: bool | None = None
    ) -> None:
        """Start it. `probe_first`: jobs wait until the database was opened; None: the precheck decides."""
        from markab.provenance.precheck import looks_usable

        self._directory = SubmitDir(submit_dir)
        self._command = [*command, str(submit_dir)]
        self._began_s = time.monotonic()
        self._is_awaited = not looks_usable(submit_dir) if probe_first is None else probe_first
        """Jobs wait for the first line of the child."""
        self._is_over = False
        self._error = ""
        self._warnings: list[str] = []
        self._rest = b""
        self._last_line = ""
        """The last line of any other form: of a traceback, the error."""
        self._failures = 0
        """Unexpected ends since the last successful pass."""
        self._restart_s = 0.0
        self._heard_s = 0.0
        """When the child sent a line, or was seen to work."""
        self._used_s: float | None = None
        """The processor time of the child at that moment."""
        self._child: subprocess.Popen[bytes] | None = None
        self._start([PROBE_FIRST] if self._is_awaited else [])

    @property
    def may_start(self) -> bool:
        """No error is known that keeps the database from being current."""
        self._poll()
        return not self._is_awaited and not self._error

    @property
    def error(self) -> str:
        """Why the database is not kept current, for the user; empty if it is, or not known yet."""
        self._poll()
        if self._is_awaited and not self._error and time.monotonic() - self._began_s > ANSWER_S:
            return "the database of the run has not answered yet"
        return self._error

    @property
    def warnings(self) -> list[str]:
        """Other errors so far, for the user."""
        self._poll()
        return list(self._warnings)

    def release(self) -> None:
        """Signal the end of the run: the child does a last pass and exits. Does not wait; may be called twice."""
        self._is_over = True
        self._resume()
        if self._child is not None and self._child.stdin is not None and not self._child.stdin.closed:
            self._child.stdin.close()
            _unfinished.append(self._child)

    def finish(self, patience_s: float = PATIENCE_S) -> None:
        """Release it, and wait a little for its last pass. May be called twice."""
        self.release()
        if self._child is None:
            return
        try:
            self._child.wait(patience_s)
        except subprocess.TimeoutExpired:
            return
        self._poll()

    # -- the child process ------------------------------------------------------------

    def _start(self, options: list[str]) -> None:
        _unfinished[:] = [child for child in _unfinished if child.poll() is None]
        try:
            self._child = child = subprocess.Popen(
                [*self._command, *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for the engine; the child notices its end
            )
        except OSError as error:
            self._hold(f"cannot be started: {error.strerror}")
            self._restart_s = time.monotonic() + AFTER_ERROR_S
            return
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        self._heard_s, self._used_s = time.monotonic(), None

    def _poll(self) -> None:
        """Read the child's lines, handle its end, and restart it when that is due."""
        if self._child is None:
            if self._restart_s and not self._is_over and time.monotonic() >= self._restart_s:
                self._restart_s = 0.0
                self._start([])
            return
        assert self._child.stdout is not None
        descriptor = self._child.stdout.fileno()
        while True:
            try:
                data = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                if time.monotonic() - self._heard_s > HANG_S and not self._is_over:
                    self._look_at(self._child)
                return
            if not data:
                break
            self._heard_s, self._used_s = time.monotonic(), None
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._read_line(line.decode("utf-8", "replace"))
        if (exit_code := self._child.poll()) is not None:
            self._ended(self._child, exit_code)

    def _look_at(self, child: subprocess.Popen[bytes]) -> None:
        """Kill a child that sent nothing for long, and has used no processor time since it was looked at."""
        before_s, self._used_s = self._used_s, processor_time_s(child.pid)
        self._heard_s = time.monotonic()
        if before_s is not None and before_s == self._used_s:
            self._hold(f"hangs: it did nothing for {HANG_S:.0f} s")
            child.kill()

    def _resume(self) -> None:
        """Let a child that was stopped do its last pass: nothing could end it later."""
        if self._child is not None:
            self._child.send_signal(signal.SIGCONT)

    def _read_line(self, line: str) -> None:
        word, _, text = line.partition(" ")
        if word in ("ready", "current", "error"):
            self._is_awaited = False
            self._error = text
            if word == "current":
                self._failures = 0
        elif word == "warning":
            self._warn(text)
        elif word != "waiting":
            self._last_line = line

    def _ended(self, child: subprocess.Popen[bytes], exit_code: int) -> None:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.close()
        child.stdout.close()
        self._child, self._rest = None, b""
        if child in _unfinished:
            _unfinished.remove(child)
        if self._is_over or not (exit_code or self._directory.path.exists()):
            return  # it has done its last pass, or the run was deleted, which the engine notices itself
        self._failures += 1
        how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        if exit_code > 0 and self._last_line:
            how += f" ({self._last_line})"
        self._warn(f"the process that updates the database of the run {how}; it was restarted")
        self._restart_s = time.monotonic()
        if self._failures > 1:
            self._hold(f"ends again and again: it {how}")
            self._restart_s += min(LONGEST_PAUSE_S, AFTER_ERROR_S * 2 ** (self._failures - 2))

    def _hold(self, how: str) -> None:
        """Let no new attempt start until a child has done a pass; if the database is disabled, only warn."""
        if self._wants_database():
            without = f"`{EVENTS} = false` in the properties of the run disables the database"
            self._error = f"the process that updates the database of the run {how} ({without})"
        else:
            self._is_awaited, self._error = False, ""
            self._warn(f"the process that updates jobstate.log {how}")

    def _wants_database(self) -> bool:
        """Read the properties of the run each time: the user may change them while it is held."""
        try:
            braindump = read_braindump(self._directory.braindump)
        except MarkabError:
            return True
        return has_database(run_properties(self._directory, braindump))

    def _warn(self, text: str) -> None:
        if text not in self._warnings:
            self._warnings.append(text)


@contextmanager
def following(submit_dir: Path) -> Iterator[FollowerProcess]:
    """Follow a run while the block runs. The last pass may take longer: see `FollowerProcess.finish`."""
    note_started(submit_dir)
    follower = FollowerProcess(submit_dir)
    try:
        yield follower
    finally:
        follower.release()


# --- the child ----------------------------------------------------------------


def main(argv: list[str]) -> None:
    """Follow the run in a submit directory until standard input is closed, and report on standard output."""
    submit_dir, probe_first = Path(argv[0]), PROBE_FIRST in argv
    if not probe_first:
        os.nice(NICE)
    from markab.provenance.update import RunUpdater

    watchdog = Watchdog()
    watchdog.start()
    reported: set[str] = set()
    try:
        with watchdog.watching():
            updater = RunUpdater(submit_dir)
    except MarkabError as error:
        if submit_dir.exists():
            sys.exit(str(error))
        return

    def probe() -> str:
        with watchdog.watching():
            return updater.probe()

    if probe_first:
        error_text = probe()
        _report("error", error_text) if error_text else _report("ready")
        os.nice(NICE)
    is_over = _closed_within(FIRST_PASS_S)
    while True:
        began_s = time.process_time()
        with watchdog.watching():
            error_text, warnings = updater.update()
        if not submit_dir.exists():
            return
        for warning in warnings:
            if warning not in reported:
                reported.add(warning)
                _report("warning", warning)
        _report("error", error_text) if error_text else _report("current")
        if is_over:
            return
        pause_s = max(PAUSE_S, SHARE * (time.process_time() - began_s), AFTER_ERROR_S if warnings else 0.0)
        is_over = _closed_within(AFTER_ERROR_S) if error_text else _pause(pause_s, probe)


def _pause(seconds: float, probe: Callable[[], str]) -> bool:
    """Wait until the next pass is due; return whether the run is over. A failing probe makes it due."""
    while seconds > PROBE_EVERY_S:
        if _closed_within(PROBE_EVERY_S):
            return True
        seconds -= PROBE_EVERY_S
        if error_text := probe():
            _report("error", error_text)
            return _closed_within(AFTER_ERROR_S)
        _report("waiting")
    return _closed_within(seconds)


def _closed_within(seconds: float) -> bool:
    """Wait up to `seconds` for the engine's process to close our standard input; return whether it did."""
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and not os.read(0, 4096)


def _report(word: str, text: str = "") -> None:
    try:
        os.write(1, (" ".join([word, *text.split()]) + "\n").encode("utf-8", "replace"))
    except OSError:  # the engine has ended
        pass
