"""Why an attempt cannot go on: an exception on the way, an entry of the record at the end."""

import errno
import os
from typing import Any, Dict, List, Tuple

from markab.errors import ChecksumMismatch, MarkabError, StorageError, TransferError, TransferRefused
from markab.transfers.base import Cancelled

_STORAGE_HINTS = {
    errno.ENOSPC: "the disk is full: free some space, or name a scratch directory on another disk",
    errno.EDQUOT: "your quota is used up: remove files, or name a scratch directory elsewhere",
    errno.EROFS: "the file system is mounted read-only: name a scratch directory elsewhere",
    errno.EACCES: "give yourself the right to write there, or name a scratch directory elsewhere",
    errno.EPERM: "give yourself the right to write there, or name a scratch directory elsewhere",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}


class Trouble(Exception):
    """One reason for which an attempt fails; `kind` is one of those listed in record.py."""

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        super(Trouble, self).__init__(kind, message, hint)
        self.kind = kind
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def entry(self) -> Dict[str, Any]:
        """Return it as the record writes it."""
        entry = {"kind": self.kind, "message": self.message}
        if self.hint:
            entry["hint"] = self.hint
        return entry


def storage_trouble(doing: str, error: OSError) -> Trouble:
    """Return the trouble of a disk that does not do as asked; `doing` is like "cannot make '/x'"."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return Trouble("storage", "%s: %s" % (doing, reason), _STORAGE_HINTS.get(error.errno or 0, ""))


def trouble_of(error: MarkabError) -> Trouble:
    """Return the trouble that stands for an error of moving files."""
    kinds = (
        (Cancelled, "cancelled"),
        (ChecksumMismatch, "checksum"),
        (StorageError, "storage"),
        (TransferRefused, "refused"),
        (TransferError, "transfer"),
    )
    kind = next((kind for type_, kind in kinds if isinstance(error, type_)), "internal")
    return Trouble(kind, str(error), error.hint)


def sorted_out(moved: List[Dict[str, Any]]) -> Tuple[List[Dict[str, Any]], List[Trouble]]:
    """Return what `move_all` says as what arrived, and why the rest did not."""
    arrived = [item for item in moved if "error" not in item]
    errors = [item["error"] for item in moved if "error" in item]
    return arrived, [Trouble(error["kind"], error["message"], error.get("hint", "")) for error in errors]
