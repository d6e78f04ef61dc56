"""Why an attempt fails: an exception on the way, an entry of the record at the end."""

import errno
import os
from typing import Any, Dict, List, Tuple

from markab.errors import MarkabError
from markab.transfers.base import redact
from markab.transfers.error_kinds import ErrorKind, error_entry, kind_of

_STORAGE_HINTS = {
    errno.ENOSPC: "the disk is full: free some space, or name a scratch directory on another disk",
    errno.EDQUOT: "your quota is used up: remove files, or name a scratch directory elsewhere",
    errno.EROFS: "the file system is mounted read-only: name a scratch directory elsewhere",
    errno.EACCES: "give yourself the right to write there, or name a scratch directory elsewhere",
    errno.EPERM: "give yourself the right to write there, or name a scratch directory elsewhere",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}


class AttemptFailed(Exception):
    """One reason for which an attempt fails; `kind` is one of `ErrorKind`, `lfn` the file that did not arrive."""

    def __init__(self, kind: str, message: str, hint: str = "", lfn: str = "") -> None:
        super(AttemptFailed, self).__init__(kind, message, hint, lfn)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.lfn = lfn

    def __str__(self) -> str:
        return self.message

    def entry(self) -> Dict[str, Any]:
        """Return it as the record has it."""
        entry = error_entry(self.kind, self.message, self.hint)
        if self.lfn:
            entry["lfn"] = self.lfn
        return entry


def storage_error(doing: str, error: OSError) -> AttemptFailed:
    """Return the error for a disk that refuses something; `doing` is like "cannot make '/x'"."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return AttemptFailed(
        ErrorKind.STORAGE, "%s: %s" % (doing, reason), _STORAGE_HINTS.get(error.errno or 0, "")
    )


def transfer_error(error: MarkabError) -> AttemptFailed:
    """Return the error of an attempt that stands for an error of moving files."""
    return AttemptFailed(kind_of(error), redact(str(error)), redact(error.hint))


def arrived_and_failed(moved: List[Dict[str, Any]]) -> Tuple[List[Dict[str, Any]], List[AttemptFailed]]:
    """Return the entries of `move_all` whose file arrived, and the errors of the others."""
    arrived = [entry for entry in moved if "error" not in entry]
    errors = [(entry["error"], entry["lfn"]) for entry in moved if "error" in entry]
    return arrived, [
        AttemptFailed(error["kind"], error["message"], error.get("hint", ""), lfn) for error, lfn in errors
    ]
