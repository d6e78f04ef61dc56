"""Reading `jobstate.log`, as Pegasus' monitord writes it: the last state of each job.

    <time> INTERNAL *** DAGMAN_STARTED 41.0 ***
    <time> <job> <STATE> <id | exit code | -> <site | -> <wall time | -> <submit number>
    <time> INTERNAL *** DAGMAN_FINISHED <exit code> ***

A line that was cut, or is none of these, is skipped and counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from markab.errors import StorageError
from markab.plan.atomic_file import read_regular


class LastState(msgspec.Struct, gc=False):
    """The last state of a job, and how often it was submitted."""

    state: str
    since: float
    site: str = ""
    attempt: int = 0
    """Submissions so far, all calls of DAGMan."""
    tries: int = 0
    """Submissions by the last DAGMan, which counts retries."""
    held: bool = False
    """It was held, and neither released nor ended since."""


@dataclass
class JobstateHistory:
    """The content of a log."""

    jobs: dict[str, LastState] = field(default_factory=dict)
    spans: list[list[float | None]] = field(default_factory=list)
    """Start and end of each DAGMan; the end is None as long as there is none."""
    exit_code: int | None = None
    """Of the last DAGMan; None while it has not ended."""
    last_time: float = 0.0
    bad_lines: int = 0


def read_jobstate_log(path: Path) -> JobstateHistory | None:
    """Read a log; None if there is none.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        content = read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    found = JobstateHistory()
    *lines, cut = content.decode("utf-8", "replace").split("\n")
    found.bad_lines = bool(cut)
    for line in lines:
        words = line.split()
        if not words:
            continue
        try:
            time = float(words[0])
            if words[1] == "INTERNAL":
                _take_internal(found, time, words)
            else:
                _take_job(found, time, words)
        except (ValueError, IndexError):
            found.bad_lines += 1
            continue
        found.last_time = max(found.last_time, time)
    return found


def _take_internal(found: JobstateHistory, time: float, words: list[str]) -> None:
    event = words[3]
    if event == "DAGMAN_STARTED":
        found.spans.append([time, None])
        found.exit_code = None
        for job in found.jobs.values():
            job.tries = 0
    elif event == "DAGMAN_FINISHED":
        found.exit_code = int(words[4])
        if not found.spans:
            found.spans.append([time, None])
        found.spans[-1][1] = time


_HOLDS = {"JOB_HELD": True, "JOB_HELD_REASON": True, "JOB_RELEASED": False}
_SIDE = frozenset(("IMAGE_SIZE", "JOB_HELD_REASON"))
"""They do not change what a job does."""


def _take_job(found: JobstateHistory, time: float, words: list[str]) -> None:
    _, name, state, _, site, _, number = words[:7]
    int(number)
    job = found.jobs.get(name)
    if job is None:
        job = found.jobs[name] = LastState(state, time)
    if state == "SUBMIT":
        job.attempt += 1
        job.tries += 1
        job.held = False
    if state in _HOLDS:
        job.held = _HOLDS[state]
    elif state not in _SIDE:
        job.held = False
    if state not in _SIDE:
        job.state, job.since = state, time
    if site != "-":
        job.site = site
