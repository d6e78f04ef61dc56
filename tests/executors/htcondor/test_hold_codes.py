from __future__ import annotations

import errno

import pytest

from markab.executors.htcondor import hold_codes
from markab.executors.htcondor.hold_codes import hold_kind
from markab.transfers.error_kinds import ErrorKind

KINDS = {value for name, value in vars(ErrorKind).items() if name.isupper()}


@pytest.mark.parametrize(
    ("code", "subcode", "reason", "kind"),
    [
        (1, 0, "via condor_hold", ""),
        (3, 0, "The job attribute OnExitHold expression evaluated to TRUE", ""),
        (6, errno.ENOENT, "Failed to execute", "no-program"),
        (6, errno.EACCES, "Failed to execute", "not-executable"),
        (12, errno.ENOENT, "Transfer output files failure", "transfer"),
        (13, errno.ENOSPC, "Transfer input files failure", "storage"),
        (16, None, "Spooling input data files", ""),
        (26, 0, "SYSTEM_PERIODIC_HOLD", ""),
        (34, 102, "Job has gone over cgroup memory limit of 128 megabytes", "memory"),
        (34, 104, "Job has exceeded its disk limit", "storage"),
        (46, 0, "job duration exceeded", "timeout"),
        (47, 0, "job exceeded allowed execute duration of 0+00:00:05", "timeout"),
        (4711, 0, "a reason of the future", ""),
        (None, None, "", ""),
    ],
)
def test_a_hold_is_waited_out_or_is_an_error_of_a_kind(
    code: int | None, subcode: int | None, reason: str, kind: str
) -> None:
    assert hold_kind(code, subcode, reason) == kind


def test_every_kind_of_the_table_is_one_that_records_have() -> None:
    assert {*hold_codes._KINDS.values(), *hold_codes._BY_ERRNO.values()} <= KINDS
