"""Failed attempts in groups of equal ones, so that five hundred of a kind are shown once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markab.journal.attempt_record import AttemptError
from markab.journal.records import AttemptEnd, decode

SAMPLES = 16
"""Number of attempts of a group whose whole record is kept as a possible example."""

_VARYING = re.compile(rb"'[^']*'|\"[^\"]*\"|\S*\d\S*|/\S+")


@dataclass
class FailureGroup:
    """Failures of one transformation for one reason."""

    xform: str
    jobs: list[int]
    """Jobs that failed for this reason, or (when `final` is false) whose attempts did, ascending."""
    attempts: int
    final: bool
    """These jobs were given up; otherwise they were retried."""
    job: int
    attempt: int
    record: dict[str, Any]
    """The record of one of them, as an example."""


Key = tuple[str, str, bytes]
"""Transformation, kind of error, message without its variable parts."""


class FailureLog:
    """Collects the failed attempts in the order of the journal, and groups them at its end."""

    def __init__(self, xforms: Sequence[str]) -> None:
        self._xforms = xforms
        self._members: dict[Key, dict[int, int]] = {}
        self._undecided: dict[int, tuple[Key, int, bytes]] = {}
        """Job → its last failed attempt, until a retry or the end of the job is recorded."""
        self._given_up: dict[int, Key] = {}
        self._final: dict[Key, dict[int, tuple[int, bytes]]] = {}
        self._passing: dict[Key, dict[int, tuple[int, bytes]]] = {}

    def engine_started(self) -> None:
        """Record that another engine has opened the run: jobs that were given up may be retried."""
        for key, samples in self._final.items():
            self._passing.setdefault(key, {}).update(samples)
        self._final.clear()
        self._given_up.clear()
        for job in list(self._undecided):
            self.tried_again(job)

    def failed(self, job: int, attempt: int, error: AttemptError | None, body: bytes) -> None:
        """Record that an attempt failed; `body` is the record of its end."""
        error = error or AttemptError()
        key = self._xforms[job], error.kind, _VARYING.sub(b"*", error.message.encode())
        members = self._members.setdefault(key, {})
        members[job] = members.get(job, 0) + 1
        self._undecided[job] = key, attempt, body

    def tried_again(self, job: int) -> None:
        """Record that there will be another attempt."""
        self._keep(job, self._passing)

    def given_up(self, job: int) -> None:
        """Record that there will be no other attempt."""
        if (last := self._keep(job, self._final)) is not None:
            self._given_up[job] = last

    def groups(self) -> list[FailureGroup]:
        """Return the groups: jobs that failed permanently first, then larger groups first."""
        for job in list(self._undecided):
            self.tried_again(job)
        found = []
        for key, members in self._members.items():
            final = sorted(job for job in members if self._given_up.get(job) == key)
            passing = sorted(members.keys() - set(final))
            if final:
                found.append(self._group(key, final, self._final[key], True))
            if passing:
                found.append(self._group(key, passing, self._passing.get(key) or self._final[key], False))
        return sorted(found, key=lambda group: (not group.final, -len(group.jobs), group.jobs[0]))

    def _keep(self, job: int, samples: dict[Key, dict[int, tuple[int, bytes]]]) -> Key | None:
        if (last := self._undecided.pop(job, None)) is None:
            return None
        key, attempt, body = last
        kept = samples.setdefault(key, {})
        if job in kept or len(kept) < SAMPLES:
            kept[job] = attempt, body
        return key

    def _group(
        self, key: Key, jobs: list[int], samples: dict[int, tuple[int, bytes]], final: bool
    ) -> FailureGroup:
        job = next((job for job in jobs if job in samples), next(iter(samples)))
        attempt, body = samples[job]
        attempts = sum(self._members[key][job] for job in jobs)
        end = decode(body)
        assert isinstance(end, AttemptEnd)
        return FailureGroup(key[0], jobs, attempts, final, job, attempt, end.record)
