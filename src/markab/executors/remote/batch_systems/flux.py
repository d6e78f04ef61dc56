"""Flux: `flux submit` of one job each, as it has no arrays; `flux jobs` for what is there and what has ended.

One job a line, of fields between bars; the name is last, as it is the only field that can have a bar. Memory cannot be asked for.

Source: the manual pages of flux-submit, flux-jobs and flux-cancel of flux-core 0.50 and newer. Never run against a real Flux.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from posixpath import dirname

from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.spelling import (
    by_job,
    cores_per_node,
    in_commands,
    one_line,
    share,
    user_words,
)
from markab.transfers.error_kinds import ErrorKind

MOST_LISTED = 1_000_000
"""Jobs of one listing, which has 1,000 if nothing is said."""

_FORMAT = "{id.f58}|{status}|{urgency}|{returncode}|{nodelist}|{sched.reason_pending}|{exception.type}|{exception.note}|{name}"

_ID = re.compile(r"[fƒ][1-9A-HJ-NP-Za-km-z]{1,12}")
"""An id in base58. Source: Flux RFC 19."""

_SEEN = {
    "PENDING": Seen.QUEUED,
    "NEW": Seen.QUEUED,
    "DEPEND": Seen.QUEUED,
    "PRIORITY": Seen.QUEUED,
    "SCHED": Seen.QUEUED,
    "RUN": Seen.RUNNING,
    "RUNNING": Seen.RUNNING,
    "CLEANUP": Seen.RUNNING,
    "COMPLETED": Seen.ENDED,
    "FAILED": Seen.ENDED,
    "CANCELED": Seen.ENDED,
    "TIMEOUT": Seen.ENDED,
}

_BUSY = re.compile(
    r"Connection refused|Resource temporarily unavailable|(?:submission|queue)\b.* (?:is )?(?:disabled|stopped)|max-.*limit|"
    r"unable to connect|Error connecting|Function not implemented|Connection (?:reset|timed out)",
    re.IGNORECASE,
)


class Flux:
    """The language of Flux."""

    name = "flux"
    title = "Flux"
    programs = ("flux",)
    unsupported = frozenset({"memory_mb"})

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script."""
        del job
        return f"#!/bin/sh\nMARKAB_ELEMENT=0\nexport MARKAB_ELEMENT\n{command}\n"

    def submit(self, job: BatchJob) -> BatchCommand:
        """Return the `flux submit` of a job: one slot with all its cores, or one on each of its nodes."""
        nodes = max(1, job.nodes)
        # Braces in it would be read as a template.
        output = "/dev/null" if "{{" in job.output else job.output
        words = [
            "flux",
            "submit",
            f"--job-name={job.name}",
            f"--output={output}",
            f"--error={output}",
            f"--cwd={dirname(job.script)}",
            f"--ntasks={nodes}",
            f"--cores-per-task={cores_per_node(job)}",
        ]
        if job.nodes:
            words.append(f"--nodes={job.nodes}")
        if job.gpus:
            words.append(f"--gpus-per-task={share(job.gpus, nodes)}")
        if job.runtime_s:
            words.append(f"--time-limit={math.ceil(job.runtime_s)}s")
        if job.grace_s:
            words.append(f"--signal=SIGTERM@{job.grace_s}s")
        if job.queue:
            words.append(f"--queue={one_line(job.queue)}")
        if job.project:
            words.append(f"--bank={one_line(job.project)}")
        return BatchCommand([*words, *user_words(job.arguments, "#flux:"), "/bin/sh", job.script])

    def read_submitted(self, stdout: str) -> str:
        """Return the id, beginning with an ASCII `f`, which Flux takes in any locale.

        Raises:
            ValueError: there is none.
        """
        for line in reversed(stdout.splitlines()):
            if _ID.fullmatch(line.strip()):
                return line.strip().replace("ƒ", "f")
        raise ValueError(f"flux submit printed no id of a job: {one_line(stdout)!r}")

    def queue(self, user: str, names: Sequence[str]) -> BatchCommand:
        """Return the `flux jobs` of a user, those that have ended included; it can be asked for one name only."""
        del names
        return BatchCommand(
            [
                "flux",
                "jobs",
                "-a",
                "--no-header",
                f"--user={user}",
                f"--count={MOST_LISTED}",
                f"--format={_FORMAT}",
            ]
        )

    def read_queue(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return all jobs in a listing; a line that is not one of nine fields is passed over."""
        found: dict[BatchElement, QueueEntry] = {}
        entries: dict[str, QueueEntry | None] = {}
        for line in stdout.split("\n"):
            native_id, _, rest = line.partition("|")
            if _ID.fullmatch(native_id):
                entry = entries[rest] if rest in entries else entries.setdefault(rest, _entry(rest))
                if entry is not None:
                    found[BatchElement(native_id.replace("ƒ", "f"), 0)] = entry
        return found

    def ended(self, name: str, native_id: str) -> BatchCommand | None:
        """Return None: the listing has them, until the site purges them."""
        return None

    def read_ended(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return the same as of the queue."""
        return self.read_queue(stdout)

    def cancel(self, elements: Sequence[BatchElement]) -> list[BatchCommand]:
        """Return the `flux cancel` of jobs."""
        return [BatchCommand(["flux", "cancel", *part]) for part in in_commands(by_job(elements))]

    def limits(self) -> BatchCommand | None:
        """Return None: there are no arrays."""
        return None

    def most_elements(self, stdout: str) -> int:
        """Return 1: there are no arrays."""
        return 1

    def is_busy(self, stderr: str) -> bool:
        """Return whether the broker did not answer, or the queue takes no jobs now."""
        return _BUSY.search(stderr) is not None


def _entry(fields: str) -> QueueEntry | None:
    words = fields.split("|", 7)
    if len(words) != 8:
        return None
    state, urgency, code, host, pending, exception, note, name = words
    seen = _SEEN.get(state)
    if seen is None or not name:
        return None
    host = one_line(host)
    if seen is Seen.QUEUED:
        if urgency == "0":
            return QueueEntry(name, Seen.HELD, "urgency 0: held")
        return QueueEntry(name, seen, one_line(pending) or ("" if state in ("PENDING", "SCHED") else state))
    if seen is Seen.RUNNING:
        return QueueEntry(name, seen, "" if state.startswith("RUN") else state, host)
    reason = one_line(" ".join(word for word in (state, code, exception, note) if word))
    return QueueEntry(name, seen, reason, host, _kind(state, code, exception))


def _kind(state: str, code: str, exception: str) -> str:
    """Return the kind of an end: a negative exit code is a signal of the shell, above 128 one of the task."""
    if state == "COMPLETED":
        return ""
    if state == "TIMEOUT" or exception == "timeout":
        return ErrorKind.TIMEOUT
    if state == "CANCELED" or exception == "cancel":
        return ErrorKind.CANCELLED
    if exception in ("exec", "alloc", "dependency", "node-failure", "lost-shell"):
        return ErrorKind.LOST
    number = int(code) if re.fullmatch(r"-?\d{1,4}", code, re.ASCII) else 0
    return ErrorKind.SIGNAL if number < 0 or number > 128 else ErrorKind.EXIT
