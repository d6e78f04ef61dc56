"""The interface of an executor, a place that runs jobs: attempts go in, reports come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import msgspec

from markab.executors.attempt_id import AttemptId
from markab.plan.model import PlannedJob

Record = dict[str, Any]
"""The worker's record of one attempt; `worker/record.py` describes its keys."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What is the same for all attempts of a run."""

    uuid: str
    workflow: str
    submit_dir: str
    """Absolute. Attachments of records go below it (`executors/worker_protocol.py`)."""
    integrity: str
    transfer_threads: int
    transfer_attempts: int
    catalog: str | None
    """Output replica catalog: absolute path of an SQLite file; None: another one (`catalogs/output_registration.py`)."""
    keep_failed: bool = False
    """Keep the directory of the last failed attempt of each job, where that is on this machine."""
    passwords: str = ""
    """Absolute path of the run's private file of passwords (`transfers/run_passwords.py`); empty: it has none."""
    store: str = ""
    """Absolute directory in which cleanup keeps what tasks made; empty: nowhere."""
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Software environments of tasks, by name, as JSON has them."""


class Attempt(msgspec.Struct, frozen=True):
    """One attempt of a job, with all that a node needs to run it."""

    id: AttemptId
    job: PlannedJob
    context: RunContext
    scratch: str
    """Absolute run directory at the staging site: `lfn` is at `scratch/lfn`.

    Empty: it is not mounted where the job runs; then `scratch_url` is used.
    """
    work: str
    """Absolute directory in which the attempt's own directory is made."""
    checksums: Mapping[str, str] = {}
    """lfn → sha256 of every file that the attempt reads or moves, as far as known."""
    scratch_url: str = ""
    """The same run directory as a URL, where the staging site has a file server."""
    arrived: Mapping[str, int | None] = {}
    """lfn → bytes of the files that an attempt before this one moved, of a job that moves files."""
    incomplete: str = ""
    """Why the attempt cannot do all of its job; `job` has what it can do, and the attempt does not succeed."""
    done: Sequence[Mapping[str, Any]] = ()
    """Tasks of the job that an attempt before this one did, as its record has them; `job` has the others."""


class Seen(Enum):
    """The state of an attempt, as a back end reports it."""

    QUEUED = "queued"  # it waits in the site's queue, perhaps after it ran or was held
    HELD = "held"  # the site keeps it and does not run it, until `reason` is resolved
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"  # the back end does not know it: it never started there, or was dropped


class Report(msgspec.Struct, frozen=True):
    """What changed about one attempt. Facts only: the engine decides about retries."""

    id: AttemptId
    seen: Seen
    record: Record | None = None
    """Set when ENDED."""
    reason: str = ""
    """Set when HELD or LOST, and when QUEUED if there is more to say: the back end's text, unchanged."""
    native_id: str = ""
    """The back end's own id of the attempt, when it has one."""
    host: str = ""
    """Set when RUNNING: where, if the back end says so."""


class Executor(Protocol):
    """A place that runs jobs: this machine, HTCondor, Slurm. One executor serves all runs of an engine.

    A call may wait for a network, never for a job (but `wait` does, up to its
    time). One thread makes all calls. `tests/contract/` holds the tests that
    every executor passes.

    A remote back end answers late, loses answers, holds jobs, evicts them and drops their records. So:

    - The record that the worker wrote is authoritative: ENDED is reported when it has arrived,
      or when the back end reports that the attempt is over and no record will arrive;
      then the executor makes one (`worker/record.py`) whose kind of error is the reason.
    - A poll that fails changes nothing, however often: it is never a job's failure. An
      attempt is reported only when its state is known, and may be reported late.
    - LOST guarantees that it does not run and will not put outputs in place any more.
      An executor that cannot guarantee it yet (the node does not answer) reports nothing.
    - Eviction brings an attempt back to the queue: QUEUED again, the same attempt. HELD
      is no end either. The engine decides how long to wait for either.
    - A state may be skipped (QUEUED, then ENDED) or come twice; nothing comes after
      ENDED or LOST.
    - What was reported can be recovered until `wait` is called again: if an engine ends before
      it has recorded a report, the next one gets it again, by `recover`.
    - What runs elsewhere outlives the engine. `submit` makes it possible to find
      an attempt before it hands it over, so that `recover` of a later engine finds it by its id.
    """

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Accept attempts; once this returns, all that happens to them is reported by `wait`.

        Idempotent: an attempt whose number is not above the last one of its job does nothing. One that cannot be started
        (no such program, no space for its directory) is reported as ENDED with a
        record that has the reason; it never raises for that.

        Raises:
            ExecutorUnavailable: none of `attempts` was accepted.
        """
        ...

    def wait(self, timeout_s: float) -> Sequence[Report]:
        """Return what changed since the last call; wait at most `timeout_s` for the first change."""
        ...

    def fileno(self) -> int:
        """Return a descriptor that can be read when `wait` may have something new to report.

        With it, the engine waits for several executors at once. An executor that is notified by a
        thread returns the read end of a pipe. `wait` reads what is in it.
        """
        ...

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        """Request that attempts end. The end itself comes through `wait`; cancelling an ended one does nothing."""
        ...

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        """After a crash of the engine: return the state of each attempt that was under way: queued, held, running, ended, lost.

        What is reported as LOST is not running any more when this returns.
        """
        ...

    def close(self) -> None:
        """Release everything, and end what runs on this machine; what runs elsewhere continues. May be called twice."""
        ...
