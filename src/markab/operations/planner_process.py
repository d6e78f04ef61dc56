"""A process that plans sub-workflows of a run, as its engine sees it: started with the first request, and again when it was killed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from markab.engine.child_planner import PlanAnswer, PlanRequest
from markab.transfers.error_kinds import ErrorKind

_BOOT = """import sys
if sys.path[:1] == [""]:  # the current directory: a copy.py of the user's is not the library's
    del sys.path[0]
from markab.operations.child_planning import main
main()
"""
COMMAND = (sys.executable, "-c", _BOOT)
ENDS_BORNE = 3
"""How often the process may end while it plans one workflow, before that counts as failed."""


class PlannerProcess:
    """See `ChildPlanner`; it plans one workflow after the other."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        """Make one; no process is started yet."""
        self._command = [*command, str(os.getpid())]
        self._process: subprocess.Popen[bytes] | None = None
        self._poll = select.epoll()
        self._requests: dict[tuple[str, int, int], PlanRequest] = {}
        """Those that are not answered yet, oldest first."""
        self._unsent: list[PlanRequest] = []
        self._buffer = b""
        self._answers: list[PlanAnswer] = []
        self._ends = 0
        """How often the process ended since the last answer."""

    def request(self, request: PlanRequest) -> None:
        """See `ChildPlanner.request`."""
        self._requests[request.attempt] = request
        self._unsent.append(request)
        self._send()

    def answers(self) -> Sequence[PlanAnswer]:
        """See `ChildPlanner.answers`."""
        if self._process is not None and self._requests:
            self._read(self._process)
        answers, self._answers = self._answers, []
        return answers

    def fileno(self) -> int:
        """See `ChildPlanner.fileno`."""
        return self._poll.fileno()

    def close(self) -> None:
        """See `ChildPlanner.close`."""
        self._end_process()
        if not self._poll.closed:
            self._poll.close()

    # -- the process ---------------------------------------------------------------

    def _send(self) -> None:
        """Give the process its next workflow, when it has none: so it never has more in its pipe than it can hold."""
        if len(self._unsent) < len(self._requests) or not self._unsent:
            return
        if self._process is None:
            self._start()
        assert self._process is not None and self._process.stdin is not None
        request = self._unsent.pop(0)
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        except OSError:  # it has ended, which is noticed when its answer is read
            pass

    def _start(self) -> None:
        self._process = process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the engine
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self._poll.register(process.stdout, select.EPOLLIN)
        self._buffer = b""

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        while True:
            try:
                data = os.read(process.stdout.fileno(), 1 << 16)
            except BlockingIOError:
                return
            if not data:
                self._ended()
                return
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            for line in lines:
                self._ends = 0
                answer = msgspec.json.decode(line, type=PlanAnswer)
                if self._requests.pop(answer.attempt, None) is not None:
                    self._answers.append(answer)
                self._send()

    def _ended(self) -> None:
        """Have the workflow planned again that the process had when it ended; after several times, that has failed."""
        self._end_process()
        self._ends += 1
        first = next(iter(self._requests.values()))
        if self._ends > ENDS_BORNE:
            self._ends = 0
            del self._requests[first.attempt]
            why = f"the process that plans it ended unexpectedly, {ENDS_BORNE + 1} times"
            self._answers.append(PlanAnswer(first.attempt, ErrorKind.INTERNAL, why))
        else:
            self._unsent.insert(0, first)
        self._send()

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        self._poll.unregister(process.stdout)
        process.kill()
        process.wait()
        process.stdout.close()
        try:
            process.stdin.close()
        except OSError:
            pass
