"""The record of an attempt whose site did not take it: what the site said, and what to do about it."""

from __future__ import annotations

from markab.executors.base import Record
from markab.transfers.error_kinds import ErrorKind, error_entry

_HINT = (
    "correct what the job asks for (queue, project, cores, memory, time), or what the catalog says of site %r,"
    " and plan again"
)


def refused_record(site: str, message: str, hint: str = "", kind: str = ErrorKind.REFUSED) -> Record:
    """Return the record of an attempt that would be refused again, as long as request and site stay the same."""
    return {"ok": False, "error": error_entry(kind, message, hint or _HINT % site)}
