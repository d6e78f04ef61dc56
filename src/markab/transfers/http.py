"""`http://` and `https://`: downloads that survive a cut connection.

A download goes to a temporary name. When the connection breaks, the rest is requested
(Range), under the condition that the file is still the same one (If-Range with its ETag or
its date); a server that cannot do that, or has another file now, sends all of it again.
"""

import hashlib
import http.client
import os
import re
import time
from typing import Any, Dict, Optional

from markab.errors import MarkabError, TransferRefused, TransferUnavailable, quoted
from markab.transfers.base import Moved, Scheme, Stop, check_stop, interruptible, redact
from markab.transfers.checksum import compare
from markab.transfers.copy_bytes import WriteFailed, write_all
from markab.transfers.credentials import read_credentials
from markab.transfers.http_request import Wire, open_url, request_error
from markab.transfers.os_errors import writing_failed
from markab.transfers.partial_file import PartialFile

_BLOCK_BYTES = 1 << 18
_MOST_WITHOUT_DATA = 3  # connections in a row that delivered nothing before the download fails


class Http(Scheme):
    """Downloads; nothing can be written over plain HTTP."""

    name = "http"

    def __init__(self, timeout_s: float = 60.0, pause_s: float = 0.5) -> None:
        """`timeout_s` is for connecting, and for each wait for more bytes."""
        self.timeout_s = timeout_s
        self.pause_s = pause_s

    def get(
        self,
        url: str,
        path: str,
        stop: Stop = None,
        sha256: Optional[str] = None,
        executable: bool = False,
        durable: bool = True,
        site: str = "",
    ) -> Moved:
        """Download `url`; the file at `path` is complete or not there."""
        check_stop(stop)
        download = _Download(url, path, read_credentials(site), self.timeout_s, self.pause_s)
        moved = interruptible(lambda: download.run(stop, sha256, executable, durable), stop, download.abort)
        assert isinstance(moved, Moved)
        return moved


class _Download(object):
    """One download: what has arrived, and how the rest is requested."""

    def __init__(
        self, url: str, path: str, sections: Dict[str, Dict[str, str]], timeout_s: float, pause_s: float
    ) -> None:
        self.url = url
        self.path = path
        self.sections = sections
        self.timeout_s = timeout_s
        self.pause_s = pause_s
        self.wire = Wire()
        self.digest = hashlib.sha256()
        self.at = 0
        self.total: Optional[int] = None
        self.validator = ""

    def abort(self) -> None:
        """Cut the connection, from another thread."""
        self.wire.cut()

    def run(self, stop: Stop, sha256: Optional[str], executable: bool, durable: bool) -> Moved:
        """Fetch all bytes, check them, and give them their name."""
        part: Optional[PartialFile] = None
        without_data = 0
        try:
            while True:
                before = self.at
                try:
                    response = self._open()
                    try:
                        if part is None:
                            part = PartialFile(self.path)
                        self._receive(response, part, stop)
                    finally:
                        response.close()
                    break
                except TransferUnavailable:
                    check_stop(stop)
                    without_data = without_data + 1 if self.at <= before else 0
                    # Without data there is nothing to resume, and the caller may have other sources.
                    if not self.at or without_data >= _MOST_WITHOUT_DATA:
                        raise
                    _pause(self.pause_s * 2**without_data, stop)
            check_stop(stop)
            actual = self.digest.hexdigest()
            if sha256:
                compare(redact(self.url), sha256, actual)
            part.commit(0o755 if executable else 0o644, durable)
            return Moved(self.at, actual)
        except WriteFailed as error:
            raise writing_failed(error.error, redact(self.url), self.path) from error.error
        except OSError as error:
            raise writing_failed(error, redact(self.url), self.path) from error
        finally:
            if part is not None:
                part.discard()

    def _open(self) -> http.client.HTTPResponse:
        """Request what is missing; if the server sends everything again, `at` is 0 afterwards."""
        extra = {}
        if self.at and self.validator:
            extra = {"Range": "bytes=%d-" % self.at, "If-Range": self.validator}
        response = open_url(self.url, self.wire, self.sections, extra, self.timeout_s)
        if response.status == 206 and extra and self._continues(response):
            return response
        self.at = 0
        self.digest = hashlib.sha256()
        if response.status != 200:
            # The answer is for another part than the one requested: request all of it.
            response.close()
            response = open_url(self.url, self.wire, self.sections, {}, self.timeout_s)
            if response.status != 200:
                response.close()
                raise TransferRefused(
                    "'%s': the server answers %d to a plain request" % (redact(self.url), response.status)
                )
        self.total = _length(response)
        etag = response.getheader("ETag") or ""
        self.validator = (etag if etag.startswith('"') else "") or response.getheader("Last-Modified") or ""
        return response

    def _continues(self, response: http.client.HTTPResponse) -> bool:
        content_range = re.match(r"bytes (\d+)-\d+/(\d+|\*)$", response.getheader("Content-Range") or "")
        if not content_range or int(content_range.group(1)) != self.at:
            return False
        if self.total is not None and content_range.group(2) not in ("*", str(self.total)):
            return False
        etag = response.getheader("ETag")
        return not (etag and self.validator.startswith('"') and etag != self.validator)

    def _receive(self, response: http.client.HTTPResponse, part: PartialFile, stop: Stop) -> None:
        """Write the bytes of an answer after those that are there."""
        _rewind(part, self.at)
        while True:
            check_stop(stop)
            block = self._read(response)
            if not block:
                break
            write_all(part.fd, block)
            self.digest.update(block)
            self.at += len(block)
        if self.total is not None and self.at != self.total:
            raise TransferUnavailable(
                "'%s': the connection was cut after %d of %d bytes" % (redact(self.url), self.at, self.total),
                "curl -sI %s" % quoted(redact(self.url)),
            )

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read1(_BLOCK_BYTES)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # ValueError and AttributeError: `abort` closed the response between two calls.
            raise _cut(error, self.url, self.at) from None


def _cut(error: Any, url: str, at: int) -> MarkabError:
    cause = request_error(error, url) if isinstance(error, (OSError, http.client.HTTPException)) else None
    why = cause.message if cause else "'%s': the connection was closed" % redact(url)
    return TransferUnavailable("%s, after %d bytes" % (why, at), "curl -sI %s" % quoted(redact(url)))


def _length(response: http.client.HTTPResponse) -> Optional[int]:
    """Return how many bytes the server announces; None if it sends chunks, or until it closes."""
    if (response.getheader("Transfer-Encoding") or "").lower() == "chunked":
        return None
    value = response.getheader("Content-Length") or ""
    return int(value) if value.isdigit() else None


def _rewind(part: PartialFile, at: int) -> None:
    os.ftruncate(part.fd, at)
    os.lseek(part.fd, at, os.SEEK_SET)


def _pause(seconds: float, stop: Stop) -> None:
    if stop is None:
        time.sleep(seconds)
    else:
        stop.wait(seconds)
        check_stop(stop)
