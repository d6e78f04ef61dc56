"""Failed attempts after which the job was tried again, in groups of equal ones, so that five hundred of a kind are shown once.

Jobs that failed permanently are those of `analyze`: see `diagnosis/failure_analysis.py`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from markab.journal.attempt_record import AttemptError
from markab.journal.records import AttemptEnd, decode

_VARYING = re.compile(rb"'[^']*'|\"[^\"]*\"|\S*\d\S*|/\S+")


@dataclass
class RetriedGroup:
    """Failures of one transformation for one reason."""

    xform: str
    jobs: list[int]
    """Ascending."""
    attempts: int
    job: int
    """The job of the example."""
    attempt: int
    record: dict[str, Any]
    """The record of the first of them, as an example."""


Key = tuple[str, str, bytes]
"""Transformation, kind of error, message without its variable parts."""


class RetriedFailures:
    """Collects the failed attempts in the order of the journal."""

    def __init__(self, xforms: Sequence[str]) -> None:
        self._xforms = xforms
        self._members: dict[Key, dict[int, int]] = {}
        """Job → its attempts of that kind."""
        self._examples: dict[Key, tuple[int, int, bytes]] = {}
        self._last: dict[int, tuple[int, Key, bytes]] = {}
        """Job → number, kind and record of its last attempt, which is not known to be tried again."""

    def failed(self, job: int, attempt: int, error: AttemptError | None, body: bytes) -> None:
        """Record that an attempt failed; `body` is the record of its end."""
        error = error or AttemptError()
        key = self._xforms[job], error.kind, _VARYING.sub(b"*", error.message.encode())
        self._last[job] = attempt, key, body

    def tried_again(self, job: int) -> None:
        """Record that there is another attempt of a job."""
        if (last := self._last.pop(job, None)) is None:
            return
        attempt, key, body = last
        members = self._members.setdefault(key, {})
        members[job] = members.get(job, 0) + 1
        self._examples.setdefault(key, (job, attempt, body))

    def engine_started(self) -> None:
        """Record that another engine has opened the run: it tries every job again."""
        for job in list(self._last):
            self.tried_again(job)

    def groups(self, failed: Container[int]) -> list[RetriedGroup]:
        """Return the groups, those of most jobs first; without the jobs in `failed`, which failed permanently."""
        found = []
        for key, members in self._members.items():
            if others := {job: number for job, number in members.items() if job not in failed}:
                found.append(self._group(key, others))
        return sorted(found, key=lambda group: (-len(group.jobs), group.jobs[0]))

    def _group(self, key: Key, members: dict[int, int]) -> RetriedGroup:
        job, attempt, body = self._examples[key]
        end = decode(body)
        assert isinstance(end, AttemptEnd)
        return RetriedGroup(key[0], sorted(members), sum(members.values()), job, attempt, end.record)
