"""What is kept of the output of an attempt that has ended: in its record, beside the journal, or where its files went."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from markab.diagnosis.causes import failed_invocation
from markab.plan.model import Kind, PlannedJob, PlannedTask
from markab.plan.plan_file import PlanFile
from markab.transfers.base import is_local, path_of
from markab.transfers.beneath import open_regular
from markab.worker.captured_output import IN_RECORD_BYTES, KEPT_HALF_BYTES, left_out_line
from markab.worker.record import STREAMS

ReadAt = Callable[[int, int], bytes]
"""From an offset and a number of bytes to what is there."""
_BLOCK_BYTES = 1 << 16


class Kept(NamedTuple):
    """One part of a stream, as it is kept."""

    name: str
    """The file that the task declared for the stream; "": it was captured."""
    file: BinaryIO
    """Open at its beginning; the caller closes it."""
    whole_bytes: int = 0
    """How much the tasks wrote, if that is more than was kept."""
    is_text: bool = False
    """It is what was read as UTF-8, with U+FFFD for what is none."""


class NotHere(NamedTuple):
    """A part of a stream that cannot be read, and why."""

    name: str
    why: str


def declared(task: PlannedTask, stream: str) -> str:
    """Return the file that a task declares for a stream; "": it is captured, or goes into the file of the other stream."""
    name = getattr(task, stream) or ""
    return "" if stream == STREAMS[1] and name == task.stdout else name


def kept_parts(
    record: dict[str, Any], stream: str, job: PlannedJob, submit_dir: Path, plan: PlanFile
) -> Iterator[Kept | NotHere]:
    """Yield what is kept of a stream of an attempt with this record, in the order of the tasks; opens each file when it is asked for."""
    name = _recorded_name(record, stream, job)
    whole_bytes = record.get(f"{stream}_bytes", 0)
    if text := record.get(stream):
        yield Kept(name, io.BytesIO(str(text).encode("utf-8", "replace")), whole_bytes, is_text=True)
    elif file_name := record.get(f"{stream}_file"):
        yield _opened(name, [submit_dir / file_name], whole_bytes)
    if record.get("ok"):
        for lfn in (declared(task, stream) for task in job.tasks):
            if lfn:
                yield _opened(lfn, _places(lfn, job, plan))


def _recorded_name(record: dict[str, Any], stream: str, job: PlannedJob) -> str:
    """Return the file that the text in a record comes from: of a failed attempt, that of the task that failed; else "", captured."""
    if record.get("ok") or not record.get("invocations"):
        return ""
    # Not by its number: what an earlier attempt of a cluster has done is not run again.
    failed = failed_invocation(record).get("task")
    return next((declared(task, stream) for task in job.tasks if task.id == failed), "")


def _opened(name: str, places: Sequence[Path], whole_bytes: int = 0) -> Kept | NotHere:
    why = "no place of it is on this machine"
    for path in places:
        try:
            return Kept(name, open(path, "rb", opener=open_regular), whole_bytes)
        except OSError as error:
            why = f"{str(path)!r}: {error.strerror}"
    return NotHere(name, why)


def _places(lfn: str, job: PlannedJob, plan: PlanFile) -> list[Path]:
    """Return where on this machine an output may be: where it was delivered, and the run's scratch."""
    ends = [
        end.url
        for moving in plan.jobs_of(Kind.STAGE_OUT)
        for transfer in moving.transfers
        if transfer.lfn == lfn
        for end in transfer.destinations
    ]
    site = plan.header.sites.get(job.staging or job.site)
    scratch = [Path(site.scratch.path) / lfn] if site and site.scratch and site.scratch.is_local else []
    return [*(Path(path_of(url)) for url in ends if is_local(url)), *scratch]


def skip_seen(kept: Kept, seen_bytes: int, beginning: bytes) -> bytes:
    """Move the file of a part to what comes after the bytes that were seen while they were written; return what to print before.

    Args:
        beginning: the first `IN_RECORD_BYTES` of what was seen.
    """
    if not seen_bytes:
        return b""
    if kept.is_text:
        # Of a stream that could not be kept, the record has the beginning, and a line about that.
        text = beginning[: min(seen_bytes, IN_RECORD_BYTES)].decode("utf-8", "replace")
        kept.file.seek(len(text.encode()))
        return b""
    kept_bytes, left_bytes = kept.file.seek(0, io.SEEK_END), kept.whole_bytes - seen_bytes
    if not kept.whole_bytes or seen_bytes <= KEPT_HALF_BYTES:
        kept.file.seek(seen_bytes)
        return b""
    kept.file.seek(kept_bytes - max(0, min(left_bytes, KEPT_HALF_BYTES)))
    lost_bytes = left_bytes - KEPT_HALF_BYTES
    return left_out_line(lost_bytes, kept.whole_bytes) if lost_bytes > 0 else b""


def last_lines(read: ReadAt, size_bytes: int, lines: int) -> tuple[int, int]:
    """Return where the last lines of a stream begin, and how many it has of them; holds no more than a block of it."""
    if not size_bytes or lines <= 0:
        return size_bytes, 0
    end = size_bytes - (read(size_bytes - 1, 1) == b"\n")
    found = 1
    while end > 0:
        begin = max(0, end - _BLOCK_BYTES)
        block = read(begin, end - begin)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            if found == lines:
                return begin + at + 1, found
            found += 1
        end = begin
    return 0, found


def move_to_last_lines(file: BinaryIO, lines: int) -> int:
    """Move a file to where its last lines begin; return how many it has of them."""

    def read(offset_bytes: int, size_bytes: int) -> bytes:
        file.seek(offset_bytes)
        return file.read(size_bytes)

    begin, found = last_lines(read, file.seek(0, io.SEEK_END), lines)
    file.seek(begin)
    return found
