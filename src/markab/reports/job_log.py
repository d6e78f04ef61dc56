"""The output of one job: of an attempt that has ended, and of one that runs, followed across attempts until the job ends.

What a running task writes is read through a function that the caller gives (`executors/live_output.py`); the
rest comes from plan and journal (`kept_output.py`). No more than a block of it is in memory.
"""

from __future__ import annotations

import codecs
import os
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from markab.diagnosis.reuse_verdict import find_origin
from markab.errors import MarkabError
from markab.formatting import titled
from markab.journal.attempt_story import AttemptStories, AttemptStory, error_lines
from markab.journal.lifecycle import State
from markab.journal.reader import Line
from markab.journal.records import EntryOf, RunStart, decode
from markab.journal.run_reader import RunReader
from markab.plan.job_lookup import find_job
from markab.plan.model import Kind
from markab.reports.kept_output import (
    Kept,
    NotHere,
    declared,
    kept_parts,
    last_lines,
    move_to_last_lines,
    skip_seen,
)
from markab.worker.attempt_spec import attempt_key
from markab.worker.captured_output import IN_RECORD_BYTES
from markab.worker.record import STREAMS

NOTE = ""
"""In place of a stream: the text is about the output."""
_BLOCK_BYTES = 1 << 16
_ENDED = (State.SUCCEEDED, State.FAILED, State.INCOMPLETE, State.SKIPPED)


class LogText(NamedTuple):
    """A piece of the output of a job, or a note about it."""

    stream: str
    """`stdout`, `stderr` or `NOTE`."""
    text: str
    """Of a stream, as it was written, what is not UTF-8 replaced; a note is one line without its end."""
    attempt: int = 0
    """0: the note is about the job."""


class Live(Protocol):
    """A stream of a running task; see `executors/live_output.py:LiveOutput`."""

    name: str

    @property
    def is_alive(self) -> bool:
        """Its process runs."""
        ...

    def read(self, offset_bytes: int, most_bytes: int) -> bytes:
        """Return what is there."""
        ...

    def size_bytes(self) -> int:
        """Return how long it is now."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


FindLive = Callable[[str, int, Collection[str]], Live | None]
"""From the key of an attempt, 1 or 2 and the declared files to the stream of a task that runs now."""


class JobLog:
    """The output of one job of a run."""

    def __init__(
        self,
        submit_dir: Path,
        job: str,
        find_live: FindLive,
        streams: Collection[str] = STREAMS,
        attempt: int | None = None,
        lines: int | None = None,
    ) -> None:
        """Read what is recorded of the job.

        Args:
            attempt: the only one of interest. None: the one that runs, or the last.
            lines: of each stream, only so many of its last lines. None: all.

        Raises:
            MarkabError: the run has no such job, or the job no such attempt.
        """
        self.run = _JobReader(submit_dir, job)
        self.job = self.run.plan.job(self.run.position)
        self.title = titled(self.job.id, self.job.label)
        ids = [task.id for task in self.job.tasks]
        self._about = (
            f"{job} is task {ids.index(job) + 1} of {len(ids)} of {self.title}, whose output this is"
            if len(ids) > 1 and job in ids
            else ""
        )
        self.find_live = find_live
        self.streams = [stream for stream in STREAMS if stream in streams]
        self._only = attempt
        self._lines = lines
        self._outputs: dict[int, _AttemptOutput] = {}
        self.run.read()
        made = self.run.stories.all
        if attempt is not None and attempt not in {story.number for story in made}:
            raise _no_attempt(self.title, attempt, made)

    def texts(self) -> Iterator[LogText]:
        """Yield what there is now of the wanted attempt, and a note if there is nothing or more elsewhere."""
        stories = self._wanted()
        if not stories:
            yield LogText(NOTE, f"{self.title} has not started: {self._why()} says why")
            return
        if self._about:
            yield LogText(NOTE, self._about)
        story = stories[-1]
        output = self._output(story)
        is_said = self._lines == 0
        for piece in output.ended(story.record) if story.record is not None else output.live():
            is_said = True
            yield piece
        if not is_said and not output.has_part:
            yield LogText(NOTE, self._nothing(story), story.number)

    def follow(self, pauses: Iterable[float], sleep: Callable[[float], None]) -> Iterator[LogText]:
        """Yield what the wanted attempt writes, and without one the attempts after it, until the job or its engine ends.

        After the last piece, `exit_state` is known.
        """
        pauses = iter(pauses)
        first = self._wanted()[-1].number if self._wanted() else 1
        if self._about:
            yield LogText(NOTE, self._about)
        if not self._wanted() and self.run.has_engine:
            yield LogText(NOTE, f"{self.title} has not started yet")
        shown: set[int] = set()
        while True:
            for story in [story for story in self._wanted() if story.number >= first]:
                if story.number not in shown and story.number > 1:
                    yield LogText(NOTE, f"attempt {story.number} of {self.title}", story.number)
                shown.add(story.number)
                yield from self._output(story).live() if story.record is None else self._end(story)
                if story.record is not None:
                    first = story.number + 1
            if self._is_over(first):
                yield LogText(NOTE, self._verdict())
                return
            sleep(next(pauses))
            self.run.read()

    @property
    def exit_state(self) -> str:
        """`success`, `failed` or, if the job has not ended, `halted`: keys of `RUN_EXIT_CODES`."""
        if self._only is not None and (record := self._wanted()[-1].record) is not None:
            return "success" if record.get("ok") else "failed"
        state = self._state
        if state == State.SUCCEEDED:
            return "success"
        return "failed" if state in (State.FAILED, State.INCOMPLETE, State.SKIPPED) else "halted"

    def close(self) -> None:
        """Close all files. May be called twice."""
        for output in self._outputs.values():
            output.close()
        self.run.close()

    @property
    def _state(self) -> int:
        return self.run.job_states()[self.run.position]

    def _wanted(self) -> list[AttemptStory]:
        return [story for story in self.run.stories.all if self._only in (None, story.number)]

    def _output(self, story: AttemptStory) -> _AttemptOutput:
        if story.number not in self._outputs:
            # Only the attempt that is shown first begins in the middle.
            self._outputs[story.number] = _AttemptOutput(self, story, None if self._outputs else self._lines)
        return self._outputs[story.number]

    def _end(self, story: AttemptStory) -> Iterator[LogText]:
        record = story.record or {}
        yield from self._output(story).ended(record)
        self._output(story).close()
        if not record.get("ok"):
            error = (error_lines(record) or ["unknown reason"])[0]
            after = f"; {story.after}" if story.after else ""
            yield LogText(
                NOTE, f"attempt {story.number} of {self.title} failed: {error}{after}", story.number
            )

    def _is_over(self, first: int) -> bool:
        """Return whether nothing more is to be expected; all attempts before `first` have been shown."""
        if not self.run.has_engine:
            return True
        if self._only is not None:
            return first > self._only
        return self._state in _ENDED

    def _verdict(self) -> str:
        """Return how the job ended, or why following it did."""
        if self._only is not None and (last := self._wanted()[-1]).record is not None:
            return f"attempt {last.number} of {self.title} {'succeeded' if last.record['ok'] else 'failed'}"
        state = State(self._state)
        if state in _ENDED:
            return f"{self.title} {_WORDS[state]}"
        run = shlex.quote(str(self.run.place.path))
        if self.run.engine_crashed:
            why, verb = "the engine of the run stopped unexpectedly", "continues it"
        elif self.run.history.runs:
            why, verb = f"the run has ended ({self.run.state.lower()})", "continues it"
        else:
            why, verb = "the run was not started", "starts it"
        return f"{self.title} has not ended: {why}; `markab run {run}` {verb}"

    def _nothing(self, story: AttemptStory) -> str:
        """Return why there is no output of an attempt."""
        name = f"attempt {story.number} of {self.title}"
        if self.job.kind is not Kind.COMPUTE:
            return f"{self.title} is a {self.job.kind.value} job, which writes no output: {self._why('show')} shows what it did"
        to = f" to {self.streams[0]}" if len(self.streams) == 1 else ""
        if story.record is not None and (made := story.record.get("reused")):
            origin = find_origin(self.run.plan.header.reuse, made["run"], made["job"])
            return f"{name} ran no task: its outputs were brought, as made by {origin.text()}"
        if story.record is not None:
            return f"{name} has written nothing{to}"
        if self._output(story).has_process:
            return f"{name} has written nothing so far{to}"
        return f"{name} has no process here that is yours: its files are prepared or moved now, or another user runs it"

    def not_live(self, story: AttemptStory) -> str:
        """Return why the output of an attempt that has not ended cannot be read; nothing if it can."""
        if story.site in self.run.plan.header.remote_sites:
            return self._at_site(story)
        if not self.run.has_engine:
            return "was lost with the engine: what it had written is gone"
        if self.run.host not in ("", os.uname().nodename):
            return f"runs on host {self.run.host!r}: here its output can be read when it ends"
        return ""

    def _at_site(self, story: AttemptStory) -> str:
        """Return where an attempt stands that another site has."""
        site = f"site {story.site!r}" + (f" ({story.native_id})" if story.native_id else "")
        if not self.run.has_engine:
            return f"was left at {site}: its output comes here when the run is continued and it ends"
        if story.held:
            return f"is held by {site}: {story.held}"
        if self.run.history.states[self.run.position] == State.QUEUED:
            return f"waits in the queue of {site}: {self._why()} shows more"
        on = f", on {story.host}" if story.host else ""
        return f"runs at {site}{on}: its output comes here when it ends"

    def _why(self, command: str = "why") -> str:
        return f"`markab {command} {shlex.quote(str(self.run.place.path))} {shlex.quote(self.job.id)}`"


_WORDS = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.INCOMPLETE: "is incomplete: jobs before it failed",
    State.SKIPPED: "was skipped: jobs before it failed",
}


class _JobReader(RunReader):
    """A run, with the attempts of one job."""

    def __init__(self, submit_dir: Path, job: str) -> None:
        super().__init__(submit_dir)
        self.position = find_job(self.plan, job)
        self.stories = AttemptStories()
        self.host = ""
        """Where the last engine runs."""

    def take(self, entry: EntryOf[Any], line: Line) -> None:
        super().take(entry, line)
        if isinstance(entry, RunStart):
            self.host = entry.host
        elif getattr(entry, "job", None) == self.position:
            self.stories.take(decode(line[2]))


class _AttemptOutput:
    """The streams of one attempt, and how much of them was shown."""

    def __init__(self, log: JobLog, story: AttemptStory, lines: int | None) -> None:
        self._log = log
        self._story = story
        self._lines = lines
        self._key = attempt_key(log.run.uuid, log.job.id, story.number)
        self._streams = {stream: _Shown() for stream in log.streams}
        self._has_noted = False

    @property
    def has_process(self) -> bool:
        """A task of it was seen running."""
        return any(shown.live is not None for shown in self._streams.values())

    @property
    def has_part(self) -> bool:
        """A running task has written something, perhaps only the beginning of a character."""
        return any(shown.live is not None and shown.live.size_bytes() for shown in self._streams.values())

    def live(self) -> Iterator[LogText]:
        """Yield what its tasks have written since the last call."""
        if why := self._log.not_live(self._story):
            if not self._has_noted:
                self._has_noted = True
                yield self._note(f"attempt {self._story.number} of {self._log.title} {why}")
            return
        if self._log.job.kind is not Kind.COMPUTE:
            return
        for stream, shown in self._streams.items():
            if shown.live is not None and not shown.live.is_alive:
                yield from self._read_live(stream, shown, shown.live)  # a declared file is there to its end
                shown.close()
            if shown.live is None:
                shown.live = self._find(stream)
            if shown.live is not None:
                yield from self._read_live(stream, shown, shown.live)

    def ended(self, record: dict[str, Any]) -> Iterator[LogText]:
        """Yield what was not shown while it ran."""
        for stream, shown in self._streams.items():
            if shown.live is not None and shown.live.name:
                yield from self._read_live(stream, shown, shown.live)
            parts = kept_parts(record, stream, self._log.job, self._log.run.place.path, self._log.run.plan)
            if self._lines is not None and not shown.seen_bytes:
                yield from self._last_lines(stream, [*parts], self._lines)
                continue
            for part in parts:
                if isinstance(part, Kept):
                    yield from self._rest(stream, part, shown)
                elif part.name not in shown.seen_bytes:
                    yield self._not_here(stream, part)

    def close(self) -> None:
        """Close all files. May be called twice."""
        for shown in self._streams.values():
            shown.close()

    def _find(self, stream: str) -> Live | None:
        names = {declared(task, stream) for task in self._log.job.tasks} - {""}
        return self._log.find_live(self._key, 1 + STREAMS.index(stream), names)

    def _read_live(self, stream: str, shown: _Shown, live: Live) -> Iterator[LogText]:
        """Yield what was written until now, without the beginning of a character whose rest is to come."""
        if self._lines is not None and not shown.seen_bytes:
            shown.begin_at_last_lines(live, self._lines)
        end_bytes = live.size_bytes()
        while (at := shown.seen_bytes.get(live.name, 0)) < end_bytes:
            data = live.read(at, _BLOCK_BYTES)
            text, used_bytes = codecs.utf_8_decode(data, "replace", False)
            if not used_bytes:
                return
            shown.add(live.name, data[:used_bytes])
            yield LogText(stream, text, self._story.number)

    def _rest(self, stream: str, kept: Kept, shown: _Shown) -> Iterator[LogText]:
        with kept.file:
            before = skip_seen(kept, shown.seen_bytes.get(kept.name, 0), shown.beginnings.get(kept.name, b""))
            if before:
                yield LogText(stream, before.decode(), self._story.number)
            yield from self._text_of(stream, kept.file)

    def _last_lines(self, stream: str, parts: Sequence[Kept | NotHere], lines: int) -> Iterator[LogText]:
        with ExitStack() as files:
            for part in reversed(parts):
                if isinstance(part, NotHere):
                    yield self._not_here(stream, part)
                else:
                    lines -= move_to_last_lines(files.enter_context(part.file), lines)
            for part in parts:
                if isinstance(part, Kept):
                    yield from self._text_of(stream, part.file)

    def _text_of(self, stream: str, file: BinaryIO) -> Iterator[LogText]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while data := file.read(_BLOCK_BYTES):
            if text := decoder.decode(data):
                yield LogText(stream, text, self._story.number)
        if text := decoder.decode(b"", final=True):
            yield LogText(stream, text, self._story.number)

    def _not_here(self, stream: str, part: NotHere) -> LogText:
        where = f"went to {part.name!r}, which" if part.name else "is in a file that"
        return self._note(f"the {stream} of {self._log.title} {where} cannot be read: {part.why}")

    def _note(self, text: str) -> LogText:
        return LogText(NOTE, text, self._story.number)


class _Shown:
    """How much of a stream was shown."""

    def __init__(self) -> None:
        self.live: Live | None = None
        self.seen_bytes: dict[str, int] = {}
        """Declared file, "" for what was captured → bytes, up to the end of a character."""
        self.beginnings: dict[str, bytes] = {}
        """The first of these bytes: so many that they are all, if the record has the stream as text."""

    def add(self, name: str, data: bytes) -> None:
        """Note that these bytes were shown."""
        self.seen_bytes[name] = self.seen_bytes.get(name, 0) + len(data)
        begun = self.beginnings.get(name, b"")
        self.beginnings[name] = begun + data[: IN_RECORD_BYTES - len(begun)]

    def begin_at_last_lines(self, live: Live, lines: int) -> None:
        """Leave out what stands before the last lines of a stream."""
        begin, _ = last_lines(live.read, live.size_bytes(), lines)
        left_out = live.read(0, min(begin, IN_RECORD_BYTES))
        if live.name or live.is_alive:  # else it may have been the output of another attempt
            self.seen_bytes[live.name], self.beginnings[live.name] = begin, left_out

    def close(self) -> None:
        """Close the live stream. May be called twice."""
        if self.live is not None:
            self.live.close()
            self.live = None


def _no_attempt(title: str, attempt: int, made: Sequence[AttemptStory]) -> MarkabError:
    if not made:
        return MarkabError(f"{title} has made no attempt yet", hint="leave --attempt out")
    numbers = ", ".join(str(story.number) for story in made)
    return MarkabError(f"{title} has no attempt {attempt}", hint=f"its attempts are: {numbers}")
