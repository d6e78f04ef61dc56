"""What the journal says about a run: which jobs are done, what was under way, which checksums are known.

Pure: records in, facts out; nothing is read or written here.
"""

from __future__ import annotations

from array import array
from typing import Any

import msgspec

from markab.errors import CorruptJournal
from markab.executors.base import Record
from markab.journal.records import (
    AttemptRunning,
    AttemptStart,
    GiveUp,
    Halt,
    Interrupt,
    OutcomeState,
    Remove,
    Retry,
    RunEnd,
    RunStart,
    Undone,
)


class _File(msgspec.Struct):
    lfn: str = ""
    sha256: str | None = None
    size: int | None = None
    bytes: int | None = 0
    link: Any = None


class _Record(msgspec.Struct):
    ok: bool = False
    outputs: list[_File] = []
    transfers: list[_File] = []


class AttemptEndBrief(msgspec.Struct, tag_field="event", tag="end"):
    """An `AttemptEnd`, of whose record only what a restart needs is decoded."""

    time: float
    job: int
    attempt: int
    record: _Record


BriefEntry = (
    RunStart
    | AttemptStart
    | AttemptRunning
    | AttemptEndBrief
    | Retry
    | GiveUp
    | Undone
    | Halt
    | Interrupt
    | Remove
    | RunEnd
)

decode_brief = msgspec.json.Decoder(BriefEntry).decode
"""JSON text of a record → the record, without what only reports need."""


class Checksums:
    """lfn → sha256 of every file that the run has made or moved. 32 bytes each, not 64 digits."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def learn(self, record: Record) -> None:
        """Take the checksums out of a worker's record."""
        for made in record.get("outputs") or ():
            self.add(made["lfn"], made.get("sha256"))
        for moved in record.get("transfers") or ():
            self.add(moved["lfn"], moved.get("sha256"))

    def add(self, lfn: str, sha256: str | None) -> None:
        """Remember one; None teaches nothing."""
        if sha256:
            self._known[lfn] = bytes.fromhex(sha256)

    def get(self, lfn: str, otherwise: str | None = None) -> str | None:
        """Return the checksum of a file, in hex."""
        known = self._known.get(lfn)
        return known.hex() if known is not None else otherwise

    def __len__(self) -> int:
        return len(self._known)


class History:
    """What the records fed to `apply`, oldest first, add up to."""

    def __init__(self, jobs: int) -> None:
        self.succeeded = bytearray(jobs)
        """1 at the position of every job that succeeded."""
        self.attempts = array("i", bytes(4 * jobs))
        """Attempts made of every job."""
        self.under_way: dict[int, float] = {}
        """Position → start of its last attempt, for every attempt that never ended."""
        self.checksums = Checksums()
        self.sizes: dict[str, int | None] = {}
        """Lfn → bytes of every file that a job which succeeded made or moved; None: not said."""
        self.bytes_moved = 0
        self.runs = 0
        """Engines that opened the run before."""
        self.outcome: OutcomeState | None = None
        """How the last of them ended; None: it was killed, or there was none."""

    def read(self, body: bytes) -> None:
        """Take in the next record, as its JSON text.

        Raises:
            CorruptJournal: it is whole, but no record of this plan that this Markab knows.
        """
        try:
            self.apply(decode_brief(body))
        except (msgspec.DecodeError, ValueError) as error:
            raise CorruptJournal(
                f"the journal has a record that cannot be understood ({error}): {body[:80].decode('utf-8', 'replace')}…",
                hint="was it written by a newer Markab? then continue with that one",
            ) from error

    def apply(self, entry: BriefEntry) -> None:
        """Take in the next record.

        Raises:
            CorruptJournal: it is about a job that the plan does not have.
        """
        match entry:
            case AttemptEndBrief(job=job, attempt=attempt, record=record):
                self._check(job)
                self.attempts[job] = max(attempt, self.attempts[job])
                self.under_way.pop(job, None)
                self.bytes_moved += sum(moved.bytes or 0 for moved in record.transfers)
                if record.ok:
                    self.succeeded[job] = 1
                    for file in record.outputs:
                        self.checksums.add(file.lfn, file.sha256)
                        self.sizes[file.lfn] = file.size
                    for file in record.transfers:
                        self.checksums.add(file.lfn, file.sha256)
                        self.sizes[file.lfn] = None if file.link else file.bytes
            case AttemptStart(job=job, attempt=attempt, time=time):
                self._check(job)
                self.attempts[job] = max(attempt, self.attempts[job])
                self.under_way[job] = time
            case Undone(job=job):
                self._check(job)
                self.succeeded[job] = 0
            case RunStart():
                self.runs += 1
                self.outcome = None
            case RunEnd(outcome=outcome):
                self.outcome = outcome

    @property
    def is_complete(self) -> bool:
        """Every job succeeded."""
        return all(self.succeeded)

    def _check(self, job: int) -> None:
        if not 0 <= job < len(self.succeeded):
            raise CorruptJournal(
                f"the journal tells of a job at position {job}, and the plan has {len(self.succeeded)} jobs",
                hint="plan.jsonl and journal.jsonl are not of the same run: bring the right plan back",
            )
