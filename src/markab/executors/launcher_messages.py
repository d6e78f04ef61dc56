"""The messages between the engine and its launcher: marshalled tuples, each after its length in 4 bytes.

`marshal` because both are the same Python, and it is fast and needs no import.

Engine → launcher:

    ("environ", environ)                             first: what all processes get
    ("start", cwd, environ, commands)                a series, with it, as SCM_RIGHTS, descriptors for the three streams
    ("signal", number, signal)                       to the process group; nothing when it has ended. Its series ends with it
    nothing more (the stream ends)                   kill everything, and end

Launcher → engine: a list of such tuples at a time:

    ("ended", number, pid, status, start, duration_s, usage, left)
    ("refused", number, errno)                       the system does not start it
    ("unstarted", number)                            its series ended before
    ("broken", text)                                 a bug: the launcher ends

`commands` are (number, program, argv, environ); they run one after the other until one fails, and are reported together.
A series that takes long ends early, so that the engine can decide anew. `number` is the engine's choice and unique; the
`environ` of a command comes on top of that of "start", and this on top of the first; `status` and `usage` are what `wait4`
gave; `left`: the process left others behind.
"""

from __future__ import annotations

import marshal

TYPE_CHECKING = False  # `typing` takes a megabyte, which would count as memory of every task
if TYPE_CHECKING:
    from typing import Any


def encode(message: Any) -> bytes:
    """Return the bytes that stand for a message on the stream."""
    body = marshal.dumps(message)
    return len(body).to_bytes(4, "little") + body


class Decoder:
    """Decodes the messages of a stream that arrives in pieces."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """Return the messages that are complete now."""
        pending = self._pending
        pending += data
        messages = []
        begin = 0
        while len(pending) - begin >= 4:
            end = begin + 4 + int.from_bytes(pending[begin : begin + 4], "little")
            if end > len(pending):
                break
            messages.append(marshal.loads(bytes(pending[begin + 4 : end])))
            begin = end
        del pending[:begin]
        return messages
