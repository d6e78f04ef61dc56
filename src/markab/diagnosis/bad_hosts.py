"""Hosts on which jobs fail that succeed elsewhere: a failure that no message explains is then most likely the host's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from markab.diagnosis.cause_group import CauseGroup
from markab.diagnosis.failure_rules import BAD_HOST, LIKELY, POSSIBLE, UNKNOWN
from markab.diagnosis.siblings import succeeded_siblings
from markab.plan.plan_file import PlanFile

LEAST_FAILURES = 3
LEAST_SUCCESSES = 3
JOBS_READ = 100


def blame_hosts(
    plan: PlanFile,
    states: bytearray,
    groups: Sequence[CauseGroup],
    host_of_failure: Callable[[int], str],
    host_of_success: Callable[[int], str],
) -> None:
    """Name the host as the cause in groups whose own cause is not known, and whose jobs failed on one host only.

    At least three of them failed there, and at least three of the same transformation succeeded, all elsewhere.
    """
    for group in groups:
        if len(group.jobs) < LEAST_FAILURES or group.cause.certainty not in (POSSIBLE, UNKNOWN):
            continue
        bad = {host_of_failure(position) for position in group.jobs[:JOBS_READ]}
        if len(bad) != 1 or not (host := bad.pop()):
            continue
        others = succeeded_siblings(plan, states, group.jobs[0])
        good = [host_of_success(position) for position, _ in zip(others, range(JOBS_READ), strict=False)]
        if len(good) < LEAST_SUCCESSES or host in good or "" in good:
            continue
        elsewhere = ", ".join(sorted(set(good))[:3])
        title = f"{group.cause.title}; all of them on {host}, while others succeed on {elsewhere}"
        remedy = f"find out what {host} has not, or let the jobs run elsewhere"
        group.cause = replace(
            group.cause, title=title, remedy=remedy, rule=BAD_HOST, certainty=LIKELY, line=f"host {host}"
        )
