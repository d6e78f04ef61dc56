"""A small web server on the loopback interface that stands for the API of a cloud, and fails on demand."""

from __future__ import annotations

import json
import ssl
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, Any]


class Call(NamedTuple):
    """A request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class FakeApi:
    """What both clouds have in common: a lock, a server, and faults."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.calls: list[Call] = []
        self.faults: dict[str, deque[Answer | str]] = {}
        """Kind of call → what its next calls do: an answer, or `slow` (none within the client's time), `cut`
        (nothing is done), `lost` (it is done, and the answer is lost)."""
        self.created: list[str] = []
        """Ids of the jobs that were taken, those that are gone included."""
        self.released = threading.Event()
        """Ends calls that are slow."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(size)
                parts = urlsplit(self.path)
                call = Call(
                    self.command,
                    parts.path,
                    dict(parse_qsl(parts.query)),
                    json.loads(text) if text else None,
                    {key.lower(): value for key, value in self.headers.items()},
                )
                answer = api.serve(call)
                self.close_connection = True
                if answer is None:
                    return
                body = json.dumps(answer[1]).encode()
                self.send_response(answer[0])
                for key, value in api.headers_of(answer).items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def serve(self, call: Call) -> Answer | None:
        """Return the answer to a call; None: the connection is cut."""
        kind = self.kind_of(call)
        with self.lock:
            self.calls.append(call)
            pending = self.faults.get(kind)
            fault = pending.popleft() if pending else ""
        if fault == "slow":
            self.released.wait(60)
            return None
        if fault == "cut":
            return None
        if isinstance(fault, tuple):
            return fault
        with self.lock:
            answer = self.answer(kind, call)
        return None if fault == "lost" else answer

    def fail(self, kind: str, *faults: Answer | str) -> None:
        """Let the next calls of a kind fail."""
        with self.lock:
            self.faults.setdefault(kind, deque()).extend(faults)

    def count(self, kind: str) -> int:
        """Return how many calls of a kind arrived."""
        with self.lock:
            return sum(self.kind_of(call) == kind for call in self.calls)

    def wrap(self, tls: ssl.SSLContext) -> None:
        """Serve by https from now on."""
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    def kind_of(self, call: Call) -> str:
        """Return what a call is for."""
        raise NotImplementedError

    def answer(self, kind: str, call: Call) -> Answer:
        """Do what a call asks for."""
        raise NotImplementedError

    def headers_of(self, answer: Answer) -> dict[str, str]:
        """Return the headers of an answer."""
        return {"Content-Type": "application/json"}

    def close(self) -> None:
        """Stop serving."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
