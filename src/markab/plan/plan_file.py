"""`plan.jsonl`: written once by the planner, read by all other parts.

Line 1 is the header, every other line one job, in an order in which parents
stand above their children. A job is known by its position: 0 is line 2.
The last key of every line, "crc", is the CRC-32 of the line without that key, as 8 hex digits.

A plan of a million jobs is about a gigabyte of text. So reading has two depths:
`PlanFile.outline` decodes only what scheduling needs of each line, and
`PlanFile.job` decodes one whole line, from a memory map, when it is wanted.
"""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from zlib import crc32

import msgspec

from markab.errors import CorruptPlan, NewerFormat, NotARun, StorageError
from markab.formatting import titled
from markab.plan.atomic_file import replacing
from markab.plan.job_label import joined_labels
from markab.plan.model import FORMAT, Header, JobSpace, Kind, PlannedJob
from markab.transfers.beneath import open_regular

_CRC_BYTES = len(b',"crc":"01234567"}\n')


class JobOutline(msgspec.Struct, frozen=True):
    """What scheduling needs to know of a job; the same keys as `PlannedJob`."""

    id: str
    kind: Kind
    site: str = ""
    priority: int = 0
    category: str = ""
    retries: int = 0
    parents: list[int] = []
    cores: int = 1
    memory_mb: int = 0
    gpus: int = 0
    removes_scratch: bool = False


def with_memory(outline: Sequence[JobOutline], memory_mb: Mapping[int, int]) -> Sequence[JobOutline]:
    """Return an outline in which some jobs, given by position, ask for another amount of memory."""
    if not memory_mb:
        return outline
    changed = list(outline)
    for position, amount_mb in memory_mb.items():
        changed[position] = msgspec.structs.replace(outline[position], memory_mb=amount_mb)
    return changed


class JobLabels(msgspec.Struct, frozen=True):
    """The labels of a job; the same keys as `PlannedJob`."""

    tasks: list[TaskLabel] = []

    @property
    def label(self) -> str:
        """As `PlannedJob.label`."""
        return joined_labels(task.node_label for task in self.tasks)


class TaskLabel(msgspec.Struct, frozen=True):
    """The label of a task; the same key as `PlannedTask`."""

    node_label: str = ""


class SpaceOutline(msgspec.Struct, frozen=True):
    """What a job changes of the bytes in scratch; the same keys as `PlannedJob`."""

    staging: str = ""
    site: str = ""
    space: JobSpace | None = None
    tasks: list[TaskProgram] = []
    inputs: list[FileName] = []
    outputs: list[FileName] = []
    removes: list[str] = []


class FileName(msgspec.Struct, frozen=True):
    """The name of a file; the same key as `Input` and `Output`."""

    lfn: str


class TaskProgram(msgspec.Struct, frozen=True):
    """What a task runs; the same key as `PlannedTask`."""

    transformation: str


def write_plan(path: Path, header: Header, jobs: Iterable[PlannedJob]) -> None:
    """Write a plan, whole or not at all.

    Raises:
        StorageError: disk full, directory not writable.
    """
    encoder = msgspec.json.Encoder()
    buffer = bytearray()
    with replacing(path) as file:
        for line in chain([header], jobs):
            encoder.encode_into(line, buffer)
            buffer[-1:] = b',"crc":"%08x"}\n' % crc32(buffer)
            file.write(buffer)


def read_header(path: Path) -> Header:
    """Return the header of a plan without looking at its jobs; a plan that is damaged can pass.

    Raises:
        NotARun: there is none at `path`, or no header that this Markab reads.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            return msgspec.json.decode(file.readline(), type=Header)
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise NotARun(f"cannot read the header of {str(path)!r}: {error}") from error


class PlanFile:
    """A plan on disk. Opening it reads the header and finds the lines."""

    def __init__(self, path: Path) -> None:
        """Open a plan.

        Raises:
            NotARun: there is none at `path`.
            NewerFormat: a newer Markab wrote it.
            CorruptPlan: cut short, or the header cannot be read.
        """
        self.path = path
        try:
            with open(path, "rb", opener=open_regular) as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise NotARun(
                f"{str(path.parent)!r} is not a submit directory: it has no {path.name}",
                hint="name the directory that `markab plan` printed, such as …/run0001",
            ) from None
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError):  # mmap refuses an empty file
                raise self._corrupt(1, "the file is empty") from None
            raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
        self._starts = array("q", [0])
        find, end = self._bytes.find, 0
        while (end := find(b"\n", end)) >= 0:
            end += 1
            self._starts.append(end)
        self._all_checked = False
        """Every line has its checksum: `outline` was read."""
        self.header = self._read_header()
        if len(self) != self.header.jobs:
            raise self._corrupt(
                len(self) + 1, f"it holds {len(self)} jobs and its header says {self.header.jobs}"
            )
        self._decoder = msgspec.json.Decoder(PlannedJob)

    def __len__(self) -> int:
        return len(self._starts) - 2

    def line(self, position: int) -> bytes:
        """Return the JSON text of a job. Raises CorruptPlan if it is not what was written."""
        if self._all_checked:
            return self._bytes[self._starts[position + 1] : self._starts[position + 2]]
        return self._checked(position + 2)

    def job(self, position: int) -> PlannedJob:
        """Return a whole job."""
        try:
            return self._decoder.decode(self.line(position))
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._corrupt(position + 2, str(error)) from error

    def title(self, position: int) -> str:
        """Return the name of a job with the user's label, as views show it."""
        job = self.job(position)
        return titled(job.id, job.label)

    def jobs(self) -> Iterator[PlannedJob]:
        """Yield all jobs, in order, decoding each when it is asked for."""
        return (self.job(position) for position in range(len(self)))

    def jobs_of(self, kind: Kind) -> Iterator[PlannedJob]:
        """Yield the jobs of a kind, in order; most others are not decoded, which takes a tenth of the time."""
        return (job for _, job in self.positions_of(kind))

    def positions_of(self, kind: Kind) -> Iterator[tuple[int, PlannedJob]]:
        """Yield the positions and jobs of a kind, as `jobs_of`."""
        sought = b'"kind":"%b"' % kind.value.encode()
        at = self._bytes.find(sought, self._starts[1])
        while at >= 0:
            position = bisect_right(self._starts, at) - 2
            job = self.job(position)
            if job.kind is kind:  # the text may also be a variable of a task
                yield position, job
            at = self._bytes.find(sought, self._starts[position + 2])

    @cached_property
    def outline(self) -> list[JobOutline]:
        """What scheduling needs of every job, by position."""
        decode = msgspec.json.Decoder(JobOutline).decode
        outline = []
        for position in range(len(self)):
            try:
                job = decode(self.line(position))
            except (msgspec.DecodeError, RecursionError) as error:
                raise self._corrupt(position + 2, str(error)) from error
            self.check_parents(position, job.parents)
            outline.append(job)
        self._all_checked = True
        return outline

    def spaces(self) -> Iterator[tuple[int, SpaceOutline]]:
        """Yield the position of each job that has `space`, with what it changes."""
        decode = msgspec.json.Decoder(SpaceOutline).decode
        for position in range(len(self)):
            try:
                found = decode(self.line(position))
            except (msgspec.DecodeError, RecursionError) as error:
                raise self._corrupt(position + 2, str(error)) from error
            if found.space is not None:
                yield position, found

    @cached_property
    def labels(self) -> dict[int, str]:
        """Position → label, of the jobs for which the user gave one."""
        if self._bytes.find(b'"node_label":') < 0:  # a tenth of the time of decoding the lines
            return {}
        decode = msgspec.json.Decoder(JobLabels).decode
        labels = ((position, decode(self.line(position)).label) for position in range(len(self)))
        return {position: label for position, label in labels if label}

    @cached_property
    def positions(self) -> dict[str, int]:
        """Job id → position."""
        return {job.id: position for position, job in enumerate(self.outline)}

    def check_parents(self, position: int, parents: list[int]) -> None:
        """Raise CorruptPlan if a parent of a job does not stand above it."""
        if parents and not 0 <= min(parents) <= max(parents) < position:
            raise self._corrupt(position + 2, "the job has a parent that does not stand above it")

    def close(self) -> None:
        """Release the memory map."""
        self._bytes.close()

    def _read_header(self) -> Header:
        text = self._bytes[: self._starts[1]] if len(self._starts) > 1 else b""
        try:
            version = msgspec.json.decode(text, type=_Version)
            if version.format > FORMAT:
                raise NewerFormat(
                    f"{str(self.path)!r} has format {version.format}; this Markab reads up to {FORMAT}",
                    hint="update Markab, or plan the workflow again with this one",
                )
            return msgspec.json.decode(self._checked(1), type=Header)
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._corrupt(1, str(error)) from error

    def _checked(self, line: int) -> bytes:
        text = self._bytes[self._starts[line - 1] : self._starts[line]]
        if text[-_CRC_BYTES:-3] != b',"crc":"%08x' % crc32(b"}", crc32(text[:-_CRC_BYTES])):
            raise self._corrupt(line, "it was changed since it was planned: its checksum differs")
        return text

    def _corrupt(self, line: int, why: str) -> CorruptPlan:
        return CorruptPlan(
            f"{str(self.path)!r}, line {line}: {why}",
            hint="plan the workflow again; what has run stays in the journal of this directory",
        )


class _Version(msgspec.Struct):
    format: int
