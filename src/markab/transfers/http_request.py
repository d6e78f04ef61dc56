"""One HTTP request: its connection, its redirects, and the errors it can end with."""

import email.utils
import http.client
import re
import socket
import time
from typing import Any, Dict, Optional
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit, urlunsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from markab.errors import MarkabError, TransferRefused, TransferUnavailable, quoted
from markab.transfers.base import redact
from markab.transfers.credentials import headers_for

MOST_REDIRECTS = 10
LONGEST_WAIT_S = 300.0
"""The longest time to wait for a server, even if its Retry-After is longer."""

_REDIRECTS = (301, 302, 303, 307, 308)
_TRY_AGAIN = (408, 423, 425, 429)


class Busy(TransferUnavailable):
    """The server cannot serve the request now; `retry_after_s` is the wait that it asks for."""

    retry_after_s = 0.0


class Wire(object):
    """The connection of a request under way, so that another thread can cut it."""

    def __init__(self) -> None:
        self.connection: Optional[http.client.HTTPConnection] = None
        self.socket: Optional[socket.socket] = None
        self.is_cut = False

    def cut(self) -> None:
        """End the request: the thread that reads from it gets an error or the end."""
        self.is_cut = True
        wire = self.socket or getattr(self.connection, "sock", None)
        if wire is not None:
            try:
                wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself


def open_url(
    url: str, wire: Wire, sections: Dict[str, Dict[str, str]], extra: Dict[str, str], timeout_s: float
) -> http.client.HTTPResponse:
    """Request `url`, follow its redirects, and return the answer with status 200, 206 or 416.

    Each hop gets the credentials of its own host and no others.

    Raises:
        TransferRefused, TransferUnavailable, Busy: by the kind of error; messages have no secrets.
    """
    here = url
    for _ in range(MOST_REDIRECTS + 1):
        response = _send(here, url, wire, sections, extra, timeout_s)
        if response.status not in _REDIRECTS:
            if response.status in (200, 206, 416):
                return response
            raise _status_error(response, url)
        target = response.getheader("Location")
        response.close()
        if not target:
            raise TransferRefused("'%s' answers with a redirect that names no URL" % redact(url))
        here = _next_hop(here, target, url)
    raise TransferRefused(
        "'%s' redirects more than %d times; the last is '%s'" % (redact(url), MOST_REDIRECTS, redact(here)),
        "curl -sIL %s" % quoted(redact(url)),
    )


def request_error(error: BaseException, url: str, here: str = "") -> MarkabError:
    """Return the error for a request that got no answer, or whose answer broke off.

    `here` is the URL to which redirects led.
    """
    reason = error.reason if isinstance(error, URLError) else error
    if "CERTIFICATE_VERIFY_FAILED" in str(reason):
        return TransferRefused(
            "'%s': the server's certificate is not trusted" % redact(url),
            "set SSL_CERT_FILE to the certificates of its authority",
        )
    if isinstance(reason, http.client.InvalidURL) or isinstance(error, ValueError):
        return TransferRefused("'%s' is not a URL that can be requested" % redact(url))
    if isinstance(reason, socket.timeout):
        text = "no answer in time"
    elif isinstance(reason, socket.gaierror):
        text = "the host '%s' is not known (%s)" % (urlsplit(here or url).hostname, reason.strerror)
    elif isinstance(reason, OSError):
        text = reason.strerror or str(reason)
    elif isinstance(reason, str):
        text = reason
    else:
        text = "the server broke off (%s)" % type(reason).__name__
    return TransferUnavailable("'%s': %s" % (redact(url), redact(text)), "curl -sI %s" % quoted(redact(url)))


def _next_hop(here: str, target: str, url: str) -> str:
    there = urljoin(_without_user(here), target)
    old, new = urlsplit(here).scheme.lower(), urlsplit(there).scheme.lower()
    if new not in ("http", "https") or (old == "https" and new != "https"):
        raise TransferRefused(
            "'%s' redirects from %s to '%s', which is not allowed" % (redact(url), old, redact(there)),
            "if you trust that server, register its URL as the replica",
        )
    before, after = urlsplit(here), urlsplit(there)
    if before.username and (old, before.hostname, before.port) == (new, after.hostname, after.port):
        user = before.netloc.rpartition("@")[0]
        there = urlunsplit(after._replace(netloc="%s@%s" % (user, after.netloc.rpartition("@")[2])))
    return there


def _send(
    here: str,
    url: str,
    wire: Wire,
    sections: Dict[str, Dict[str, str]],
    extra: Dict[str, str],
    timeout_s: float,
) -> http.client.HTTPResponse:
    try:
        headers = {"User-Agent": "markab", "Accept": "*/*", "Accept-Encoding": "identity"}
        headers.update(extra)
        request = Request(_clean(here), headers=headers)
        for name, value in headers_for(here, sections).items():
            request.add_unredirected_header(name, value)
        response = _opener(wire).open(request, timeout=timeout_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Not chained: the text of these errors may quote the URL with its password.
        raise request_error(error, url, here) from None
    assert isinstance(response, http.client.HTTPResponse)
    return response


def _status_error(response: http.client.HTTPResponse, url: str) -> MarkabError:
    status, reason = response.status, response.reason
    message = "'%s': the server answers %d %s" % (redact(url), status, reason)
    wait_s = _retry_after_s(response.getheader("Retry-After"))
    response.close()
    if status in _TRY_AGAIN or status >= 500:
        busy = Busy(message, "curl -sI %s" % quoted(redact(url)))
        busy.retry_after_s = wait_s
        return busy
    if status in (401, 403):
        host = urlsplit(url).hostname
        return TransferRefused(
            message, "write user and password to ~/.pegasus/credentials.conf below [%s]" % host
        )
    if status == 407:
        return TransferRefused(message, "put user and password of the proxy into https_proxy")
    return TransferRefused(message, "curl -sIL %s" % quoted(redact(url)))


def _retry_after_s(value: Optional[str]) -> float:
    """Read a Retry-After header: seconds, or a date."""
    if not value:
        return 0.0
    if re.match(r"\d{1,9}$", value.strip()):
        return min(float(value), LONGEST_WAIT_S)
    parsed = email.utils.parsedate_tz(value)
    if parsed is None:
        return 0.0
    return min(max(0.0, email.utils.mktime_tz(parsed) - time.time()), LONGEST_WAIT_S)


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _clean(url: str) -> str:
    """Drop user and fragment, and escape what may not stand in a URL; escapes in it are kept."""
    parts = urlsplit(_without_user(url))
    if not parts.hostname or parts.port == 0:
        raise ValueError("no host")
    path = quote(parts.path or "/", safe="%/:=&~+!$,;'@()*")
    query = quote(parts.query, safe="%/:=&?~+!$,;'@()*[]")
    return urlunsplit((parts.scheme.lower(), parts.netloc, path, query, ""))


def _opener(wire: Wire) -> OpenerDirector:
    """Return an opener that goes through the proxies of the environment, and returns any answer as it is."""

    def recording(base: Any) -> Any:
        class Connection(base):  # type: ignore[misc]
            def connect(self) -> None:
                wire.connection, wire.socket = self, None
                base.connect(self)
                wire.socket = self.sock
                if wire.is_cut:
                    raise OSError("cancelled")

        return Connection

    class Plain(HTTPHandler):
        def http_open(self, request: Request) -> http.client.HTTPResponse:
            return self.do_open(recording(http.client.HTTPConnection), request)

    class Secure(HTTPSHandler):
        def https_open(self, request: Request) -> http.client.HTTPResponse:
            return self.do_open(recording(http.client.HTTPSConnection), request)

    opener = OpenerDirector()
    for handler in (ProxyHandler(), Plain(), Secure()):
        opener.add_handler(handler)
    return opener
