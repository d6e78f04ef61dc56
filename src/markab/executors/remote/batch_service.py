"""What `BatchExecutor` asks of a batch system, whether it is reached by commands or through a web API.

`command_service.py` implements it for those whose commands are typed, in the language of each; those with an API
implement it themselves. What is said here is never the result of an attempt: that is the record which the worker wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from markab.executors.remote.batch_system import BatchElement, BatchJob, QueueEntry
from markab.transfers.error_kinds import ErrorKind


class NoAnswer(Exception):
    """A batch system gave no answer, or none that says anything: its program was not found, it took too long, it cannot be reached."""

    def __init__(self, message: str, is_permanent: bool = False) -> None:
        super().__init__(message)
        self.is_permanent = is_permanent
        """Trying again does not help, as its program does not exist. Nothing was done."""


class SubmitAnswer(NamedTuple):
    """The answer to a submission: the id of the job, or why there is none."""

    native_id: str = ""
    words: str = ""
    """What the system said, if it did not take the job."""
    is_busy: bool = False
    """It is refused for the moment only: it is tried again later, unchanged."""
    hint: str = ""
    """What can be done about a refusal; empty: correct the request."""
    kind: str = ErrorKind.REFUSED
    """Of a refusal."""


SHELL_FAILURES = frozenset({2, 126, 127})
"""Exit codes of a container whose shell did not find the script or the worker's Python: the worker itself ends with 0 or 1."""
NOT_STARTED = "is the scratch directory mounted there under the same path, and python3 in the image?"


class SubmittedJob(NamedTuple):
    """A job that may be in the queue."""

    job: BatchJob
    native_ids: Sequence[str]
    """Those that are known; none, if no answer to its submission arrived."""


class BatchService(Protocol):
    """A batch system. One thread makes all calls; each may wait for a network, up to a time-out of its own."""

    @property
    def title(self) -> str:
        """As messages call it."""
        ...

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script, which runs `command` with the element's index in $MARKAB_ELEMENT."""
        ...

    def most_elements(self) -> int:
        """Return the most elements of one job, as the site says, or its usual number; 1: no arrays."""
        ...

    def submit(self, job: BatchJob) -> SubmitAnswer:
        """Hand over a job.

        Raises:
            NoAnswer: it may have been taken, unless that is permanent.
        """
        ...

    def listing(self, jobs: Sequence[SubmittedJob]) -> dict[BatchElement, QueueEntry]:
        """Return the elements of jobs, those that ended lately included where it can; and perhaps of other jobs.

        Raises:
            NoAnswer: nothing is known, with the system's words.
        """
        ...

    def ended(self, name: str, native_id: str) -> dict[BatchElement, QueueEntry]:
        """Return how the elements of a job ended, when the queue has them no more; empty: it cannot be told.

        Raises:
            NoAnswer: nothing is known.
        """
        ...

    def cancel(self, elements: Sequence[BatchElement]) -> None:
        """End elements; what was not ended, the next listing shows.

        Raises:
            NoAnswer: it is not known which were ended.
        """
        ...

    def shares(self, path: Path) -> bool:
        """Return whether a directory of this machine is there where jobs are submitted, too, as far as it can be asked.

        Raises:
            NoAnswer: it is not known.
        """
        ...

    @property
    def missing_hint(self) -> str:
        """What to do if it can never be reached from this machine."""
        ...

    @property
    def not_shared(self) -> str:
        """Who does not have a directory that `shares` denies."""
        ...

    def close(self) -> None:
        """Release what is held. May be called twice."""
        ...
