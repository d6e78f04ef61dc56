"""What it means that HTCondor holds a job: which reasons go away by waiting, and what kind of error the others are. Pure.

Source: "HoldReasonCode" in the list of job attributes of the HTCondor manual.
"""

from __future__ import annotations

import errno

from markab.transfers.error_kinds import ErrorKind

SPOOLING = 16
"""Its files are being sent to the schedd: it is released by itself."""

_KINDS = {
    4: ErrorKind.REFUSED,  # its credential is invalid
    6: ErrorKind.NOT_EXECUTABLE,  # the starter cannot start it
    7: ErrorKind.STORAGE,  # its stdout or stderr cannot be opened
    8: ErrorKind.STORAGE,  # its stdin
    9: ErrorKind.STORAGE,
    10: ErrorKind.STORAGE,
    11: ErrorKind.TRANSFER,  # a side of the transfer of files gave an answer that cannot be read
    12: ErrorKind.TRANSFER,  # what it made does not come back
    13: ErrorKind.TRANSFER,  # what it needs does not get there
    14: ErrorKind.STORAGE,  # its directory on the submit host is not accessible
    18: ErrorKind.TRANSFER,
    19: ErrorKind.INTERNAL,  # a hook of the node failed
    22: ErrorKind.STORAGE,  # the log of events cannot be written
    23: ErrorKind.REFUSED,  # the account does not exist at the node
    32: ErrorKind.TRANSFER,  # its inputs are larger than the site permits
    33: ErrorKind.TRANSFER,  # its outputs are
    35: ErrorKind.CONTAINER,  # the image cannot be used
    43: ErrorKind.PRE_SCRIPT,
    44: ErrorKind.POST_SCRIPT,
    45: ErrorKind.CONTAINER,  # the test of Apptainer at the node failed
    46: ErrorKind.TIMEOUT,  # longer than `allowed_job_duration`
    47: ErrorKind.TIMEOUT,  # longer than `allowed_execute_duration`
}
"""Code → kind of error, of what is no different after waiting."""

LASTING = tuple(sorted(_KINDS))
"""The codes in that table, whatever else is known of a hold."""

_BY_ERRNO = {
    (6, errno.ENOENT): ErrorKind.NO_PROGRAM,
    (12, errno.ENOSPC): ErrorKind.STORAGE,
    (13, errno.ENOSPC): ErrorKind.STORAGE,
    (12, errno.EDQUOT): ErrorKind.STORAGE,
    (13, errno.EDQUOT): ErrorKind.STORAGE,
}

_OUT_OF_RESOURCES = 34


def hold_kind(code: int | None, subcode: int | None = None, reason: str = "") -> str:
    """Return the kind of error of a job that is held; "": it may run on, when a person, a policy or the site releases it.

    Args:
        code: HoldReasonCode.
        subcode: HoldReasonSubCode; for most codes the errno.
        reason: HoldReason.
    """
    if code == _OUT_OF_RESOURCES:
        return ErrorKind.MEMORY if "memory" in reason.lower() else ErrorKind.STORAGE
    if code is None:
        return ""
    return _BY_ERRNO.get((code, subcode or 0)) or _KINDS.get(code, "")
