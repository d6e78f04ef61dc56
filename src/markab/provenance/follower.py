"""Keeping database, `jobstate.log` and the list of all runs current while a run goes on.

`following` starts a child process of the lowest priority beside the engine; it
takes in the journal about once a second, less often when that takes long, so
that it never uses more than a twentieth of a processor for long. Its standard input is a pipe
from the engine's process: when that is closed, or the engine dies however, the
child does a last pass and goes.

On its standard output it says what comes of it, in lines:

    ready            the database can be opened (only when that was asked, and before anything is written)
    well             a pass is done, and the database current
    trouble <text>   a pass is done, and it is not; the child tries again
    warning <text>   something else could not be written; each thing is said once

A run never goes on unrecorded. While there is trouble, or the child dies again and
again, the engine starts nothing new; it goes on by itself when that is over. What
runs meanwhile is finished, and stands in the journal. A warning stops nothing. A run
whose properties want no database waits for none: there, a child that dies is a warning.

A run is not slowed down by that: where the database looks usable from outside,
jobs start at once, and trouble is known with the first pass. Where it does not, or
is on a server, they wait until it was opened, for half a second.

Nothing here imports what touches databases before the child needs it.
"""

from __future__ import annotations

import os
import select
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

_BOOT = """import sys
if sys.path[:1] == [""]:  # the current directory: a copy.py of the user's is not the library's
    del sys.path[0]
from markab.provenance.follower import main
main(sys.argv[1:])
"""
COMMAND = (sys.executable, "-c", _BOOT)
ASK_FIRST = "--ask-first"
FIRST_PASS_S = 0.3
"""A run that is over before gets one pass instead of two."""
PAUSE_S = 1.0
SHARE = 20
"""Pause so many times the processor time that a pass took."""
AFTER_TROUBLE_S = 5.0
PROBE_EVERY_S = 5.0
"""In a long pause, look so often whether the database can still be opened."""
LONGEST_PAUSE_S = 60.0
"""A child that dies again and again is started again after pauses that double, up to this."""
ANSWER_S = 2.0
"""So long nobody is told that a database has yet to answer."""
PATIENCE_S = 0.1
"""So long the end of a run waits for the last pass; if it takes longer it goes on by itself."""
NICE = 19

_left: list[subprocess.Popen[bytes]] = []
"""Children that were still at it when nobody waited any more; kept, so that Python does not complain."""


class Follower:
    """The child, seen from the engine's process; what the engine knows as its recorder. Nothing here waits."""

    def __init__(
        self, submit_dir: Path, command: tuple[str, ...] = COMMAND, *, ask_first: bool | None = None
    ) -> None:
        """Start it; whether the database is asked before anything else, it finds out if not given."""
        from markab.provenance.precheck import looks_usable

        self._directory = SubmitDir(submit_dir)
        self._command = [*command, str(submit_dir)]
        self._began_s = time.monotonic()
        self._is_awaited = not looks_usable(submit_dir) if ask_first is None else ask_first
        """Jobs wait for the first word of the child."""
        self._is_over = False
        self._trouble = ""
        self._warnings: list[str] = []
        self._rest = b""
        self._last_line = ""
        """What it said before it died and is none of the lines above: of a traceback, the error."""
        self._deaths = 0
        """Since the last pass that went well."""
        self._start_again_s = 0.0
        self._child: subprocess.Popen[bytes] | None = None
        self._start([ASK_FIRST] if self._is_awaited else [])

    @property
    def may_start(self) -> bool:
        """Nothing is known that keeps the database from being current."""
        self._look()
        return not self._is_awaited and not self._trouble

    @property
    def trouble(self) -> str:
        """Why the database is not kept current, in words for the user; empty when it is, or nobody knows yet."""
        self._look()
        if self._is_awaited and not self._trouble and time.monotonic() - self._began_s > ANSWER_S:
            return "the database of the run has not answered yet"
        return self._trouble

    @property
    def warnings(self) -> list[str]:
        """What else went wrong so far, in words for the user."""
        self._look()
        return list(self._warnings)

    def release(self) -> None:
        """Tell it that the run is over: it does a last pass and goes. Does not wait; may be called twice."""
        self._is_over = True
        if self._child is not None and self._child.stdin is not None and not self._child.stdin.closed:
            self._child.stdin.close()
            _left.append(self._child)

    def finish(self, patience_s: float = PATIENCE_S) -> None:
        """Wait a little for its last pass, after `release`. May be called twice."""
        self.release()
        if self._child is None:
            return
        try:
            self._child.wait(patience_s)
        except subprocess.TimeoutExpired:
            return
        self._look()

    # -- the child's life -------------------------------------------------------------

    def _start(self, words: list[str]) -> None:
        _left[:] = [child for child in _left if child.poll() is None]
        try:
            self._child = child = subprocess.Popen(
                [*self._command, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for the engine; this one sees its end
            )
        except OSError as error:
            self._hold(f"cannot be started: {error.strerror}")
            self._start_again_s = time.monotonic() + AFTER_TROUBLE_S
            return
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)

    def _look(self) -> None:
        """Take in what the child said; bury it when it has died, and start another one when that is due."""
        if self._child is None:
            if self._start_again_s and not self._is_over and time.monotonic() >= self._start_again_s:
                self._start_again_s = 0.0
                self._start([])
            return
        assert self._child.stdout is not None
        descriptor = self._child.stdout.fileno()
        while True:
            try:
                said = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                return
            if not said:
                break
            *lines, self._rest = (self._rest + said).split(b"\n")
            for line in lines:
                self._take(line.decode("utf-8", "replace"))
        if (exit_code := self._child.poll()) is not None:
            self._bury(self._child, exit_code)

    def _take(self, line: str) -> None:
        word, _, text = line.partition(" ")
        if word in ("ready", "well", "trouble"):
            self._is_awaited = False
            self._trouble = text
            if word == "well":
                self._deaths = 0
        elif word == "warning":
            self._warn(text)
        else:
            self._last_line = line

    def _bury(self, child: subprocess.Popen[bytes], exit_code: int) -> None:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.close()
        child.stdout.close()
        self._child, self._rest = None, b""
        if child in _left:
            _left.remove(child)
        if self._is_over or not (exit_code or self._directory.path.exists()):
            return  # it has done its last pass, or there is no run any more, which the engine notices itself
        self._deaths += 1
        how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        if exit_code > 0 and self._last_line:
            how += f" ({self._last_line})"
        self._warn(f"what keeps the database of the run current {how}; it was started again")
        self._start_again_s = time.monotonic()
        if self._deaths > 1:
            self._hold(f"dies again and again: it {how}")
            self._start_again_s += min(LONGEST_PAUSE_S, AFTER_TROUBLE_S * 2 ** (self._deaths - 2))

    def _hold(self, how: str) -> None:
        """Let nothing new start until a child has done a pass; but if no database is wanted, only warn."""
        if self._wants_database():
            without = f"`{EVENTS} = false` in the properties of the run does without a database"
            self._trouble = f"what keeps the database of the run current {how} ({without})"
        else:
            self._is_awaited, self._trouble = False, ""
            self._warn(f"what keeps jobstate.log current {how}")

    def _wants_database(self) -> bool:
        """Ask the properties of the run, each time anew: the user may change them while it is held."""
        try:
            braindump = read_braindump(self._directory.braindump)
        except MarkabError:
            return True
        return has_database(run_properties(self._directory, braindump))

    def _warn(self, text: str) -> None:
        if text not in self._warnings:
            self._warnings.append(text)


@contextmanager
def following(submit_dir: Path) -> Iterator[Follower]:
    """Follow a run for as long as the block lasts. The follower may need a moment more: see `Follower.finish`."""
    follower = Follower(submit_dir)
    try:
        yield follower
    finally:
        follower.release()


# --- the child ----------------------------------------------------------------


def main(words: list[str]) -> None:
    """Follow the run in a submit directory until standard input is closed, saying what comes of it."""
    submit_dir, ask_first = Path(words[0]), ASK_FIRST in words
    if not ask_first:
        os.nice(NICE)
    from markab.provenance.update import Keeper

    said: set[str] = set()
    try:
        keeper = Keeper(submit_dir)
    except MarkabError as error:
        if submit_dir.exists():
            sys.exit(str(error))
        return
    if ask_first:
        trouble = keeper.probe()
        _say("trouble", trouble) if trouble else _say("ready")
        os.nice(NICE)
    is_over = _closed_within(FIRST_PASS_S)
    while True:
        began_s = time.process_time()
        trouble, warnings = keeper.keep()
        if not submit_dir.exists():
            return
        for warning in warnings:
            if warning not in said:
                said.add(warning)
                _say("warning", warning)
        _say("trouble", trouble) if trouble else _say("well")
        if is_over:
            return
        pause_s = max(PAUSE_S, SHARE * (time.process_time() - began_s), AFTER_TROUBLE_S if warnings else 0.0)
        is_over = _closed_within(AFTER_TROUBLE_S) if trouble else _rest(pause_s, keeper.probe)


def _rest(seconds: float, probe: Callable[[], str]) -> bool:
    """Wait until the next pass is due; say whether the run is over. A database that has gone makes it due."""
    while seconds > PROBE_EVERY_S:
        if _closed_within(PROBE_EVERY_S):
            return True
        seconds -= PROBE_EVERY_S
        if trouble := probe():
            _say("trouble", trouble)
            return _closed_within(AFTER_TROUBLE_S)
    return _closed_within(seconds)


def _closed_within(seconds: float) -> bool:
    """Wait until the engine's process closes our standard input, or so long."""
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and not os.read(0, 4096)


def _say(word: str, text: str = "") -> None:
    try:
        os.write(1, (" ".join([word, *text.split()]) + "\n").encode("utf-8", "replace"))
    except OSError:  # nobody listens any more
        pass
