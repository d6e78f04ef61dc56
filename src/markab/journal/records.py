r"""The records of `journal.jsonl`. Each is a JSON object; "event" names its kind.

`time` is UTC epoch seconds, `job` the position in the plan (0 is line 2 of
`plan.jsonl`), `attempt` counts from 1 over all calls of the engine. A key that
has its default may be left out.

    run-start   time, uuid, pid, host   an engine opened the run
                restart         int     how many engines did so before (0: the first)
                cores, memory_mb, gpus  what jobs on its machine may use
                max_jobs        int     how many jobs may run at once (default 0: no limit)
                keep_going      bool    continue with what does not depend on a job that failed (default true)
    refused     time                    an engine could not run it, and started nothing
                why, hint       str     the error, and what to do about it
    start       time, job, attempt      the attempt is about to be given to an executor
                id              str     id of the job
                site            str
    running     time, job, attempt      the executor saw it run (only executors that queue)
                native_id       str     the site's own id of it (default "")
                host            str     where it runs, as the site says (default "")
    held        time, job, attempt      its site keeps it and does not run it
                reason          str     the site's own words
                native_id       str     as in "running"
    released    time, job, attempt      it waits in the queue of its site again, after it was held
    end         time, job, attempt      the attempt ended
                record          object  the worker's record of it: see worker/record.py;
                                        an attempt succeeded if and only if record.ok is true
    retry       time, job, attempt      that attempt failed, and there will be another
                pause_s         float   not before so many seconds (default 0)
                memory_mb       int     it lacked memory: all further attempts ask for so much (default 0: as before)
                served          list    children that have all they need of the job all the same: positions
    give-up     time, job, attempt      that attempt failed, and it was the last of this call
                why             str     "no retry is left" (default), or why none would help
                memory_mb       int     as in "retry", for the next call of the engine
                served          list    as in "retry"
    incomplete  time, job, attempt      that attempt did what can be done without jobs that failed; the next
                                        call of the engine tries the job again
                served          list    as in "retry"
    undone      time, job, attempt      that attempt succeeded, and the job will run again
                why             str     such as: a file that it made is missing
    refresh     time                    files from outside that were edited are taken anew from here on
                files           list    of them: lfn, path, old and new sha256, "" where the old is not known
                jobs            list    jobs that succeeded and run again therefore: positions; an "undone" of
                                        each follows, and this record alone says that they do not count
                unfinished      list    jobs that depend on them and had not succeeded: of several tasks, all run again
                checkpoints     list    lfns: what jobs left of them before this is not used again
    no-room     time, job               nothing runs, and this job and all others that could have no room in scratch
                why             str     what it needs, and what there is
                hint            str     what to do
    halt        time                    the user requested that nothing new be started
    remove      time                    the user requested that running jobs be ended too
    interrupt   time                    a signal (Ctrl-C) requested the same
    run-end     time                    the engine is done, and nothing runs
                outcome         str     success, failed, halted, removed, interrupted
                counts          object  number of jobs by state

An attempt with a "start" and no "end" was under way when the engine was killed. The
next engine queries its executor, and writes the "end" if it ended or was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from markab.errors import CorruptJournal

OutcomeState = Literal["success", "failed", "halted", "removed", "interrupted"]

NO_RETRY_LEFT = "no retry is left"

Number = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
"""Number of an attempt."""


Depth = TypeVar("Depth")
"""What the worker's record is read as: one of `journal/attempt_record.py`, or a dict of all its keys."""


class AnyRecord(msgspec.Struct, omit_defaults=True, gc=False, tag_field="event"):
    """What all records have."""

    time: float


class RunStart(AnyRecord, tag="run-start"):
    """An engine opened the run."""

    uuid: str
    pid: int
    host: str
    restart: int = 0
    cores: int = 0
    memory_mb: int = 0
    gpus: int = 0
    max_jobs: int = 0
    keep_going: bool = True


class Refused(AnyRecord, tag="refused"):
    """An engine refused to run it: its jobs need what is not there."""

    why: str
    hint: str = ""


class AttemptStart(AnyRecord, tag="start"):
    """An attempt is about to be given to an executor."""

    job: int
    id: str
    attempt: Number
    site: str


class AttemptRunning(AnyRecord, tag="running"):
    """The executor saw an attempt run."""

    job: int
    attempt: Number
    native_id: str = ""
    """The site's own id of it."""
    host: str = ""


class AttemptHeld(AnyRecord, tag="held"):
    """The site of an attempt keeps it and does not run it."""

    job: int
    attempt: Number
    reason: str
    native_id: str = ""


class AttemptReleased(AnyRecord, tag="released"):
    """An attempt that was held waits in the queue of its site again."""

    job: int
    attempt: Number


class AttemptEnd(AnyRecord, Generic[Depth], tag="end"):
    """An attempt ended."""

    job: int
    attempt: Number
    record: Depth


class Retry(AnyRecord, tag="retry"):
    """An attempt failed, and there will be another."""

    job: int
    attempt: Number
    pause_s: float = 0.0
    served: list[int] = []
    memory_mb: int = 0


class GiveUp(AnyRecord, tag="give-up"):
    """An attempt failed, and it was the last."""

    job: int
    attempt: Number
    why: str = NO_RETRY_LEFT
    served: list[int] = []
    memory_mb: int = 0


class Incomplete(AnyRecord, tag="incomplete"):
    """An attempt did what can be done without jobs that failed."""

    job: int
    attempt: Number
    served: list[int] = []


class Undone(AnyRecord, tag="undone"):
    """A job that had succeeded will run again."""

    job: int
    attempt: Number
    why: str


class RefreshedFile(msgspec.Struct, omit_defaults=True, gc=False):
    """A file from outside the workflow that a run takes anew."""

    lfn: str
    path: str
    new: str
    """Its sha256 now: only this content is taken."""
    old: str = ""
    """The sha256 of what the run had taken; "": not known."""


class Refresh(AnyRecord, tag="refresh"):
    """Files that were edited are taken anew, and jobs that had succeeded will run again."""

    files: list[RefreshedFile]
    jobs: list[int] = []
    unfinished: list[int] = []
    checkpoints: list[str] = []

    @property
    def why(self) -> str:
        """Why the jobs run again."""
        first, more = self.files[0], len(self.files) - 1
        checksums = (
            f"its sha256 was {first.old} and is {first.new}" if first.old else f"its sha256 is {first.new}"
        )
        others = f", and so were {more} more files that it uses or may use" if more else ""
        return f"it depends on {first.path!r}, which was edited ({checksums}){others}"


class NoRoom(AnyRecord, tag="no-room"):
    """The engine ends, because no job that could run next has room in scratch."""

    job: int
    why: str
    hint: str = ""


class Halt(AnyRecord, tag="halt"):
    """The user requested that nothing new be started."""


class Remove(AnyRecord, tag="remove"):
    """The user requested that running jobs be ended."""


class Interrupt(AnyRecord, tag="interrupt"):
    """A signal requested that the engine end."""


class RunEnd(AnyRecord, tag="run-end"):
    """The engine is done."""

    outcome: OutcomeState
    counts: dict[str, int] = {}


EntryOf = (
    RunStart
    | Refused
    | AttemptStart
    | AttemptRunning
    | AttemptHeld
    | AttemptReleased
    | AttemptEnd[Depth]
    | Retry
    | GiveUp
    | Incomplete
    | Undone
    | Refresh
    | NoRoom
    | Halt
    | Remove
    | Interrupt
    | RunEnd
)
"""Any record, with the worker's record read to some depth."""

Entry = EntryOf[dict[str, Any]]
"""Any record as it is written."""

EVENTS: Mapping[type[AnyRecord], str] = {
    kind: str(kind.__struct_config__.tag) for kind in AnyRecord.__subclasses__()
}
"""Kind of record → its "event"."""


def decoder(depth: type[Depth]) -> Callable[[bytes], EntryOf[Depth]]:
    """Return a function from JSON text to record; of the worker's record it decodes what `depth` declares.

    The function raises CorruptJournal for a text that is no record this Markab knows.
    """
    read: Any = EntryOf
    decode_json: Callable[[bytes], EntryOf[Depth]] = msgspec.json.Decoder(read[depth]).decode

    def decode(body: bytes) -> EntryOf[Depth]:
        try:
            return decode_json(body)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise not_understood(body, error) from error

    return decode


def not_understood(body: bytes, error: Exception) -> CorruptJournal:
    """Return the error for a record that is whole, but not one that this Markab knows."""
    return CorruptJournal(
        f"the journal has a record that cannot be understood ({error}): {body[:80].decode('utf-8', 'replace')}…",
        hint="was it written by a newer Markab? then continue with that one",
    )


decode: Callable[[bytes], Entry] = decoder(dict[str, Any])
"""JSON text of a record → the record, with all that the worker wrote."""


def cleaned(value: Any) -> Any:
    """Return a worker's record as JSON in UTF-8 can hold it: bytes that are no text become U+FFFD."""
    if isinstance(value, dict):
        return {str(cleaned(key)): cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape" if _is_escaped(value) else "replace").decode(
            "utf-8", "replace"
        )
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return str(value)


def _is_escaped(text: str) -> bool:
    """Return whether all its lone surrogates stand for bytes, as `surrogateescape` makes them."""
    return all(not 0xD800 <= ord(c) <= 0xDFFF or 0xDC80 <= ord(c) <= 0xDCFF for c in text)
