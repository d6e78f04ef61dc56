"""A batch job while it is watched: what is known of each of its attempts, and what follows from it. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from markab.executors.base import Attempt, Record, Seen
from markab.executors.remote.batch_directory import BatchDirectory
from markab.executors.remote.batch_system import BatchElement, BatchJob, QueueEntry
from markab.transfers.error_kinds import ErrorKind

_ORDER = (Seen.RUNNING, Seen.HELD, Seen.QUEUED, Seen.ENDED)


class BatchVerdict(Enum):
    """What is to be done about an attempt after a listing of the queue."""

    WAIT = "wait"
    REVOKE_UNBEGUN = "revoke unless begun"  # its element is over: an attempt that has not begun never will
    GIVE_UP = "give up"  # no record came within the grace


@dataclass(slots=True)
class Watched:
    """An attempt that has not ended."""

    attempt: Attempt
    position: int
    element: int
    seen: Seen | None = None
    """As it was reported last, with `reason`."""
    reason: str = ""
    is_begun: bool = False
    host: str = ""
    """Where it was begun."""
    is_cancelled: bool = False
    """By the engine."""
    pulse_ns: int = 0
    gone_s: float | None = None
    """Since when its element is over, or unknown, and there is no record."""
    kept: Record | None = None
    """Its record, while it waits for the system's word: nobody here cancelled it, and it was cancelled."""
    kept_s: float = 0.0


@dataclass(slots=True)
class BatchWatch:
    """A batch job and its attempts that have not ended."""

    directory: BatchDirectory
    job: BatchJob
    site: str
    alive: dict[int, Watched]
    """By position."""
    native_ids: list[str] = field(default_factory=list)
    was_tried: bool = False
    """A submission of it had no clear answer: it is looked for before it is tried again."""
    submitted_s: float | None = None
    """Monotonic time; None: the system has not accepted it yet."""
    entries: dict[int, tuple[str, QueueEntry]] = field(default_factory=dict)
    """Element → native id and what the last listing said of it."""
    doubles: list[BatchElement] = field(default_factory=list)
    """Further elements in the queue for the same attempts: the batch was submitted twice."""
    missing: dict[int, int] = field(default_factory=dict)
    """Element → in how many listings it was not."""
    is_unchecked: bool = False
    """Elements that nobody needs may be in the queue."""
    unconfirmed: set[int] = field(default_factory=set)
    """Positions whose end was reported, and perhaps not recorded yet."""
    scanned: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Folder → its time at the last scan, and how many scans ago that changed."""

    @property
    def is_over(self) -> bool:
        """Nobody needs it any more."""
        return not self.alive and not self.unconfirmed and not self.is_unchecked

    @property
    def is_watched(self) -> bool:
        """The queue is to be listed for it."""
        return self.submitted_s is not None and bool(self.alive or self.is_unchecked)

    def of_element(self, element: int) -> list[Watched]:
        """Return the attempts of an element that have not ended."""
        return [one for one in list(self.alive.values()) if one.element == element]

    def take_listing(self, listing: Mapping[BatchElement, QueueEntry]) -> None:
        """Take what the queue says of elements under the name of this job."""
        found: dict[int, tuple[str, QueueEntry]] = {}
        self.doubles = []
        for (native_id, element), entry in listing.items():
            if entry.name != self.directory.name:
                continue
            if native_id not in self.native_ids:
                self.native_ids.append(native_id)
            before, now = found.get(element), (native_id, entry)
            if before is not None:
                first, second = sorted((before, now), key=lambda one: _ORDER.index(one[1].seen))
                if second[1].seen in (Seen.QUEUED, Seen.HELD):
                    self.doubles.append(BatchElement(second[0], element))
                now = first
            found[element] = now
        self.entries = found
        for element in {one.element for one in self.alive.values()}:
            self.missing[element] = 0 if element in found else self.missing.get(element, 0) + 1

    def superfluous(self) -> Iterator[BatchElement]:
        """Yield elements that are in the queue, and of which no attempt is needed any more, or not twice."""
        yield from self.doubles
        needed = {one.element for one in self.alive.values() if not one.is_cancelled}
        for element, (native_id, entry) in self.entries.items():
            if entry.seen is not Seen.ENDED and element not in needed:
                yield BatchElement(native_id, element)

    def state_of(self, one: Watched) -> tuple[Seen, str, str] | None:
        """Return what is to be reported of an attempt: its state, why, and the native id; None: nothing is known."""
        native_id, entry = self.entries.get(one.element, ("", None))
        native = f"{native_id}_{one.element}" if native_id else ""
        if one.is_begun:
            return Seen.RUNNING, "", native or self._likely_id(one)
        if entry is None or entry.seen is Seen.ENDED:
            return None
        is_alone = len(self.directory.elements[one.element]) == 1
        if entry.seen is Seen.RUNNING and not is_alone:
            return Seen.QUEUED, "it runs in one process with others, after each other", native
        return entry.seen, entry.reason, native

    def _likely_id(self, one: Watched) -> str:
        return f"{self.native_ids[0]}_{one.element}" if self.native_ids else ""

    def verdict(self, one: Watched, pulse_ns: int, now_s: float, grace_s: float) -> BatchVerdict:
        """Return what is to be done about an attempt without a record, after a listing.

        Args:
            pulse_ns: changes while its worker lives.
        """
        _, entry = self.entries.get(one.element, ("", None))
        is_unknown = entry is None and self.missing.get(one.element, 0) >= 2
        is_alive = pulse_ns != one.pulse_ns
        one.pulse_ns = pulse_ns
        if self.submitted_s is None or not (is_unknown or (entry and entry.seen is Seen.ENDED)):
            one.gone_s = None
            return BatchVerdict.WAIT
        if one.gone_s is None or (is_unknown and is_alive and one.is_begun):
            one.gone_s = now_s  # a system that has forgotten its jobs does not end them
        waited_s = now_s - (max(one.gone_s, self.submitted_s) if is_unknown else one.gone_s)
        if not one.is_begun and entry is not None:
            return BatchVerdict.REVOKE_UNBEGUN
        return BatchVerdict.GIVE_UP if waited_s >= grace_s else BatchVerdict.WAIT

    def end_of(self, one: Watched, words: QueueEntry | None, printed: str, title: str) -> tuple[str, str]:
        """Return the kind of error and the message of an attempt that ended without a record.

        Args:
            words: what the system says of the end of its element.
            printed: what the script printed.
        """
        if one.is_cancelled:
            return (
                ErrorKind.CANCELLED,
                "ended while it was cancelled" if one.is_begun else "cancelled before it ran",
            )
        if words is None:
            return ErrorKind.LOST, f"{title} does not know it any more, and no record came"
        if not one.is_begun and self.directory.elements[one.element][0] != one.attempt.id:
            return (
                ErrorKind.LOST,
                f"its process ended before its turn: {title} reports {words.reason or 'its end'}",
            )
        host = f" on {words.host}" if words.host else ""
        text = f"{title} reports {words.reason or 'its end'}{host}, and the worker left no record"
        if printed:
            text += f"; it printed: {printed}"
        kind = words.kind or ErrorKind.INTERNAL
        if kind in (ErrorKind.EXIT, ErrorKind.SIGNAL, ErrorKind.LOST) and _lacks_memory(printed):
            kind = ErrorKind.MEMORY  # a site that polls for memory gives no other word
        return kind, text


def _lacks_memory(printed: str) -> bool:
    return any(
        words in printed for words in ("oom-kill", "oom_kill", "exceeded memory limit", "Exceeded job memory")
    )
