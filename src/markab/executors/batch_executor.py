"""The executor for batch systems that share a file system with this machine: Slurm and its like, and those of a cloud.

Attempts that ask for the same become one batch job, an array where the system has arrays. Its directory
(`remote/batch_directory.py`) is on disk before it is submitted, so that whoever continues the run finds it. Two
threads work beside the engine, which never waits for a command:

    scanner      looks for what workers wrote: claims, then records. A record is the truth, and ends an attempt
    commander    calls the batch system (`remote/batch_service.py`), one call at a time, each with a
                 time-out: submits, cancels, and lists the queue, after 1 s, then every 2 to 15 s. What it lists
                 is for people, and says when to stop waiting for a record

A call that fails is never the failure of an attempt, except a submission that the system refuses. What is
given up is revoked first (`worker/fence.py`), so LOST means that it is without effect even if it runs on.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from markab.errors import ExecutorUnavailable, StorageError
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record, Report, Seen
from markab.executors.remote.batch_directory import (
    BatchDirectory,
    begin_batch,
    find_batches,
    finish_batch,
    place_worker,
    top_of,
    worker_command,
)
from markab.executors.remote.batch_groups import AttemptGroup, group
from markab.executors.remote.batch_jobs import BatchVerdict, BatchWatch, Watched
from markab.executors.remote.batch_service import BatchService, NoAnswer, SubmittedJob
from markab.executors.remote.batch_system import BatchElement, BatchJob, QueueEntry
from markab.executors.remote.doorbell import Doorbell
from markab.executors.remote.refusal import refused_record
from markab.transfers.error_kinds import ErrorKind, error_entry
from markab.worker.batch_element import PULSE_S
from markab.worker.record import unseen_record

FIRST_POLL_S = 1.0
POLL_S = (2.0, 15.0)
LARGEST_PART = 0.04
"""Of a core, for looking at the queue: where a listing takes long to read, the next one is asked for later."""
SCAN_S = (0.1, 1.0)
SCAN_SHARE = 0.05
"""Of the time, at most so much is spent on looking for records while many arrive."""
GRACE_S = 60.0
"""From the end of an element to the record that is made of the system's words: file servers lag."""
AGAIN_S = (2.0, 60.0)
"""Between two tries to submit."""
DEAF_POLLS = 3
"""After so many listings without an answer, no further attempts are accepted."""
SCANS_AFTER_A_CHANGE = 10
"""The time of a folder can stay the same over two changes."""
SIGNAL_S = 15
"""SIGTERM so long before the time limit of the system, where a job gave none of its own."""


class BatchExecutor:
    """See the module; meaning of the calls: `executors/base.py`."""

    def __init__(
        self,
        service: BatchService,
        *,
        grace_s: float = GRACE_S,
        pulse_s: float = PULSE_S,
        poll_s: tuple[float, float] = POLL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._grace_s, self._pulse_s, self._poll_range = grace_s, pulse_s, poll_s
        self._clock = clock
        self._shared: dict[Path, bool] = {}
        """Directory of batches → whether the login node has it, too."""
        self._lock = threading.Lock()
        """Of all below."""
        self._inbox: list[Attempt] = []
        self._batches: dict[str, BatchWatch] = {}
        """By name; those that the system has not accepted yet, too."""
        self._place: dict[AttemptId, tuple[str, int]] = {}
        """Attempt that has not ended → batch and position."""
        self._last_number: dict[tuple[str, int], int] = {}
        self._cancels: list[AttemptId] = []
        self._reports: list[Report] = []
        self._ended: list[tuple[str, int]] = []
        self._reported: list[tuple[str, int]] = []
        """Ends that the last `wait` returned: the engine records them before it calls `wait` again."""
        self._trouble = ""
        """Why nothing can be submitted now."""
        self._deaf = 0
        self._again_s, self._again_pause_s = 0.0, AGAIN_S[0]
        self._poll_at_s, self._poll_pause_s = 0.0, poll_s[0]
        self._bell = Doorbell()
        self._closing = threading.Event()
        self._work = threading.Event()
        """There is something to do for the commander."""
        self._look = threading.Event()
        """There is something to watch for the scanner."""
        self._threads: list[threading.Thread] = []
        self._failure: Exception | None = None

    # -- what the engine calls ---------------------------------------------------

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Accept attempts; the commander submits them."""
        with self._lock:
            if self._trouble:
                raise ExecutorUnavailable(self._trouble)
            for attempt in attempts:
                job = attempt.id.run, attempt.id.job
                if attempt.id.number > self._last_number.get(job, 0):
                    self._last_number[job] = attempt.id.number
                    self._inbox.append(attempt)
        self._begin()
        self._work.set()

    def wait(self, timeout_s: float) -> Sequence[Report]:
        """Return what the threads found."""
        with self._lock:
            for name, position in self._reported:
                if batch := self._batches.get(name):
                    batch.unconfirmed.discard(position)
            if self._reported:
                self._look.set()
            self._reported = []
        self._bell.wait(timeout_s)
        with self._lock:
            if self._failure is not None:
                raise self._failure
            reports, self._reports = self._reports, []
            self._reported, self._ended = self._ended, []
        return reports

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is a report."""
        return self._bell.fileno()

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        """Let the commander end them."""
        with self._lock:
            self._cancels += attempts
        self._begin()
        self._work.set()

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        """Find the batches of an earlier engine on disk; the commander finds their jobs in the queue."""
        with self._lock:
            known = [attempt for attempt in attempts if attempt.id in self._place]
            new = [attempt for attempt in attempts if attempt.id not in self._place]
            by_id = {attempt.id: attempt for attempt in new}
            sites = {attempt.job.site for attempt in new}
            reports: dict[AttemptId, Report] = {}
            for top in sorted({top_of(attempt) for attempt in new if attempt.scratch}):
                for directory, site, job in find_batches(top):
                    if site in sites and directory.name not in self._batches:
                        reports |= self._adopt(directory, site, job, by_id)
            for attempt in new:
                self._last_number[attempt.id.run, attempt.id.job] = attempt.id.number
                if attempt.id not in reports:
                    reports[attempt.id] = Report(
                        attempt.id, Seen.LOST, reason="the engine ended before it was submitted"
                    )
        self._begin()
        self._work.set()
        self._look.set()
        return [*(Report(attempt.id, self._seen(attempt.id)) for attempt in known), *reports.values()]

    def close(self) -> None:
        """Leave what is in the queue there."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._work.set()
        self._look.set()
        for thread in self._threads:
            thread.join(timeout=5.0)  # one may wait for a command; nothing depends on its answer
        self._service.close()
        self._bell.close()

    def _seen(self, id_: AttemptId) -> Seen:
        with self._lock:
            name, position = self._place.get(id_, ("", 0))
            one = self._batches[name].alive.get(position) if name else None
            return (one.seen if one else None) or Seen.QUEUED

    # -- the scanner -------------------------------------------------------------

    def _scan(self) -> None:
        pause_s = SCAN_S[0]
        while not self._closing.is_set():
            is_prompted = self._look.wait(pause_s)
            self._look.clear()
            found, began_s = False, time.thread_time()
            with self._lock:
                batches = list(self._batches.values())
            for batch in batches:
                found = self._scan_batch(batch) or found
            is_busy = found or is_prompted
            took_s = time.thread_time() - began_s
            least_s = min(max(SCAN_S[0], took_s / SCAN_SHARE), SCAN_S[1])
            pause_s = least_s if is_busy else min(max(pause_s * 1.2, least_s), SCAN_S[1])

    def _scan_batch(self, batch: BatchWatch) -> bool:
        """Look for what workers wrote; return whether there was something new."""
        with self._lock:
            if batch.is_over:
                self._batches.pop(batch.directory.name, None)
                is_over = True
            else:
                is_over = False
        if is_over:
            batch.directory.remove()
            return False
        found = False
        if self._has_changed(batch, "claims"):
            begun = batch.directory.begun()
            with self._lock:
                for position in begun & batch.alive.keys():
                    one = batch.alive[position]
                    if not one.is_begun:
                        one.is_begun = found = True
                        one.host = batch.directory.host_of(position)
                        self._say(batch, one)
        if self._has_changed(batch, "records"):
            for position in sorted(batch.directory.recorded()):
                found = self._take_record(batch, position) or found
        return found

    def _has_changed(self, batch: BatchWatch, folder: str) -> bool:
        if not batch.alive:
            return False
        time_ns = batch.directory.changed_ns(folder)
        before, scans = batch.scanned.get(folder, (-1, 0))
        scans = 0 if time_ns != before else scans + 1
        batch.scanned[folder] = time_ns, scans
        return scans < SCANS_AFTER_A_CHANGE or scans % SCANS_AFTER_A_CHANGE == 0

    def _take_record(self, batch: BatchWatch, position: int) -> bool:
        """End an attempt by its record; return whether there is one and it is news."""
        one = batch.alive.get(position)
        if one is None or one.kept is not None:
            return False
        try:
            record = batch.directory.collect(position, one.attempt)
        except FileNotFoundError:
            return False
        with self._lock:
            if position not in batch.alive:
                return False
            one.is_begun = True
            if _kind(record) == ErrorKind.CANCELLED and not one.is_cancelled:
                one.kept, one.kept_s = record, self._clock()  # by whom, the queue may say
                self._poll_at_s = 0.0
                self._work.set()
                return False
            self._end(batch, one, record)
        return True

    # -- the commander -----------------------------------------------------------

    def _command(self) -> None:
        while not self._closing.is_set():
            self._work.wait(self._pause_s())
            self._work.clear()
            self._take_inbox()  # also while it closes: what is on disk, the next engine submits
            if self._closing.is_set():
                return
            self._submit_waiting()
            self._take_cancels()
            self._poll_if_due()

    def _pause_s(self) -> float:
        """Return how long there is nothing to do."""
        now_s = self._clock()
        with self._lock:
            batches = list(self._batches.values())
            times = [self._again_s for batch in batches if batch.alive and batch.submitted_s is None]
            times += [self._poll_at_s for batch in batches if batch.is_watched]
        return max(0.0, min(times) - now_s) if times else 3600.0

    def _take_inbox(self) -> None:
        """Write the batches of attempts that were accepted."""
        with self._lock:
            inbox, self._inbox = self._inbox, []
        if not inbox:
            return
        usable = [attempt for attempt in inbox if self._is_usable(attempt)]
        for one in group(usable, self._service.most_elements() if usable else 1):
            try:
                batch = self._write(one)
            except (OSError, StorageError) as error:
                self._refuse(one, ErrorKind.STORAGE, f"cannot write the batch: {error}")
                continue
            with self._lock:
                self._batches[batch.directory.name] = batch
                for position, watched in batch.alive.items():
                    self._place[watched.attempt.id] = batch.directory.name, position

    def _is_usable(self, attempt: Attempt) -> bool:
        """Return whether an attempt can run by a batch system with a shared file system; if not, it has ended."""
        title = self._service.title
        if not attempt.scratch:
            why = (
                f"site {attempt.job.site!r} runs jobs by {title}, which needs a scratch directory on a file "
                "system that this machine and the nodes share; its scratch directory is reached by a URL only"
            )
        elif not os.path.isdir(attempt.scratch):
            why = f"the scratch directory '{attempt.scratch}' of site {attempt.job.site!r} is not on this machine"
        else:
            return True
        with self._lock:
            self._report_end(attempt.id, unseen_record(ErrorKind.STORAGE, why))
        return False

    def _write(self, one: AttemptGroup) -> BatchWatch:
        """Put a batch on disk."""
        request = one.request
        name = f"mk{request.run[:5]}-{secrets.token_hex(4)[:7]}"
        directory = begin_batch(name, one.elements)
        worker = place_worker(directory.path.parent)
        job = BatchJob(
            name=name,
            elements=len(one.elements),
            script=str(directory.script),
            output=str(directory.path / "output"),
            comment=f"{request.label} {request.run}",
            cores=request.cores,
            memory_mb=request.memory_mb,
            gpus=request.gpus,
            runtime_s=request.runtime_s,
            grace_s=0 if one.limit_s else SIGNAL_S,
            queue=request.queue,
            project=request.project,
            nodes=request.nodes,
            processes_per_node=request.processes_per_node,
            arguments=request.arguments,
            attributes=dict(request.attributes),
        )
        command = worker_command(directory, worker, one.limit_s, self._pulse_s)
        finish_batch(directory, request.site, job, self._service.script(job, command))
        alive: dict[int, Watched] = {}
        for element, attempts in enumerate(one.elements):
            for attempt in attempts:
                alive[len(alive)] = Watched(attempt, len(alive), element)
        return BatchWatch(directory, job, request.site, alive)

    def _refuse(self, one: AttemptGroup, kind: str, why: str) -> None:
        with self._lock:
            for attempt in (attempt for element in one.elements for attempt in element):
                self._report_end(attempt.id, unseen_record(kind, why))

    def _submit_waiting(self) -> None:
        """Submit the batches that were not yet; those of unclear fate only if the queue does not have them."""
        now_s = self._clock()
        with self._lock:
            waiting = [one for one in self._batches.values() if one.submitted_s is None and one.alive]
            if not waiting:
                self._set_trouble("")
                return
            if now_s < self._again_s:
                return
        tried = [batch for batch in waiting if batch.was_tried]
        if tried and not self._poll(tried):
            self._try_later(f"{self._service.title} does not answer", waiting)
            return
        for batch in waiting:
            if self._closing.is_set():
                return
            if batch.native_ids:  # it arrived after all
                self._accepted(batch, batch.native_ids)
                continue
            if why := self._submit_one(batch):
                self._try_later(why, [one for one in waiting if one.submitted_s is None])
                return
        with self._lock:
            self._set_trouble("")
            self._again_pause_s = AGAIN_S[0]

    def _submit_one(self, batch: BatchWatch) -> str:
        """Submit a batch; return why it is to be tried later."""
        title = self._service.title
        top = batch.directory.path.parent
        try:
            if not self._shared.setdefault(top, False):
                self._shared[top] = self._service.shares(batch.directory.path)
            if not self._shared[top]:
                why = (
                    f"{self._service.not_shared} does not have '{top}': "
                    f"{title} needs a scratch directory on a file system that this machine shares with it"
                )
                self._end_all(batch, unseen_record(ErrorKind.STORAGE, why))
                return ""
            batch.was_tried = True
            answer = self._service.submit(batch.job)
        except NoAnswer as error:
            if not error.is_permanent:
                return str(error)
            hint = self._service.missing_hint
            self._end_all(batch, {"ok": False, "error": error_entry(ErrorKind.NO_PROGRAM, str(error), hint)})
            return ""
        if answer.native_id:
            self._accepted(batch, [answer.native_id])
        elif answer.is_busy:
            return answer.words
        else:
            why = f"{title} refused the job: {answer.words}"
            self._end_all(batch, refused_record(batch.site, why, answer.hint, answer.kind))
        return ""

    def _accepted(self, batch: BatchWatch, native_ids: Sequence[str]) -> None:
        try:
            batch.directory.note_submitted(native_ids)
        except OSError:
            pass  # its name is enough
        with self._lock:
            batch.native_ids = list(native_ids)
            batch.submitted_s = self._clock()
            self._poll_pause_s = self._poll_range[0]
            self._poll_at_s = self._clock() + min(FIRST_POLL_S, self._poll_pause_s)
            for one in batch.alive.values():
                if one.seen is None or one.reason:
                    self._report(one, Seen.QUEUED, "", self._native(batch, one))
        self._look.set()

    def _try_later(self, why: str, waiting: Iterable[BatchWatch]) -> None:
        with self._lock:
            self._set_trouble(why)
            self._again_s = self._clock() + self._again_pause_s
            self._again_pause_s = min(self._again_pause_s * 2, AGAIN_S[1])
            for batch in waiting:
                for one in batch.alive.values():
                    self._report(one, Seen.QUEUED, f"it cannot be submitted now: {why}", "")

    def _set_trouble(self, why: str) -> None:
        if not why and self._deaf >= DEAF_POLLS:
            return
        self._trouble = f"{self._service.title}: {why}" if why else ""

    # -- cancelling --

    def _take_cancels(self) -> None:
        with self._lock:
            ids, self._cancels = self._cancels, []
            waiting = {attempt.id: attempt for attempt in self._inbox}
            touched: dict[str, BatchWatch] = {}
            ones: list[tuple[BatchWatch, Watched]] = []
            for id_ in ids:
                if id_ in waiting:
                    self._inbox.remove(waiting[id_])
                    self._report_end(id_, unseen_record(ErrorKind.CANCELLED, "cancelled before it ran"))
                elif place := self._place.get(id_):
                    batch = self._batches[place[0]]
                    one = batch.alive[place[1]]
                    one.is_cancelled = batch.is_unchecked = True
                    touched[place[0]] = batch
                    ones.append((batch, one))
        for batch, one in ones:
            self._withdraw(batch, one)
        # A process that runs others, too, is not ended: its worker sees that the fence is taken, and ends this one.
        for batch, one in ones:
            rest = [other for other in batch.of_element(one.element) if not other.is_cancelled]
            if rest and one.position in batch.alive:
                self._try_revoke(batch, one)
        if touched and self._poll([batch for batch in touched.values() if batch.was_tried]):
            self._cancel_superfluous(touched.values())

    def _withdraw(self, batch: BatchWatch, one: Watched) -> None:
        """End an attempt, unless its worker has begun."""
        try:
            if batch.directory.withdraw(one.position):
                with self._lock:
                    self._end(batch, one, unseen_record(ErrorKind.CANCELLED, "cancelled before it ran"))
        except StorageError:
            pass  # its element is ended by the batch system

    def _try_revoke(self, batch: BatchWatch, one: Watched) -> bool:
        try:
            return batch.directory.revoke(one.position)
        except StorageError:
            return False

    def _cancel_superfluous(self, batches: Collection[BatchWatch]) -> None:
        """End elements in the queue that nobody needs, as the last listing has them."""
        with self._lock:
            elements = [element for batch in batches for element in batch.superfluous()]
        try:
            if elements:
                self._service.cancel(elements)
        except NoAnswer:
            return  # the next listing shows them again
        with self._lock:
            for batch in batches:
                batch.is_unchecked = False
        if elements:
            self._poll_soon()
        self._look.set()

    # -- watching --

    def _poll_soon(self) -> None:
        with self._lock:
            self._poll_pause_s = self._poll_range[0]
            self._poll_at_s = self._clock() + min(FIRST_POLL_S, self._poll_pause_s)

    def _poll_if_due(self) -> None:
        now_s = self._clock()
        with self._lock:
            watched = [one for one in self._batches.values() if one.is_watched]
            if not watched or now_s < self._poll_at_s:
                return
        begun_cpu_s = time.thread_time()
        before = [(batch, dict(batch.entries)) for batch in watched]
        if self._poll(watched):
            for batch in watched:
                self._judge(batch)
            self._cancel_superfluous(watched)
        is_new = any(batch.entries != entries for batch, entries in before)
        low, high = self._poll_range
        least_s = (time.thread_time() - begun_cpu_s) / LARGEST_PART
        with self._lock:
            self._poll_pause_s = max(least_s, low if is_new else min(self._poll_pause_s * 1.5, high))
            self._poll_at_s = self._clock() + self._poll_pause_s

    def _poll(self, batches: Sequence[BatchWatch]) -> bool:
        """List the queue; return whether there was an answer."""
        if not batches:
            return True
        with self._lock:
            asked = [SubmittedJob(batch.job, list(batch.native_ids)) for batch in batches]
        found: dict[BatchElement, QueueEntry] = {}
        try:
            found, why = self._service.listing(asked), ""
        except NoAnswer as error:
            why = str(error) or "no answer"
        with self._lock:
            self._deaf = self._deaf + 1 if why else 0
            if self._deaf >= DEAF_POLLS:
                self._set_trouble(why)
        if why:
            return False
        listing: dict[str, dict[BatchElement, QueueEntry]] = {batch.directory.name: {} for batch in batches}
        for element, entry in found.items():
            if entry.name in listing:
                listing[entry.name][element] = entry
        for batch in batches:
            with self._lock:
                batch.take_listing(listing[batch.directory.name])
                for one in batch.alive.values():
                    self._say(batch, one)
        return True

    def _judge(self, batch: BatchWatch) -> None:
        """Give up the attempts whose element is over, and that left no record."""
        now_s = self._clock()
        asked: dict[int, QueueEntry | None] = {}
        for one in list(batch.alive.values()):
            if one.kept is not None:
                self._end_kept(batch, one, now_s)
                continue
            pulse_ns = batch.directory.pulse_ns(one.position) if one.is_begun else 0
            verdict = batch.verdict(one, pulse_ns, now_s, self._grace_s)
            if verdict is BatchVerdict.WAIT:
                continue
            if batch.directory.has_record(one.position):
                self._take_record(batch, one.position)
                continue
            try:
                if verdict is BatchVerdict.REVOKE_UNBEGUN and not batch.directory.withdraw(one.position):
                    one.is_begun = True
                    continue
                is_ours = batch.directory.revoke(one.position)
            except StorageError:
                continue
            if not is_ours and one.gone_s is not None and now_s - one.gone_s < 2 * self._grace_s:
                continue  # its worker has begun to put outputs in place
            if one.element not in asked:
                asked[one.element] = self._last_words(batch, one.element)
            self._give_up(batch, one, asked[one.element])

    def _end_kept(self, batch: BatchWatch, one: Watched, now_s: float) -> None:
        """End an attempt that was cancelled by somebody else, once it is known by whom."""
        _, entry = batch.entries.get(one.element, ("", None))
        is_known = entry is None or entry.seen is Seen.ENDED
        if not is_known and now_s - one.kept_s < self._grace_s:
            return
        record = dict(one.kept or {})
        kind, reason = (entry.kind, entry.reason) if entry else ("", "")
        error = dict(record["error"])
        error["message"] += f": {self._service.title} reports {reason}" if reason else " by the batch system"
        if kind in (ErrorKind.TIMEOUT, ErrorKind.LOST, ErrorKind.MEMORY):
            error["kind"] = kind
        record["error"] = error
        with self._lock:
            self._end(batch, one, record)

    def _last_words(self, batch: BatchWatch, element: int) -> QueueEntry | None:
        """Return what the system says of the end of an element."""
        native_id, entry = batch.entries.get(element, ("", None))
        for id_ in [native_id] if native_id else batch.native_ids:
            try:
                ended = self._service.ended(batch.directory.name, id_)
            except NoAnswer:
                break
            for key, found in ended.items():
                if (
                    key.position == element
                    and found.name == batch.directory.name
                    and found.seen is Seen.ENDED
                ):
                    return found if entry is None or found.kind else replace_entry(entry, found)
        return entry

    def _give_up(self, batch: BatchWatch, one: Watched, words: QueueEntry | None) -> None:
        kind, why = batch.end_of(one, words, batch.directory.printed(), self._service.title)
        with self._lock:
            if kind == ErrorKind.LOST:
                self._drop(batch, one)
                self._push(Report(one.attempt.id, Seen.LOST, reason=why))
            else:
                self._end(batch, one, unseen_record(kind, why))

    # -- reports; the lock is held ------------------------------------------------

    def _say(self, batch: BatchWatch, one: Watched) -> None:
        state = batch.state_of(one)
        if state is not None:
            self._report(one, *state)

    def _report(self, one: Watched, seen: Seen, reason: str, native_id: str) -> None:
        if (one.seen, one.reason) != (seen, reason):
            one.seen, one.reason = seen, reason
            host = one.host if seen is Seen.RUNNING else ""
            self._push(Report(one.attempt.id, seen, None, reason, native_id, host))

    def _end(self, batch: BatchWatch, one: Watched, record: Record) -> None:
        if self._drop(batch, one):
            self._push(Report(one.attempt.id, Seen.ENDED, record, "", self._native(batch, one)))

    def _drop(self, batch: BatchWatch, one: Watched) -> bool:
        """Take an attempt off the list; return whether it was there."""
        if batch.alive.pop(one.position, None) is None:
            return False
        self._place.pop(one.attempt.id, None)
        batch.unconfirmed.add(one.position)
        self._ended.append((batch.directory.name, one.position))
        return True

    def _end_all(self, batch: BatchWatch, record: Record) -> None:
        with self._lock:
            for one in list(batch.alive.values()):
                self._end(batch, one, dict(record))

    def _report_end(self, id_: AttemptId, record: Record) -> None:
        """End an attempt that is in no batch."""
        self._push(Report(id_, Seen.ENDED, record))

    def _push(self, report: Report) -> None:
        self._reports.append(report)
        self._bell.ring()

    def _native(self, batch: BatchWatch, one: Watched) -> str:
        return f"{batch.native_ids[0]}_{one.element}" if batch.native_ids else ""

    # -- the rest ----------------------------------------------------------------

    def _adopt(
        self, directory: BatchDirectory, site: str, job: BatchJob, by_id: Mapping[AttemptId, Attempt]
    ) -> dict[AttemptId, Report]:
        """Watch a batch that an earlier engine submitted, or was about to; return the states of its attempts."""
        begun, recorded = directory.begun(), directory.recorded()
        batch = BatchWatch(directory, job, site, {}, directory.submitted(), was_tried=True, is_unchecked=True)
        reports: dict[AttemptId, Report] = {}
        position = -1
        for element, ids in enumerate(directory.elements):
            for id_ in ids:
                position += 1
                attempt = by_id.get(id_)
                one = Watched(attempt, position, element) if attempt else None
                if position in recorded and one is not None:
                    record = directory.collect(position, one.attempt)
                    batch.unconfirmed.add(position)
                    self._ended.append((directory.name, position))
                    reports[id_] = Report(id_, Seen.ENDED, record, "", self._native(batch, one))
                elif position in recorded:
                    continue
                elif one is None:
                    self._revoke_stale(directory, position)
                elif directory.is_revoked(position):
                    batch.unconfirmed.add(position)
                    self._ended.append((directory.name, position))
                    reports[id_] = Report(id_, Seen.LOST, reason="the last engine gave it up")
                else:
                    one.is_begun = position in begun
                    one.seen = Seen.RUNNING if one.is_begun else Seen.QUEUED
                    batch.alive[position] = one
                    self._place[id_] = directory.name, position
                    reports[id_] = Report(id_, one.seen, None, "", self._native(batch, one))
        self._batches[directory.name] = batch
        if batch.native_ids or not batch.alive:
            batch.submitted_s = self._clock()
        return reports

    def _revoke_stale(self, directory: BatchDirectory, position: int) -> None:
        """Make sure that an attempt that the journal says has ended is without effect."""
        try:
            directory.revoke(position)
        except StorageError:
            pass  # its outputs are those of an attempt that nobody waits for

    def _begin(self) -> None:
        """Start the threads, at the first use."""
        if not self._threads and not self._closing.is_set():
            for target in (self._scan, self._command):
                thread = threading.Thread(target=self._guarded, args=(target,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # raised by `wait`: an engine must not wait for a thread that has ended
            with self._lock:
                self._failure = error
                self._bell.ring()


def _kind(record: Record) -> str:
    return str((record.get("error") or {}).get("kind", ""))


def replace_entry(queue: QueueEntry, account: QueueEntry) -> QueueEntry:
    """Return what both say of an end: an account has no kind for a success."""
    return account if account.reason else queue
