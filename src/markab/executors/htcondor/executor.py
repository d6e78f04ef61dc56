"""Runs attempts as jobs of an HTCondor pool.

Attempts travel as sandboxes, by HTCondor's own transfer of files. A thread fills them, submits those that ask for the same as
one cluster, and reads the log of events of each run, which says almost at once what becomes of a job; the schedd is asked
only to submit, to remove, after a crash of the engine, and every minute for what the log may have missed. `wait` hands out
what the thread found, and never waits for the network.

The record that comes back with an attempt is the truth. HTCondor delivers a sandbox once, when the job is over, so two
jobs of one attempt could do harm only by running at once: a second one is removed as soon as it is seen.

A schedd elsewhere, to which a site's contact leads, gets the files with the submission (it spools them), is asked for the
states of jobs, and for the files of each that is completed; only then is that removed from its queue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from markab.errors import ExecutorUnavailable, MarkabError
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record, Report, Seen
from markab.executors.htcondor.bindings import Bindings, are_installed
from markab.executors.htcondor.event_log import EventLog, JobId, LoggedEvent, attempt_of
from markab.executors.htcondor.missing_record import missing_record
from markab.executors.htcondor.run_files import RunFiles
from markab.executors.htcondor.schedd import (
    COMPLETED,
    Ad,
    NotSubmitted,
    Schedd,
    SubmissionRefused,
    ids_constraint,
    job_of,
)
from markab.executors.htcondor.tools import Tools
from markab.executors.htcondor.tracked_job import TrackedJob
from markab.executors.remote.doorbell import Doorbell
from markab.executors.remote.refusal import refused_record
from markab.transfers.checksum import Verified
from markab.transfers.error_kinds import ErrorKind
from markab.worker.failure import AttemptFailed
from markab.worker.record import make_record, unseen_record

LOOK_EVERY_S = 0.1
"""How often the logs are looked at while few jobs are under way: one call of the system for each run."""
LOOK_EVERY_AT_MOST_S = 0.5
MANY_JOBS = 100
"""From so many on: slots have something to do meanwhile, and the engine takes the news of several jobs at once."""
QUERY_EVERY_S = 60.0
QUERY_ELSEWHERE_EVERY_S = 5.0
"""A schedd elsewhere keeps its log to itself."""
AGAIN_AFTER_S = 10.0
"""A call of the schedd that failed is made again after this time."""
WAITS_AFTER_S = 15.0
"""A job that has not started by then may be one that no machine matches: only the schedd knows why."""
SETTLES_AFTER_S = 2.0
"""A job that was just submitted may not be in the queue yet."""
MOST_JOBS = 200
"""So many attempts are filled and submitted at a time, so that the first run while the others are made ready."""
MOST_IN_CONSTRAINT = 200
ENDS_WITHIN_S = 2.0

Key = tuple[int, int]
"""Position and number of an attempt of a run."""


def make_schedd(contact: str) -> Schedd:
    """Return the way to a schedd: through the bindings if they are installed, else through the commands."""
    return Bindings(contact) if are_installed() else Tools(contact)


class _Run:
    """The jobs of one run."""

    def __init__(self, files: RunFiles) -> None:
        self.files = files
        self.log = EventLog(files.place.log)
        self.jobs: dict[Key, TrackedJob] = {}
        self.changed: set[Key] = set()
        """Those of them of which something new is known: the others need no look."""
        self.by_id: dict[JobId, Key] = {}
        """Also of attempts that are not under way any more, or never were here."""
        self.query_due_s = time.monotonic() + QUERY_EVERY_S
        self.is_swept = False
        """What attempts of an earlier engine left is removed."""

    @property
    def constraint(self) -> str:
        """The expression that its jobs satisfy."""
        return self.files.place.constraint


class HTCondorExecutor:
    """See the module; meaning of the calls: `executors/base.py`."""

    def __init__(self, contact: str = "", make: Callable[[str], Schedd] = make_schedd) -> None:
        """Use the schedd of this machine, or the one named."""
        self._contact = contact
        self._query_every_s = QUERY_ELSEWHERE_EVERY_S if contact else QUERY_EVERY_S
        self._schedd = make(contact)
        self._verified = Verified()
        self._last_number: dict[tuple[str, int], int] = {}
        self._inbox: list[Attempt] = []
        self._cancelled: list[AttemptId] = []
        self._reports: list[Report] = []
        self._ended: list[TrackedJob] = []
        """Those whose end is among the reports."""
        self._reported: list[TrackedJob] = []
        """Those whose end the last `wait` returned: the engine records it before it calls `wait` again."""
        self._recorded: list[TrackedJob] = []
        """Those whose end is recorded, so that their sandboxes can be removed."""
        self._mail = threading.Lock()
        """Of all of the above."""
        self._runs: dict[str, _Run] = {}
        self._waiting: list[Attempt] = []
        """Accepted, and not submitted yet."""
        self._withdrawn: set[AttemptId] = set()
        """Those of them that were cancelled."""
        self._submit_not_before_s = 0.0
        self._unclear: set[str] = set()
        """Runs with a submission of which it is not known whether it was accepted."""
        self._remove_not_before_s = 0.0
        self._removed_at: dict[JobId, float] = {}
        """When the removal of a job was requested."""
        self._work = threading.Lock()
        """Of what the thread uses: from `_runs` on."""
        self._bell = Doorbell()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="htcondor", daemon=True)
        self._thread.start()

    # -- what the engine calls -----------------------------------------------------------------

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Accept attempts; the thread submits them."""
        with self._mail:
            for attempt in attempts:
                job = attempt.id.run, attempt.id.job
                if attempt.id.number > self._last_number.get(job, 0):
                    self._last_number[job] = attempt.id.number
                    self._inbox.append(attempt)
        self._wake.set()

    def wait(self, timeout_s: float) -> Sequence[Report]:
        """Return what the thread found."""
        with self._mail:
            self._recorded += self._reported
            self._reported = []
        self._bell.wait(timeout_s)
        with self._mail:
            reports, self._reports = self._reports, []
            self._reported, self._ended = self._ended, []
        return reports

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is a report."""
        return self._bell.fileno()

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        """Let the thread remove them."""
        with self._mail:
            self._cancelled.extend(attempts)
        self._wake.set()

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        """Find the attempts of an engine that ended again: in the log, then in the queue and its history."""
        with self._work:
            runs = []
            for attempt in attempts:
                with self._mail:
                    self._last_number[attempt.id.run, attempt.id.job] = attempt.id.number
                run = self._open(attempt)
                run.jobs.setdefault(_key(attempt), TrackedJob(attempt))
                if run not in runs:
                    runs.append(run)
            for run in runs:
                self._find(run)
            with self._mail:
                mine = {attempt.id for attempt in attempts}
                found = [report for report in self._reports if report.id in mine]
                self._reports = [report for report in self._reports if report.id not in mine]
            known = {report.id for report in found}
            found += [
                job.state() for run in runs for job in run.jobs.values() if job.attempt.id in mine - known
            ]
        self._wake.set()
        return found

    def close(self) -> None:
        """Leave jobs in the pool, and end the thread."""
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=ENDS_WITHIN_S)
        self._schedd.close()  # a call that has no answer yet fails
        self._thread.join(timeout=ENDS_WITHIN_S)
        self._bell.close()

    # -- the thread ----------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            is_last = self._closing
            with self._work:
                self._take_mail()
                self._submit_waiting()
                if is_last:
                    self._clear_recorded()
                    return  # what was accepted is submitted
                for run in self._runs.values():
                    self._step(run)
                self._remove_jobs()
                self._clear_recorded()
                pause_s = self._pause_s()
            self._ring()
            self._wake.wait(pause_s)
            self._wake.clear()

    def _pause_s(self) -> float | None:
        """Return how long nothing need be looked at; None: until there is something new to do."""
        jobs = len(self._waiting) + sum(len(run.jobs) for run in self._runs.values())
        with self._mail:
            has_ended = bool(self._ended or self._reported or self._recorded)
        if not jobs and not has_ended:
            return None
        return max(LOOK_EVERY_S, min(jobs / MANY_JOBS, 1.0) * LOOK_EVERY_AT_MOST_S)

    def _take_mail(self) -> None:
        with self._mail:
            inbox, self._inbox = self._inbox, []
            cancelled, self._cancelled = self._cancelled, []
        self._waiting += inbox
        for id_ in cancelled:
            run = self._runs.get(id_.run)
            if run is not None and (job := run.jobs.get((id_.job, id_.number))) is not None:
                job.is_cancelled = True
                run.changed.add((id_.job, id_.number))
        if cancelled and self._waiting:
            self._withdrawn |= {one.id for one in self._waiting}.intersection(cancelled)
        self._end_withdrawn()

    def _end_withdrawn(self) -> None:
        """End what was cancelled before it was submitted, as far as it is known that it was not."""
        gone = [one for one in self._waiting if one.id in self._withdrawn and one.id.run not in self._unclear]
        for attempt in gone:
            self._waiting.remove(attempt)
            self._withdrawn.discard(attempt.id)
            self._end(
                TrackedJob(attempt), unseen_record(ErrorKind.CANCELLED, "cancelled before it was submitted")
            )

    # -- submission

    def _submit_waiting(self) -> None:
        while self._waiting and time.monotonic() >= self._submit_not_before_s:
            self._settle_unclear()
            if self._unclear:
                return
            attempts, self._waiting = self._waiting[:MOST_JOBS], self._waiting[MOST_JOBS:]
            for run, text, group in self._fill(attempts):
                self._submit_group(run, text, group)
            self._ring()

    def _fill(self, attempts: Iterable[Attempt]) -> list[tuple[_Run, str, list[Attempt]]]:
        """Make the sandboxes of attempts, and return those that could be made, in groups with equal commands."""
        groups: dict[tuple[str, str], tuple[_Run, str, list[Attempt]]] = {}
        for attempt in attempts:
            try:
                run = self._open(attempt)
                if not run.is_swept:
                    run.is_swept = True
                    for sandbox in run.files.left_sandboxes(run.jobs):
                        sandbox.remove()
                text = run.files.fill(attempt)
            except AttemptFailed as error:
                self._end(TrackedJob(attempt), make_record(time.time(), [error]))
            except (MarkabError, OSError) as error:
                failed = AttemptFailed(ErrorKind.STORAGE, f"cannot write files for HTCondor: {error}")
                self._end(TrackedJob(attempt), make_record(time.time(), [failed]))
            else:
                groups.setdefault((attempt.id.run, text), (run, text, []))[2].append(attempt)
        return list(groups.values())

    def _submit_group(self, run: _Run, text: str, attempts: list[Attempt]) -> None:
        if time.monotonic() < self._submit_not_before_s:  # the group before it had no answer
            self._waiting += attempts
            return
        try:
            path = run.files.write_submission(text, attempts)
            cluster = self._schedd.submit(path)
        except ExecutorUnavailable as error:
            self._submit_not_before_s = time.monotonic() + AGAIN_AFTER_S
            if not isinstance(error, NotSubmitted):
                self._unclear.add(run.files.place.run)
            self._waiting += attempts
            self._say_unavailable(attempts, error)
        except (SubmissionRefused, MarkabError, OSError) as error:
            why = f"HTCondor did not accept it: {error}"
            for attempt in attempts:
                is_refused = isinstance(error, SubmissionRefused)
                record = (
                    refused_record(attempt.job.site, why)
                    if is_refused
                    else unseen_record(ErrorKind.STORAGE, why)
                )
                self._end(TrackedJob(attempt), record)
        else:
            for proc, attempt in enumerate(attempts):
                job = run.jobs[_key(attempt)] = TrackedJob(attempt, id=JobId(cluster, proc))
                run.by_id[JobId(cluster, proc)] = _key(attempt)
                self._say(job)
            now_s = time.monotonic()
            run.query_due_s = max(min(run.query_due_s, now_s + WAITS_AFTER_S), now_s + SETTLES_AFTER_S)
            if self._contact:
                run.query_due_s = min(run.query_due_s, time.monotonic() + self._query_every_s)

    def _say_unavailable(self, attempts: Iterable[Attempt], error: ExecutorUnavailable) -> None:
        more = f" ({error.hint})" if error.hint else ""
        reason = f"HTCondor takes no jobs at the moment: {error}{more}"
        self._put([Report(one.id, Seen.QUEUED, None, reason) for one in attempts])

    def _settle_unclear(self) -> None:
        """Find out which of the attempts that wait were accepted although no answer came."""
        for name in list(self._unclear):
            run = self._runs[name]
            try:
                ads = self._schedd.query(run.constraint)
            except ExecutorUnavailable as error:
                self._submit_not_before_s = time.monotonic() + AGAIN_AFTER_S
                self._say_unavailable([one for one in self._waiting if one.id.run == name], error)
                return
            accepted = {(int(ad["MarkabJob"]), int(ad["MarkabAttempt"])): job_of(ad) for ad in ads}
            for event in run.log.read():
                self._apply(run, event)
            accepted |= {key: id_ for id_, key in run.by_id.items()}
            for attempt in [one for one in self._waiting if one.id.run == name and _key(one) in accepted]:
                self._waiting.remove(attempt)
                job = run.jobs[_key(attempt)] = TrackedJob(attempt, id=accepted[_key(attempt)])
                run.changed.add(_key(attempt))
                job.is_cancelled = attempt.id in self._withdrawn
                self._withdrawn.discard(attempt.id)
                self._say(job)
            self._unclear.discard(name)
            run.log = EventLog(run.files.place.log)  # events were read before these were known
        self._end_withdrawn()

    # -- what becomes of jobs

    def _step(self, run: _Run) -> None:
        """Take what is new of the jobs of a run."""
        if not run.jobs:
            return
        for event in run.log.read():
            self._apply(run, event)
        if time.monotonic() >= run.query_due_s:
            self._query(run)
        self._act(run)

    def _apply(self, run: _Run, event: LoggedEvent) -> None:
        if event.type == "Submit" and (key := attempt_of(event)) is not None:
            run.by_id[event.job] = key
        known = run.by_id.get(event.job)
        if known is not None and (job := run.jobs.get(known)) is not None:
            job.apply(event)
            run.changed.add(known)

    def _query(self, run: _Run) -> None:
        """Ask the schedd for what the log may have missed."""
        run.query_due_s = time.monotonic() + self._query_every_s
        run.changed.update(run.jobs)
        try:
            ads = self._schedd.query(run.constraint)
            found = {(int(ad["MarkabJob"]), int(ad["MarkabAttempt"])): ad for ad in ads}
            for event in run.log.read():
                self._apply(run, event)
            if self._contact:
                self._bring_back(run, found)
            gone = []
            for key, job in run.jobs.items():
                if (ad := found.get(key)) is not None:
                    job.apply_ad(ad)
                elif not job.is_over:
                    gone.append(job)
            if gone:
                self._ask_history(run, gone)
        except ExecutorUnavailable as error:
            run.query_due_s = time.monotonic() + AGAIN_AFTER_S
            for job in run.jobs.values():
                job.is_unknown(f"HTCondor does not answer: {error}")
            return
        if run.is_swept and run.files.place.run not in self._unclear:
            self._want_removed(job_of(ad) for key, ad in found.items() if key not in run.jobs)

    def _bring_back(self, run: _Run, found: Mapping[Key, Ad]) -> None:
        """Get the files of the jobs that a schedd elsewhere has completed."""
        done = {
            key: ad
            for key, ad in found.items()
            if ad.get("JobStatus") == COMPLETED and key in run.jobs and not run.jobs[key].is_over
        }
        if not done:
            return
        jobs = [job_of(ad) for ad in done.values()]
        try:
            self._schedd.retrieve(ids_constraint(jobs))
        except ExecutorUnavailable as error:
            for key in done:
                run.jobs[key].is_kept(f"it is completed, and its files do not come back: {error}")
            return
        for key, ad in done.items():
            run.jobs[key].apply_history(ad)
        self._want_removed(jobs)

    def _ask_history(self, run: _Run, gone: Sequence[TrackedJob]) -> None:
        """Learn how jobs ended that are not in the queue, and of which the log does not tell."""
        ads = self._schedd.history(run.constraint)
        ended = {(int(ad["MarkabJob"]), int(ad["MarkabAttempt"])): ad for ad in ads}
        for job in gone:
            if (ad := ended.get(_key(job.attempt))) is not None:
                job.apply_history(ad)
            elif run.files.has_returned(*_key(job.attempt)):
                job.is_over = True
            else:
                job.missed += 1

    def _find(self, run: _Run) -> None:
        """Learn the state of the attempts of an earlier engine."""
        run.log = EventLog(run.files.place.log)
        for event in run.log.read():
            self._apply(run, event)
        if any(not job.is_over for job in run.jobs.values()):
            self._query(run)
        run.changed.update(run.jobs)
        for key, job in run.jobs.items():
            job.told = job.seen, job.reason
            if job.missed and not run.files.was_submitted(*key):
                job.missed += 1  # HTCondor never saw it
        self._act(run)

    def _act(self, run: _Run) -> None:
        """Report what changed, end what is over, and remove what must not go on."""
        changed, run.changed = run.changed, set()
        for key in sorted(changed):
            if (job := run.jobs.get(key)) is None:
                continue  # it has ended
            self._want_removed(job.others)
            if job.is_over:
                del run.jobs[key]
                self._end(job, self._record(run, job))
            elif job.missed > 1:
                if self._is_fenced(run, key):
                    del run.jobs[key]
                    self._lose(job)
                else:
                    run.changed.add(key)
            elif job.is_cancelled or job.failure:
                if job.id is not None:
                    self._want_removed([job.id])
            else:
                self._say(job)
            if job.missed == 1:  # a submission that is on its way at this moment gets this time
                run.query_due_s = min(run.query_due_s, time.monotonic() + SETTLES_AFTER_S)

    def _is_fenced(self, run: _Run, key: Key) -> bool:
        """Make sure that no job of an attempt runs, although the queue has none; return whether that was possible."""
        try:
            self._schedd.remove(f"{run.constraint} && MarkabJob == {key[0]} && MarkabAttempt == {key[1]}")
        except ExecutorUnavailable:
            return False
        return True

    def _record(self, run: _Run, job: TrackedJob) -> Record:
        """Return the record of an attempt that is over."""
        key = _key(job.attempt)
        if not job.removed and (record := run.files.collect(job.attempt, self._verified)) is not None:
            return record
        return missing_record(job, run.files.words(*key))

    # -- removal

    def _want_removed(self, jobs: Iterable[JobId]) -> None:
        for job in jobs:
            self._removed_at.setdefault(job, 0.0)

    def _remove_jobs(self) -> None:
        """Request the removal of jobs that must not go on; again, if one is still there after a while."""
        now_s = time.monotonic()
        if not self._removed_at or now_s < self._remove_not_before_s:
            return
        known = {job.id for run in self._runs.values() for job in run.jobs.values()}
        due = [
            job
            for job, at_s in self._removed_at.items()
            if not at_s or (job in known and at_s + AGAIN_AFTER_S < now_s)
        ]
        for first in range(0, len(due), MOST_IN_CONSTRAINT):
            some = due[first : first + MOST_IN_CONSTRAINT]
            try:
                self._schedd.remove(ids_constraint(some))
            except ExecutorUnavailable:
                self._remove_not_before_s = time.monotonic() + AGAIN_AFTER_S
                return
            self._removed_at.update(dict.fromkeys(some, time.monotonic()))

    # -- reports

    def _say(self, job: TrackedJob) -> None:
        if (report := job.report()) is not None:
            self._put([report])

    def _end(self, job: TrackedJob, record: Record) -> None:
        job.seen = Seen.ENDED
        with self._mail:
            self._ended.append(job)
        self._put([Report(job.attempt.id, Seen.ENDED, record, native_id=str(job.id or ""))])

    def _lose(self, job: TrackedJob) -> None:
        job.seen = Seen.LOST
        with self._mail:
            self._ended.append(job)
        reason = "it is neither in the queue of HTCondor nor in its history"
        self._put([Report(job.attempt.id, Seen.LOST, None, reason, str(job.id or ""))])

    def _put(self, reports: Sequence[Report]) -> None:
        """Keep reports for `wait`; `_ring` announces them, several at once."""
        with self._mail:
            self._reports += reports

    def _ring(self) -> None:
        with self._mail:
            has_news = bool(self._reports)
        if has_news:
            self._bell.ring()

    # -- files

    def _open(self, attempt: Attempt) -> _Run:
        run = self._runs.get(attempt.id.run)
        if run is None:
            context = attempt.context
            files = RunFiles(context.submit_dir, attempt.id.run, context.workflow, self._contact)
            run = self._runs[attempt.id.run] = _Run(files)
        return run

    def _clear_recorded(self) -> None:
        """Remove the sandboxes of attempts whose end is recorded."""
        with self._mail:
            recorded, self._recorded = self._recorded, []
        for job in recorded:
            run = self._runs.get(job.attempt.id.run)
            if run is not None:
                run.files.sandbox(*_key(job.attempt)).remove()


def _key(attempt: Attempt) -> Key:
    return attempt.id.job, attempt.id.number
