"""Calls of the API of Kubernetes: one request, one answer, in JSON."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from markab.executors.kubernetes.kubeconfig import ApiAccess
from markab.executors.remote.batch_service import NoAnswer
from markab.executors.remote.batch_systems.spelling import one_line

TIMEOUT_S = 60.0
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What the API said."""

    status: int
    body: bytes

    @property
    def is_ok(self) -> bool:
        """It did what was asked."""
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """Its own words, in one line, for a message."""
        text = ""
        try:
            said = json.loads(self.body)
            text = str(said.get("message") or said.get("reason") or "")
        except (ValueError, AttributeError, RecursionError):
            text = self.body[:500].decode("utf-8", "replace")
        name = http.client.responses.get(self.status, "")
        return one_line(f"{self.status} {name}: {text}" if text and text != name else f"{self.status} {name}")


class ApiClient:
    """Asks one server. Credentials that are refused are read anew, once a call: those of clouds expire within the hour."""

    def __init__(self, find_access: Callable[[], ApiAccess], timeout_s: float = TIMEOUT_S) -> None:
        self._find_access = find_access
        self._timeout_s = timeout_s
        self._access: ApiAccess | None = None

    def access(self) -> ApiAccess:
        """Return how the server is reached. Raises NoAccess."""
        if self._access is None:
            self._access = self._find_access()
        return self._access

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> ApiAnswer:
        """Return the answer to a request, whatever its status.

        Raises:
            NoAnswer: it cannot be known what it did, if anything.
            NoAccess: there are no credentials.
        """
        is_old = self._access is not None
        answer = self._call(method, path, query, body)
        if answer.status == UNAUTHORIZED:
            self._access = None
            if is_old:
                answer = self._call(method, path, query, body)
        return answer

    def _call(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> ApiAnswer:
        access = self.access()
        url = urlsplit(access.server)
        title = f"the API at '{access.server}'"
        target = url.path.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": "application/json", **access.headers}
        try:
            connection = self._connection(access, url.hostname or "", url.port)
            try:
                connection.request(method, target, json.dumps(body) if body is not None else None, headers)
                response = connection.getresponse()
                return ApiAnswer(response.status, response.read())
            finally:
                connection.close()
        except TimeoutError:
            raise NoAnswer(f"{title} did not answer within {self._timeout_s:.0f} s") from None
        except ssl.SSLCertVerificationError as error:
            raise NoAnswer(
                f"{title} has a certificate that is not trusted: {error.verify_message}"
            ) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NoAnswer(
                f"{title} cannot be reached: {one_line(str(error)) or type(error).__name__}"
            ) from error

    def _connection(self, access: ApiAccess, host: str, port: int | None) -> http.client.HTTPConnection:
        if access.context is None:
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        return _NamedConnection(host, port, self._timeout_s, access.context, access.server_name)


class _NamedConnection(http.client.HTTPSConnection):
    """One whose certificate may have another name than the URL."""

    def __init__(
        self, host: str, port: int | None, timeout_s: float, context: ssl.SSLContext, server_name: str
    ) -> None:
        super().__init__(host, port, timeout=timeout_s, context=context)
        self._tls, self._server_name = context, server_name

    def connect(self) -> None:
        """Connect, and check the certificate."""
        if not self._server_name:
            super().connect()
            return
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._server_name)
