"""Failed attempts, equal ones together, so that five hundred of a kind are told once."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

SAMPLES = 16
"""Attempts of a group whose whole record is kept, to find one of a job that failed for good."""

_VARYING = re.compile(rb"'[^']*'|\"[^\"]*\"|\S*\d\S*|/\S+")


class _Error(msgspec.Struct):
    kind: str = ""
    message: str = ""


class _Failed(msgspec.Struct):
    error: _Error = _Error()


class _End(msgspec.Struct):
    record: _Failed


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


class FailureLog:
    """Takes failed attempts as they come; groups them when all are there."""

    def __init__(self, xforms: Sequence[str]) -> None:
        self._xforms = xforms
        self._decode = msgspec.json.Decoder(_End).decode
        self._members: dict[tuple[str, str, bytes], dict[int, int]] = {}
        self._samples: dict[tuple[str, str, bytes], dict[int, tuple[int, bytes]]] = {}
        self._last: dict[int, tuple[str, str, bytes]] = {}
        self.attempts = 0

    def add(self, job: int, attempt: int, body: bytes) -> None:
        """Take the `end` record of an attempt that failed."""
        error = self._decode(body).record.error
        key = self._xforms[job], error.kind, _VARYING.sub(b"*", error.message.encode())
        members = self._members.setdefault(key, {})
        members[job] = members.get(job, 0) + 1
        samples = self._samples.setdefault(key, {})
        if job in samples or len(samples) < SAMPLES:
            samples[job] = attempt, body
        self._last[job] = key
        self.attempts += 1

    def groups(self, failed: Collection[int]) -> list[FailureGroup]:
        """Return the groups: jobs that failed for good first, then larger ones first."""
        given_up = set(failed)
        found = []
        for key, members in self._members.items():
            final = sorted(job for job in members if job in given_up and self._last[job] == key)
            passing = sorted(members.keys() - set(final))
            found += [self._group(key, jobs, bool(jobs is final)) for jobs in (final, passing) if jobs]
        return sorted(found, key=lambda group: (not group.final, -len(group.jobs), group.jobs[0]))

    def _group(self, key: tuple[str, str, bytes], jobs: list[int], final: bool) -> FailureGroup:
        samples = self._samples[key]
        job = next((job for job in jobs if job in samples), next(iter(samples)))
        attempt, body = samples[job]
        attempts = sum(self._members[key][job] for job in jobs)
        record: dict[str, Any] = msgspec.json.decode(body)["record"]
        return FailureGroup(key[0], jobs, attempts, final, job, attempt, record)
