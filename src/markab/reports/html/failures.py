"""Failed attempts, equal ones together, so that five hundred of a kind are told once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markab.journal.attempt_record import AttemptError
from markab.journal.records import AttemptEnd, decode

SAMPLES = 16
"""Attempts of a group whose whole record is kept, to have one to show."""

_VARYING = re.compile(rb"'[^']*'|\"[^\"]*\"|\S*\d\S*|/\S+")


@dataclass
class FailureGroup:
    """Failures of one transformation for one reason."""

    xform: str
    jobs: list[int]
    """Jobs that failed so, or (when `final` is false) whose attempts did, ascending."""
    attempts: int
    final: bool
    """These jobs were given up; otherwise they were tried again."""
    job: int
    attempt: int
    record: dict[str, Any]
    """The record of one of them, as an example."""


Key = tuple[str, str, bytes]
"""Transformation, kind of error, message with what varies left out."""


class FailureLog:
    """Takes what happens to failed attempts as it is told; groups them when all is told."""

    def __init__(self, xforms: Sequence[str]) -> None:
        self._xforms = xforms
        self._members: dict[Key, dict[int, int]] = {}
        self._undecided: dict[int, tuple[Key, int, bytes]] = {}
        """Job → its last failed attempt, until the engine says what comes after it."""
        self._given_up: dict[int, Key] = {}
        self._final: dict[Key, dict[int, tuple[int, bytes]]] = {}
        self._passing: dict[Key, dict[int, tuple[int, bytes]]] = {}

    def engine_started(self) -> None:
        """Take that another engine has opened the run: what was given up may be tried again."""
        for key, samples in self._final.items():
            self._passing.setdefault(key, {}).update(samples)
        self._final.clear()
        self._given_up.clear()
        for job in list(self._undecided):
            self.tried_again(job)

    def failed(self, job: int, attempt: int, error: AttemptError | None, body: bytes) -> None:
        """Take that an attempt failed; `body` is the record that says so."""
        error = error or AttemptError()
        key = self._xforms[job], error.kind, _VARYING.sub(b"*", error.message.encode())
        members = self._members.setdefault(key, {})
        members[job] = members.get(job, 0) + 1
        self._undecided[job] = key, attempt, body

    def tried_again(self, job: int) -> None:
        """Take that there will be another attempt."""
        self._keep(job, self._passing)

    def given_up(self, job: int) -> None:
        """Take that there will be none."""
        if (last := self._keep(job, self._final)) is not None:
            self._given_up[job] = last

    def groups(self) -> list[FailureGroup]:
        """Return the groups: jobs that failed for good first, then larger ones first."""
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
