"""The facts of a run for every export: its attempts in the order they ended, and the files they read and made.

Read in one pass over the journal. A small record a file and a byte a job are kept
in memory; attempts are not. Nothing secret is passed on: no environment of a task,
no password in a URL, no output of a task, and command lines as planned, in which
`$VAR` is not expanded.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from markab.errors import MarkabError
from markab.journal.attempt_record import AttemptSuccess
from markab.journal.lifecycle import State
from markab.journal.records import AttemptEnd, AttemptStart, Entry, EntryOf, RunStart, decode
from markab.journal.run_reader import RunReader
from markab.plan.braindump import read_braindump
from markab.plan.child_directory import child_runs
from markab.plan.model import Kind, PlannedJob, PlannedTask
from markab.plan.submit_dir import SubmitDir
from markab.reports.exports.formatting import is_gone
from markab.reports.exports.public_document import arguments_as_written
from markab.transfers.base import redact
from markab.transfers.reserved_names import CHILDREN

NEVER_STARTED = -1
"""Raw wait status of a process that could not be started."""


class FilePlace(msgspec.Struct, frozen=True, gc=False):
    """A place where a file was found or delivered."""

    site: str
    url: str
    delivered: bool = False
    """Delivered there by this run; otherwise it was there before."""


class RunFile(msgspec.Struct, gc=False):
    """One version of a logical file, as far as the run knows it."""

    lfn: str
    version: int = 1
    """Each attempt makes a new version of a checkpoint; any other file has one, unless files were refreshed."""
    sha256: str | None = None
    size_bytes: int | None = None
    maker: str = ""
    """Name of the attempt that made it, as `AttemptFacts.name`. Empty: it was there before, or is not made yet."""
    made: float = 0.0
    wanted_from: str = ""
    """The job that makes it."""
    executable: bool = False
    checkpoint: bool = False
    home: str = ""
    """Its main URL: where the plan delivers it, else where it came from. Empty: the scratch only."""
    places: tuple[FilePlace, ...] = ()

    @property
    def is_input(self) -> bool:
        """It comes from outside the workflow."""
        return not self.maker and not self.wanted_from

    @property
    def is_known(self) -> bool:
        """It exists: made, moved, or described by a catalog."""
        return bool(self.maker or self.sha256 or self.size_bytes is not None)

    @property
    def delivered(self) -> list[FilePlace]:
        """The places to which the run delivered it."""
        return [place for place in self.places if place.delivered]


class InvocationFacts(msgspec.Struct):
    """One process that an attempt ran."""

    number: int
    task: PlannedTask | None
    start: float
    duration_s: float
    status: int
    """Raw wait status; -1: never started."""
    usage: dict[str, Any]
    """As in the worker's record: utime_s, stime_s, maxrss_kb, pid, …"""

    @property
    def exit_code(self) -> int | None:
        """The exit code; None: a signal ended it, or it never started."""
        if self.status == NEVER_STARTED or not os.WIFEXITED(self.status):
            return None
        return os.WEXITSTATUS(self.status)

    @property
    def signal(self) -> int | None:
        """The signal that ended it."""
        if self.status == NEVER_STARTED or not os.WIFSIGNALED(self.status):
            return None
        return os.WTERMSIG(self.status)


class InnerRun(msgspec.Struct, frozen=True):
    """The run of a sub-workflow, where it was planned last."""

    job: str
    """That of the run above."""
    path: Path
    workflow: str
    uuid: str


class AttemptFacts(msgspec.Struct):
    """One try of a job."""

    position: int
    number: int
    job: PlannedJob
    state: str
    """`succeeded`, `failed`, `running`, or `lost` when its engine ended before it and no other continued the run."""
    site: str
    submitted: float
    record: dict[str, Any]
    """The worker's record; empty while it runs."""
    used: list[RunFile]
    """The files it read; empty if it failed before reading."""
    made: list[RunFile]
    inner: InnerRun | None = None
    """The run of the sub-workflow that it was."""

    @property
    def name(self) -> str:
        """Unique in the run: `wc_ID1/2` is the second attempt of `wc_ID1`."""
        return f"{self.job.id}/{self.number}"

    @property
    def start(self) -> float:
        """When it began; if that is not recorded, when it was submitted."""
        return float(self.record.get("start") or self.submitted)

    @property
    def end(self) -> float:
        """When it ended; 0 while it has not."""
        return float(self.record.get("end") or 0.0)

    @property
    def host(self) -> str:
        """Name of the machine it ran on."""
        return str(self.record.get("host", ""))

    @property
    def error(self) -> str:
        """The messages of its errors."""
        errors = [self.record.get("error"), *self.record.get("also", ())]
        return redact("; ".join(str(error["message"]) for error in errors if error))

    @property
    def error_kind(self) -> str:
        """The kind of its first error; see `transfers/error_kinds.py`."""
        return str((self.record.get("error") or {}).get("kind", ""))

    @property
    def invocations(self) -> list[InvocationFacts]:
        """The processes, in the order they ran."""
        tasks = {task.id: task for task in self.job.tasks}
        return [
            InvocationFacts(
                number=number,
                task=tasks.get(entry.get("task", "")),
                start=float(entry.get("start", self.start)),
                duration_s=float(entry.get("duration_s", 0.0)),
                status=int(entry.get("status", NEVER_STARTED)),
                usage=entry,
            )
            for number, entry in enumerate(self.record.get("invocations", ()), 1)
        ]

    @property
    def containers(self) -> list[dict[str, Any]]:
        """The containers in which its tasks ran, as the worker's record has them."""
        return list(self.record.get("containers", ()))

    @property
    def environments(self) -> list[dict[str, Any]]:
        """The software environments of its tasks, as the worker's record has them."""
        return list(self.record.get("environments", ()))

    @property
    def moved(self) -> list[dict[str, Any]]:
        """Transfers that it made, as the worker's record has them, without secrets in their URLs."""
        return [
            moved | {"source": redact(moved["source"]), "destination": redact(moved["destination"])}
            for moved in self.record.get("transfers", ())
        ]


class Facts(RunReader):
    """A run that is being read: iterate over `attempts` to the end, then use the other properties."""

    def __init__(self, submit_dir: str | Path | None, prefix: str = "") -> None:
        """Open a run.

        Args:
            prefix: what stands before its names in an export of a tree, `job/` for a sub-workflow.

        Raises:
            NotARun: there is none.
            NewerFormat, CorruptPlan: its plan cannot be read.
        """
        super().__init__(submit_dir)
        self.prefix = prefix
        self.engines: list[RunStart] = []
        """Every opening of the run by an engine."""
        self.files: dict[str, RunFile] = {}
        """Every file that a job of the plan reads or makes: its newest version, by lfn."""
        self.older: list[RunFile] = []
        """Versions that a newer one has replaced."""
        self.last_time = 0.0
        """Time of the last recorded event."""
        self.inner = {
            child.position: InnerRun(child.job, child.path, *_identity(child.path))
            for child in child_runs(self.place.path, self.plan)
        }
        """Job → the run of the sub-workflow that it is, if that was planned."""
        self.shared: Collection[str] = ()
        """Its files that are those of the run above; in an export of a tree."""
        self._missing: list[str] | None = None
        self._as_written = arguments_as_written(self._document_path)
        self._wanted()

    def attempts(self) -> Iterator[AttemptFacts]:
        """Yield every attempt once, in the order they ended; those that have not ended come last.

        Raises:
            CorruptJournal: the journal is damaged.
        """
        under_way: dict[tuple[int, int], AttemptStart] = {}
        for line in self.new_lines():
            entry = decode(line[2])
            self.take(_without_details(entry), line)
            self.last_time = max(self.last_time, entry.time)
            if isinstance(entry, AttemptStart):
                under_way[entry.job, entry.attempt] = entry
            elif isinstance(entry, AttemptEnd):
                begun = under_way.pop((entry.job, entry.attempt), None)
                yield self._attempt(entry.job, entry.attempt, begun, entry.record)
            elif isinstance(entry, RunStart):
                self.engines.append(entry)
        for (position, number), begun in under_way.items():
            yield self._attempt(position, number, begun, None)

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.plan.header.workflow

    @property
    def uuid(self) -> str:
        """The run's."""
        return super().uuid or (self.engines[0].uuid if self.engines else "unknown")

    @property
    def user(self) -> str:
        """The user who planned the run."""
        return self.braindump.get("user") or "unknown"

    @property
    def started(self) -> float:
        """When the first engine opened the run; 0: never."""
        return self.history.started

    @property
    def ended(self) -> float:
        """When the last engine finished; 0 while one works, or after it was killed."""
        return self.history.ended

    @property
    def document(self) -> Path:
        """The copy of the workflow document.

        Raises:
            MarkabError: it does not exist any more.
        """
        path = self._document_path
        if not path.is_file():
            raise MarkabError(
                f"the run's copy of its workflow document is missing: {str(path)!r}",
                hint="restore it, for example with `cp "
                f"{shlex.quote(self.braindump.get('dax') or path.name)} {shlex.quote(str(path))}`",
            )
        return path

    @property
    def _document_path(self) -> Path:
        return self.place.catalogs / Path(self.braindump.get("dax") or "workflow.yml").name

    def jobs(self) -> Iterator[PlannedJob]:
        """Yield the jobs of the plan, in order."""
        return (self.job(position) for position in range(len(self.plan)))

    def job(self, position: int) -> PlannedJob:
        """Return a job of the plan; its arguments are as the user wrote them, not expanded."""
        job = self.plan.job(position)
        if self._as_written:
            for task in job.tasks:
                task.arguments = self._as_written.get(task.id, task.arguments)
        return job

    def missing(self) -> list[str]:
        """Return, as sentences, what an export of this run lacks; complete once the attempts have been read.

        Checks once whether each delivered file still exists.
        """
        if self._missing is None:
            self._missing = list(self._find_missing())
        return self._missing

    def _find_missing(self) -> Iterator[str]:
        state = self.state
        if state == "Not started":
            yield "the run never started: the export has only the plan"
        elif state == "Running":
            yield "the run is in progress: attempts that have not ended are left out, or marked as running"
        elif state != "Success":
            undone = len(self.plan) - self.history.count(State.SUCCEEDED)
            yield f"the run is not complete: {undone:,} of {len(self.plan):,} jobs did not succeed"
        gone = [
            place.url
            for file in self.files.values()
            for place in file.delivered
            if is_gone(place.url) and not self._is_handed_up(file.lfn, place.url)
        ]
        if gone:
            yield f"{len(gone):,} delivered file(s) are no longer at their place, such as {gone[0]}"

    def _is_handed_up(self, lfn: str, url: str) -> bool:
        """Return whether a place is in the scratch of the run above, which that cleans up."""
        directory, inner = url.removesuffix(lfn).rstrip("/"), f"/{CHILDREN}/"
        places = (site.scratch.path for site in self.plan.header.sites.values() if site.scratch is not None)
        return any(inner in path and path.rpartition(inner)[0] == directory for path in places)

    def _wanted(self) -> None:
        """Read from the plan which job makes which file; a file that no job makes comes from outside."""
        for job in self.plan.jobs():
            for output in job.outputs:
                file = self._file(output.lfn)
                file.wanted_from, file.checkpoint = job.id, output.checkpoint
            for put in job.inputs:
                file = self._file(put.lfn)
                file.sha256 = file.sha256 or put.sha256
                file.executable = file.executable or put.executable or put.image
                for source in put.sources:
                    _add_place(file, FilePlace(source.site, redact(source.url)))
            if job.kind == Kind.STAGE_OUT:
                for transfer in job.transfers:
                    self._file(transfer.lfn).home = redact(transfer.destinations[0].url)
            if job.kind == Kind.STAGE_IN:
                for transfer in job.transfers:
                    file = self._file(transfer.lfn)
                    file.sha256 = file.sha256 or transfer.sha256
                    if file.size_bytes is None:
                        file.size_bytes = transfer.size_bytes
                    file.executable = file.executable or transfer.executable
                    for source in transfer.sources:
                        _add_place(file, FilePlace(source.site, redact(source.url)))

    def _attempt(
        self, position: int, number: int, begun: AttemptStart | None, record: dict[str, Any] | None
    ) -> AttemptFacts:
        job = self.job(position)
        if record is None:
            state = "running" if self.has_engine else "lost"
        else:
            state = "succeeded" if record.get("ok") else "failed"
        attempt = AttemptFacts(
            position=position,
            number=number,
            job=job,
            state=state,
            site=begun.site if begun else job.site,
            submitted=begun.time if begun else 0.0,
            record=record or {},
            used=[],
            made=[],
            inner=self.inner.get(position),
        )
        self._moved(attempt)
        self._read(attempt)
        self._made(attempt)
        return attempt

    def _moved(self, attempt: AttemptFacts) -> None:
        """Add the facts of an attempt's transfers: sizes, checksums, and where outputs were delivered."""
        delivers = attempt.job.kind == Kind.STAGE_OUT
        sites = {
            place.url: place.site
            for transfer in (attempt.job.transfers if delivers else ())
            for place in transfer.destinations
        }
        for moved in attempt.record.get("transfers", ()):
            file = self._file(moved["lfn"])
            if file.is_input and file.sha256 and moved.get("sha256", file.sha256) != file.sha256:
                file = self._taken_anew(file)
            file.sha256 = file.sha256 or moved.get("sha256")
            if file.size_bytes is None and not moved.get("link"):
                file.size_bytes = moved.get("bytes")
            if delivers:
                url = moved["destination"]
                _add_place(file, FilePlace(sites.get(url, attempt.site), redact(url), delivered=True))

    def _taken_anew(self, file: RunFile) -> RunFile:
        """Begin a version of a file from outside, which was edited."""
        self.older.append(file)
        new = self.files[file.lfn] = msgspec.structs.replace(
            file, version=file.version + 1, sha256=None, size_bytes=None
        )
        return new

    def _read(self, attempt: AttemptFacts) -> None:
        job, record = attempt.job, attempt.record
        if attempt.state == "failed" and not record.get("invocations") and not record.get("transfers"):
            return
        if job.kind in (Kind.COMPUTE, Kind.SUBWORKFLOW):
            names: Sequence[str] = [
                put.lfn for put in job.inputs if not put.optional or self._file(put.lfn).is_known
            ]
        else:
            names = [moved["lfn"] for moved in record.get("transfers", ())]
        attempt.used = [self._file(lfn) for lfn in names]

    def _made(self, attempt: AttemptFacts) -> None:
        for output in attempt.record.get("outputs", ()):
            if attempt.state != "succeeded" and not output.get("checkpoint"):
                continue  # delivered before the attempt failed; the next attempt replaces it
            file = self._file(output["lfn"])
            if file.maker:
                self.older.append(file)
                file = self.files[file.lfn] = RunFile(
                    file.lfn,
                    version=file.version + 1,
                    wanted_from=file.wanted_from,
                    checkpoint=file.checkpoint,
                    home=file.home,
                )
            file.sha256 = output.get("sha256")
            file.size_bytes = output.get("size")
            file.maker, file.made = attempt.name, attempt.end
            attempt.made.append(file)

    def _file(self, lfn: str) -> RunFile:
        file = self.files.get(lfn)
        if file is None:
            file = self.files[lfn] = RunFile(lfn)
        return file


def _identity(submit_dir: Path) -> tuple[str, str]:
    """Return workflow and uuid of a run."""
    braindump = read_braindump(SubmitDir(submit_dir).braindump)
    return braindump.get("dax_label") or "", braindump.get("wf_uuid") or ""


def _without_details(entry: Entry) -> EntryOf[AttemptSuccess]:
    """Return a record as the history takes it, which of a worker's record reads only whether it succeeded."""
    if isinstance(entry, AttemptEnd):
        return AttemptEnd(entry.time, entry.job, entry.attempt, AttemptSuccess(bool(entry.record.get("ok"))))
    return entry


def _add_place(file: RunFile, place: FilePlace) -> None:
    if place not in file.places:
        file.places = (*file.places, place)
        file.home = file.home or place.url
