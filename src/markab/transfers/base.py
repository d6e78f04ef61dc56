"""The protocol of a URL scheme for transfers, and which scheme serves which URL.

A scheme is a small class with `get`, `put`, `exists`, `mkdir` and `remove`, as far as its
protocol has them. All of this package is standard library and Python 3.6 syntax only: it
also runs on nodes, inside the worker.
"""

import importlib
import os
import re
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union
from urllib.parse import quote, unquote

from markab.errors import MarkabError, TransferRefused

TRANSFER_THREADS = 2
"""Files that one transfer job moves at the same time, unless a property sets another number."""

TRANSFER_ATTEMPTS = 3
"""Tries of one transfer inside one attempt of its job, unless the mode sets another number."""

Stop = Optional[threading.Event]
"""Every long operation takes one and ends, with Cancelled, within a second after it is set."""


class Cancelled(MarkabError):
    """The caller cancelled a transfer; no partial file has the final name."""


class Moved(object):
    """The result of one transfer: its size and checksum, and whether only a link was made."""

    __slots__ = ("link", "sha256", "size_bytes")

    def __init__(self, size_bytes: int, sha256: Optional[str] = None, link: str = "") -> None:
        self.size_bytes = size_bytes
        self.sha256 = sha256
        self.link = link
        """"" (bytes were copied), "symlink", "move", or "same" (source and destination are one file)."""


class FileRequest(object):
    """One file of a batch: its URL and its path on this machine, in whichever direction it goes."""

    __slots__ = ("executable", "path", "sha256", "site", "url")

    def __init__(
        self, url: str, path: str, sha256: Optional[str] = None, executable: bool = False, site: str = ""
    ) -> None:
        self.url = url
        self.path = path
        self.sha256 = sha256
        self.executable = executable
        self.site = site


Outcome = Union[Moved, MarkabError]
"""The result for one file of a batch."""


class Scheme(object):
    """One protocol. An operation that it does not have stays as it is here: refused.

    `site` is always the label of the site at which `url` is, where credentials depend on it.
    Operations raise:

        TransferRefused: trying again will not help.
        TransferUnavailable: it may.
        StorageError: a disk is full.
        Cancelled: `stop` was set.
    """

    name = ""
    files_a_call = 1
    """How many files `get_many` and `put_many` are given at most. More than one where a call costs
    something by itself (a process, a login); such a scheme has its own `get_many` and `put_many`."""

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
        """Copy `url` to the local `path`, which appears complete or not at all.

        The result carries the checksum of what arrived. Parent directories are made.

        Args:
            sha256: what it must be; another checksum raises ChecksumMismatch and leaves `path` alone.
            executable: add the x bit for all users who may read.
            durable: when this returns, the file also survives a power loss.
        """
        raise self._cannot("read", url)

    def get_many(
        self, requests: Sequence[FileRequest], stop: Stop = None, durable: bool = True
    ) -> List[Outcome]:
        """Do `get` for each of at most `files_a_call` files; return the outcomes in their order.

        Never raises for a file: its error is its outcome, and the others are still transferred.
        """
        return [
            result_of(
                self.get,
                one.url,
                one.path,
                stop=stop,
                sha256=one.sha256,
                executable=one.executable,
                durable=durable,
                site=one.site,
            )
            for one in requests
        ]

    def put(
        self,
        path: str,
        url: str,
        stop: Stop = None,
        sha256: Optional[str] = None,
        durable: bool = True,
        site: str = "",
    ) -> Moved:
        """Copy the local `path` to `url`, which appears complete or not at all. Parents are made.

        Args:
            sha256: that of `path`, known to be right: for protocols that verify at the other end.
        """
        raise self._cannot("write", url)

    def put_many(
        self, requests: Sequence[FileRequest], stop: Stop = None, durable: bool = True
    ) -> List[Outcome]:
        """Do `put` for each file of a batch; as `get_many`."""
        return [
            result_of(
                self.put, one.path, one.url, stop=stop, sha256=one.sha256, durable=durable, site=one.site
            )
            for one in requests
        ]

    def exists(
        self, url: str, size_bytes: Optional[int] = None, stop: Stop = None, site: str = ""
    ) -> Optional[bool]:
        """Return whether a file exists, and has that size if one is given; None if the protocol cannot answer."""
        return None

    def mkdir(self, url: str, stop: Stop = None, site: str = "") -> None:
        """Make a directory and its parents. One that exists is no error."""
        raise self._cannot("make directories at", url)

    def remove(
        self, url: str, recursive: bool = False, stop: Stop = None, site: str = "", last: str = ""
    ) -> int:
        """Remove a file, or a whole directory; return the number removed. One that does not exist is no error.

        Args:
            last: name of the file in the directory that is removed after everything else in it, so that after
                an interruption the directory can still be identified.
        """
        raise self._cannot("remove", url)

    def clean(
        self, url: str, names: Sequence[str], stop: Stop = None, site: str = ""
    ) -> Tuple[int, List[MarkabError]]:
        """Remove files below a directory by their relative names; return the number removed, and the errors.

        Nothing outside of the directory is ever removed. A file that does not exist is no error.
        Directories below it that become empty stay, unless the scheme has a `clean` of its own that
        removes them.
        """
        removed = 0
        errors: List[MarkabError] = []
        for name in names:
            if ".." in name.split("/"):
                errors.append(TransferRefused("'%s' is outside of '%s': not removed" % (name, redact(url))))
                continue
            try:
                removed += self.remove(url_below(url, name), stop=stop, site=site)
            except Cancelled:
                raise
            except MarkabError as error:
                errors.append(error)
        return removed, errors

    def _cannot(self, verb: str, url: str) -> TransferRefused:
        return TransferRefused(
            "cannot %s '%s': %s URLs do not allow it here" % (verb, redact(url), self.name),
            "use a file:// URL or a path in its place",
        )


def result_of(move: Callable[..., Moved], *args: Any, **named: Any) -> Outcome:
    """Return what `move` returns or the error that it raises."""
    try:
        return move(*args, **named)
    except MarkabError as error:
        return error


_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_LOCAL = ("file", "symlink", "moveto")

_registry: Dict[str, Union[Scheme, Tuple[str, str]]] = {
    "file": ("markab.transfers.local", "Local"),
    "symlink": ("markab.transfers.local", "Local"),
    "moveto": ("markab.transfers.local", "Local"),
    "http": ("markab.transfers.http", "Http"),
    "https": ("markab.transfers.http", "Http"),
    "docker": ("markab.transfers.image_registry", "ImageRegistry"),
    "library": ("markab.transfers.image_registry", "ImageRegistry"),
    "oras": ("markab.transfers.image_registry", "ImageRegistry"),
    "shub": ("markab.transfers.image_registry", "ImageRegistry"),
}


def register_scheme(name: str, scheme: Scheme) -> None:
    """Let `scheme` serve the URLs that begin with `name://`."""
    _registry[name.lower()] = scheme


def schemes() -> Tuple[str, ...]:
    """Return the names of all supported schemes."""
    return tuple(sorted(_registry))


def scheme_of(url: str) -> str:
    """Return the scheme of a URL, in lower case; a plain path is a "file"."""
    match = None if url.startswith("/") else _PREFIX.match(url)
    return match.group(1).lower() if match else "file"


def is_local(url: str) -> bool:
    """Return whether `url` is a path on this machine (file, symlink, moveto, or no scheme at all)."""
    return url.startswith(("/", "file:///")) or scheme_of(url) in _LOCAL


def handler_for(url: str) -> Scheme:
    """Return the scheme that serves `url`; its module is imported only now.

    Raises:
        TransferRefused: its scheme is not supported.
    """
    name = scheme_of(url)
    scheme = _registry.get(name)
    if scheme is None:
        raise TransferRefused(
            "unsupported URL scheme '%s' (needed for '%s')" % (name, redact(url)),
            "give the file another place; supported: %s" % ", ".join(schemes()),
        )
    if isinstance(scheme, tuple):
        module, class_name = scheme
        scheme = _registry[name] = getattr(importlib.import_module(module), class_name)()
        scheme.name = name
    return scheme


def quoted_path(path: str) -> str:
    """Return a path with %XX escapes for the characters that may not stand in the path of a URL."""
    return quote(path, safe="/~+,:@!$&'()*;=")


def url_below(url: str, path: str) -> str:
    """Return the URL of what is at the relative `path`, not yet quoted, below the directory `url`."""
    return "%s/%s" % (url.rstrip("/"), quoted_path(path))


def path_of(url: str) -> str:
    """Return the path that a file, symlink or moveto URL, or a plain path, means.

    In a URL, %XX escapes are undone, and a host must be this machine. A plain path is taken as it is.

    Raises:
        TransferRefused: the URL names another machine, or no path at all.
    """
    match = None if url.startswith(("/", "file:///")) else _PREFIX.match(url)
    if url.startswith("/"):
        path = url
    elif url.startswith("file:///"):
        path = unquote(url[7:])
    elif not match:
        path = unquote(url[5:]) if url.startswith("file:/") else url
    elif match.group(1).lower() not in _LOCAL:
        raise TransferRefused("'%s' is not a local file" % redact(url))
    else:
        host, slash, rest = url[match.end() :].partition("/")
        if host and host != "localhost" and not _is_this_machine(host):
            raise TransferRefused(
                "'%s' is on the machine '%s', and this is '%s'" % (url, host, os.uname().nodename),
                "write file:///%s if the path is the same here" % rest,
            )
        path = unquote(slash + rest)
    if not path or "\0" in path:
        raise TransferRefused("'%s' names no file" % url.replace("\0", "\\0"))
    return path


def _is_this_machine(host: str) -> bool:
    here = os.uname().nodename.lower()
    return host.lower() in (here, here.partition(".")[0], "127.0.0.1")


_USER = re.compile(r"(?<=://)[^/?#\s]*@")
_SECRET = re.compile(
    r"(?i)([?&][^=&#\s]*(?:token|signature|sig|secret|passw|credential|key|auth)[^=&#\s]*=)[^&#\s]*"
)


def redact(text: str) -> str:
    """Return `text` without what could be a password in its URLs: user parts, and query values named so."""
    if "://" not in text or not ("@" in text or "?" in text or "&" in text):
        return text
    return _SECRET.sub(r"\1***", _USER.sub("", text))


def check_stop(stop: Stop) -> None:
    """Raise Cancelled if `stop` is set."""
    if stop is not None and stop.is_set():
        raise Cancelled("the transfer was cancelled")


def interruptible(call: Callable[[], Any], stop: Stop, abort: Callable[[], None]) -> Any:
    """Return `call()`, or raise what it raises; raise Cancelled soon after `stop` is set.

    For calls that block and cannot be interrupted (name lookup, connecting). On `stop`, `abort`
    is called to end the call; if that takes more than half a second, the call goes on in its
    daemon thread, and must clean up after itself.
    """
    if stop is None:
        return call()
    done = threading.Event()
    outcome: Dict[str, Any] = {}

    def work() -> None:
        try:
            outcome["value"] = call()
        except BaseException as error:  # handed to the caller's thread, which raises it
            outcome["error"] = error
        finally:
            done.set()

    threading.Thread(target=work, name="transfer", daemon=True).start()
    while not done.wait(0.1):
        if stop.is_set():
            abort()
            done.wait(0.5)
            raise Cancelled("the transfer was cancelled")
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def name_of(url: str) -> str:
    """Return the name of a place in messages: a local file by its path, another by its URL without secrets."""
    if url.startswith("/"):
        return url
    if not is_local(url):
        return redact(url)
    try:
        return path_of(url)
    except TransferRefused:
        return url
