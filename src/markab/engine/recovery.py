"""What an engine that continues a run restores from the journal: states of jobs, and files it made or moved."""

from __future__ import annotations

from collections.abc import Iterable

from markab.executors.base import Record
from markab.journal.attempt_record import DoneTask, MovedFile, Products
from markab.journal.history import History
from markab.journal.records import AttemptEnd, Refresh, Undone, decoder, not_understood
from markab.plan.model import Header

decode_products = decoder(Products)


class Checksums:
    """lfn → sha256 of every file that the run has made or moved. 32 bytes each, not 64 digits."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def learn(self, record: Record) -> None:
        """Add the checksums in a worker's record."""
        for made in record.get("outputs") or ():
            self.add(made["lfn"], made.get("sha256"))
        for moved in record.get("transfers") or ():
            self.add(moved["lfn"], moved.get("sha256"))

    def learn_arrived(self, moved: Iterable[MovedFile]) -> None:
        """Add the checksums of files that an attempt moved although it failed, as far as none is known."""
        for one in moved:
            if one.lfn not in self._known:
                self.add(one.lfn, one.sha256)

    def add(self, lfn: str, sha256: str | None) -> None:
        """Keep one; None is ignored."""
        if sha256:
            self._known[lfn] = bytes.fromhex(sha256)

    def get(self, lfn: str, otherwise: str | None = None) -> str | None:
        """Return the checksum of a file, in hex."""
        known = self._known.get(lfn)
        return known.hex() if known is not None else otherwise

    def __len__(self) -> int:
        return len(self._known)


class Recovery(History):
    """The history of a run, with checksums and sizes of its files."""

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        self.checksums = Checksums()
        self.sizes: dict[str, int | None] = {}
        """Lfn → bytes of every file that a job which succeeded made or moved; None: unknown."""
        self.bytes_moved = 0
        self.done_before: set[int] = set()
        """Jobs that succeeded, and have not again since files were refreshed."""
        self.old_checkpoints: set[str] = set()
        """Lfns of checkpoints that were written by what was edited since."""
        self.arrived: dict[int, list[MovedFile]] = {}
        """Job that has not succeeded → the files that its last attempt moved all the same, or found in place."""
        self.done: dict[int, list[DoneTask]] = {}
        """Job of several tasks that has not succeeded → those that its last attempt left as done."""
        self.was_complete = False
        """Every job had succeeded when an engine opened it, whatever runs again since."""

    def read(self, body: bytes) -> None:
        """Apply the next record, given as its JSON text.

        Raises:
            CorruptJournal: it is whole, but not a record of this plan that this Markab knows.
        """
        entry = decode_products(body)
        if isinstance(entry, Undone) and entry.job not in self.refreshed:
            self.done_before.discard(entry.job)  # what it delivered is missing
        self.apply(entry)
        try:
            if isinstance(entry, AttemptEnd):
                self._learn(entry.job, entry.record)
            elif isinstance(entry, Refresh):
                self.learn_refreshed(entry)
        except ValueError as error:  # not a checksum
            raise not_understood(body, error) from error

    def learn_refreshed(self, it: Refresh) -> None:
        """Expect the new content of files that are taken anew; what was brought of them does not count any more."""
        refreshed = {file.lfn for file in it.files}
        for file in it.files:
            self.checksums.add(file.lfn, file.new)
            self.sizes.pop(file.lfn, None)
        self.old_checkpoints.update(it.checkpoints)
        self.done_before.update(it.jobs)
        for job in it.unfinished:
            self.done.pop(job, None)
        for job, files in self.arrived.items():
            self.arrived[job] = [moved for moved in files if moved.lfn not in refreshed]

    def learn_failed(self, job: int, record: Products) -> None:
        """Take what an attempt left that failed: files that arrived, checkpoints, and tasks that are done."""
        if record.transfers:
            self.arrived[job] = record.transfers
        self.done.pop(job, None)
        if record.done:
            self.done[job] = record.done
        for made in record.outputs:
            if made.checkpoint or record.done:
                self.checksums.add(made.lfn, made.sha256)
                self.old_checkpoints.discard(made.lfn)

    def forget_failed(self, job: int) -> None:
        """Forget what failed attempts of a job left: it has succeeded, or is to run as a whole."""
        self.arrived.pop(job, None)
        self.done.pop(job, None)

    def arrived_sizes(self, job: int) -> dict[str, int | None]:
        """Return lfn → bytes of what a job that has not succeeded moved all the same; None: unknown."""
        return {moved.lfn: _size(moved) for moved in self.arrived.get(job, ())}

    def _learn(self, job: int, record: Products) -> None:
        for moved in record.transfers:
            self.bytes_moved += moved.moved_bytes
        if not record.ok:
            self.learn_failed(job, record)
        else:
            self.forget_failed(job)
            self.done_before.discard(job)
            for made in record.outputs:
                self.checksums.add(made.lfn, made.sha256)
                self.old_checkpoints.discard(made.lfn)
                self.sizes[made.lfn] = made.size
            for moved in record.transfers:
                self.checksums.add(moved.lfn, moved.sha256)
                self.sizes[moved.lfn] = _size(moved)


def _size(moved: MovedFile) -> int | None:
    return None if moved.link else moved.bytes
