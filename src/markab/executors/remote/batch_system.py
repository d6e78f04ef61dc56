"""The language of a batch system: what is submitted, and how its commands are typed and read. Pure: no process, no clock.

One file in `batch_systems/` implements `BatchSystem` for each kind; `command_service.py` runs the commands. What a batch
system reports is never the result of an attempt: that is the record which the worker wrote. Its words decide only
when to look for the record, what `status` shows while an attempt waits, and what the reason is if no record arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from markab.executors.base import Seen


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What one submission asks for: equal elements, each of which runs one attempt or several after each other."""

    name: str
    """By which it is found again; unique among all jobs of the user. Letters, digits, `-`; begins with a letter."""
    elements: int
    """How many; they count from 0."""
    script: str
    """Absolute path of the job's script, on the shared file system."""
    output: str
    """Absolute path of a file for what the scripts themselves print: usually nothing."""
    comment: str = ""
    cores: int = 1
    memory_mb: int = 0
    gpus: int = 0
    runtime_s: float = 0
    """The limit after which the system may end an element. 0: its default."""
    grace_s: int = 0
    """SIGTERM so long before that limit, where the system can. 0: never."""
    queue: str = ""
    project: str = ""
    nodes: int = 0
    processes_per_node: int = 0
    arguments: Sequence[str] = ()
    """Directives in the language of the system, one a line, unchanged."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What only a service of a cloud is asked for: profile, such as `kubernetes.image`, → value."""


class BatchCommand(NamedTuple):
    """A command to run; no shell is started for it."""

    argv: list[str]
    stdin: str = ""


class BatchElement(NamedTuple):
    """One element of a job: the job by the system's id, and its position; 0 for a job of one."""

    native_id: str
    position: int


class QueueEntry(NamedTuple):
    """What the system says of one element."""

    name: str
    """Of the job. Ids are given again after a crash of some systems: an id under another name is another job."""
    seen: Seen
    """QUEUED, HELD, RUNNING or ENDED."""
    reason: str = ""
    """Why it waits, is held, or how it ended, in the system's own words."""
    host: str = ""
    kind: str = ""
    """Of an end that is no success: the kind of error (`transfers/error_kinds.py`) if no record arrives."""


class BatchSystem(Protocol):
    """The commands of one kind of batch system. Texts come in as its programs print them in the locale C."""

    name: str
    """As `executor` of a site in the plan has it."""
    title: str
    """As messages call it."""
    programs: Sequence[str]
    """Programs that must be there, the one that submits first."""

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script: directives, then `command`, which reads the element's index from $MARKAB_ELEMENT."""
        ...

    def submit(self, job: BatchJob) -> BatchCommand:
        """Return the command that submits the script of a job."""
        ...

    def read_submitted(self, stdout: str) -> str:
        """Return the id that the system gave a job.

        Raises:
            ValueError: the text has none.
        """
        ...

    def queue(self, user: str, names: Sequence[str]) -> BatchCommand:
        """Return the command that lists the elements of jobs, those that ended lately included where it can."""
        ...

    def read_queue(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return all elements in a listing; one line that cannot be read does not lose the others."""
        ...

    def ended(self, name: str, native_id: str) -> BatchCommand | None:
        """Return the command that tells how the elements of a job ended, when the queue has them no more; None: there is none."""
        ...

    def read_ended(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return the elements in the answer to `ended`."""
        ...

    def cancel(self, elements: Sequence[BatchElement]) -> list[BatchCommand]:
        """Return the commands that end elements."""
        ...

    def limits(self) -> BatchCommand | None:
        """Return the command that tells the limits of the site; None: there is none."""
        ...

    def most_elements(self, stdout: str) -> int:
        """Return the most elements of one job, from the answer to `limits` (empty: not known); 1: no arrays."""
        ...

    def is_busy(self, stderr: str) -> bool:
        """Return whether a submission was refused for the moment only: it is tried again later, unchanged."""
        ...
