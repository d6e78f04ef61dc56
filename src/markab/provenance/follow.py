"""Keeping database, `jobstate.log` and the list of all runs current while a run goes on.

`following` starts a child process of the lowest priority beside the engine; it
takes in the journal about once a second, less often when that takes long, so
that it never uses more than a twentieth of a processor for long. Its standard input is a pipe
from the engine's process: when that is closed, or the engine dies however, the
child does a last pass and goes.

The record of a run is its journal, and the engine starts nothing that does not
stand there: with no room for the journal it waits. So a run never goes on
unrecorded, although it does go on when the database or the log cannot be
written: nothing is lost, whoever asks later has them made from the journal. The
user is told at once.

Nothing here imports what touches databases before the child needs it.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = (sys.executable, "-m", "markab.provenance.follow")
FIRST_PASS_S = 0.3
"""A run that is over before gets one pass instead of two."""
PAUSE_S = 1.0
SHARE = 20
"""Pause so many times the processor time that a pass took."""
AFTER_TROUBLE_S = 5.0
PATIENCE_S = 0.1
"""So long the end of a run waits for the last pass; if it takes longer it goes on by itself."""
NICE = 19

_left: list[subprocess.Popen[bytes]] = []
"""Children that were still at it when nobody waited any more; kept, so that Python does not complain."""


class Follower:
    """The child, seen from the engine's process."""

    def __init__(self, submit_dir: Path, command: tuple[str, ...] = COMMAND) -> None:
        """Start it. That it cannot be started is one of its warnings."""
        self._said = b""
        self._child: subprocess.Popen[bytes] | None = None
        try:
            self._child = subprocess.Popen(
                [*command, str(submit_dir)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # a Ctrl-C is for the engine; this one sees its end
            )
            assert self._child.stderr is not None
            os.set_blocking(self._child.stderr.fileno(), False)
        except OSError as error:
            self._said = f"the database of the run is not kept current: {error.strerror}\n".encode()

    @property
    def warnings(self) -> list[str]:
        """What went wrong so far, in words for the user. Does not wait."""
        if self._child is not None and self._child.stderr is not None:
            self._said += self._child.stderr.read() or b""
        return self._said.decode("utf-8", "replace").splitlines()

    def release(self) -> None:
        """Tell it that the run is over: it does a last pass and goes. Does not wait; may be called twice."""
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
        _left.remove(self._child)
        self._said = "\n".join(self.warnings).encode()
        if self._child.stderr is not None:
            self._child.stderr.close()
        self._child = None


@contextmanager
def following(submit_dir: Path) -> Iterator[Follower]:
    """Follow a run for as long as the block lasts. The follower may need a moment more: see `Follower.finish`."""
    follower = Follower(submit_dir)
    try:
        yield follower
    finally:
        follower.release()


# --- the child ----------------------------------------------------------------


def main(submit_dir: Path) -> None:
    """Follow a run until standard input is closed. Says what goes wrong on standard error, each thing once."""
    os.nice(NICE)
    from markab.errors import MarkabError
    from markab.provenance.keeping import Keeper

    said: set[str] = set()
    try:
        keeper = Keeper(submit_dir)
    except MarkabError:  # no run, which the engine has told the user; or it was removed already
        return
    is_over = _closed_within(FIRST_PASS_S)
    while True:
        began_s = time.process_time()
        troubles = keeper.keep()
        if not submit_dir.exists():
            return
        for trouble in troubles:
            _say(trouble, said)
        if is_over:
            return
        pause_s = max(PAUSE_S, SHARE * (time.process_time() - began_s), AFTER_TROUBLE_S if troubles else 0.0)
        is_over = _closed_within(pause_s)


def _closed_within(seconds: float) -> bool:
    """Wait until the engine's process closes our standard input, or so long."""
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and not os.read(0, 4096)


def _say(trouble: str, said: set[str]) -> None:
    if trouble in said:
        return
    said.add(trouble)
    try:
        os.write(2, (" ".join(trouble.split()) + "\n").encode())
    except OSError:  # nobody listens any more
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]))
