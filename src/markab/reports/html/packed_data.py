"""The data of a page's charts and tables, compact enough to be embedded: columns, zlib, base64.

Decompressed it is one JSON object. Times are milliseconds after `t0`; an ascending
column is written as differences. `lane` is a row of the Gantt chart: each attempt is
in the lowest row that is free when it begins.

Columns are made, written and freed one by one: for a million jobs, all together are a
gigabyte of numbers.
"""

from __future__ import annotations

import base64
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

import msgspec

from markab.formatting import printable
from markab.reports.graph.state_styles import CODES, STATE_STYLES
from markab.reports.html.run_data import RunData, StringTable

Members = Iterator[tuple[str, Any]]
"""Of an object, in order; a value that is an iterator itself is an object."""


def packed(data: RunData, now: float) -> str:
    """Return the data as base64 text."""
    squeeze = zlib.compressobj(6)
    small = [squeeze.compress(text) for text in _object(_page(data, now))]
    return base64.b64encode(b"".join([*small, squeeze.flush()])).decode()


def _object(members: Members) -> Iterator[bytes]:
    before = b"{"
    for name, value in members:
        yield before + msgspec.json.encode(name) + b":"
        if isinstance(value, Iterator):
            yield from _object(value)
        else:
            yield msgspec.json.encode(value)
        before = b","
    yield b"}"


def _page(data: RunData, now: float) -> Members:
    attempts = data.attempts
    until = max(now if data.status.state == "Running" else 0.0, data.until, max(attempts.end, default=0.0))
    t0 = min(data.history.started or until, min(attempts.begin, default=until))
    yield "t0", t0
    yield "span", _ms(until - t0)
    yield "states", [[look.word, look.sign, look.color] for look in STATE_STYLES.values()]
    yield "engines", [_ms(time - t0) for time in data.engines]
    yield "hosts", [printable(name) for name in data.hosts.all]
    xforms, kinds, sites = StringTable(), StringTable(), StringTable()
    yield "jobs", _jobs(data, xforms, kinds, sites)
    yield "xforms", xforms.all
    yield "kinds", kinds.all
    yield "sites", sites.all
    yield "attempts", _attempts(data, t0, until)
    yield "files", _files(data)


def _jobs(data: RunData, xforms: StringTable, kinds: StringTable, sites: StringTable) -> Members:
    graph = data.graph
    yield "name", graph.ids
    yield "label", [data.plan.labels.get(job, "") for job in range(len(graph))] if data.plan.labels else []
    yield "xform", [xforms.number(name) for name in graph.xforms]
    yield "kind", [kinds.number(name) for name in graph.kinds]
    yield "site", [sites.number(name) for name in graph.sites]
    yield "state", [CODES[state] for state in data.states]


def _attempts(data: RunData, t0: float, until: float) -> Members:
    attempts = data.attempts
    order = sorted(range(len(attempts)), key=attempts.begin.__getitem__)
    begins = array("d", (attempts.begin[i] for i in order))
    runs = array("d", (attempts.run[i] for i in order))
    ends = array("d", (attempts.end[i] or until for i in order))
    yield "job", [attempts.job[i] for i in order]
    yield "number", [attempts.number[i] for i in order]
    yield "begin", _differences(_ms(begin - t0) for begin in begins)
    yield "wait", [_ms(run - begin) for begin, run in zip(begins, runs, strict=True)]
    yield "took", [_ms(end - run) for run, end in zip(runs, ends, strict=True)]
    yield "verdict", [attempts.verdict[i] for i in order]
    yield "host", [attempts.host[i] for i in order]
    yield "lane", lanes(begins, ends)


def lanes(starts: Sequence[float], ends: Sequence[float]) -> list[int]:
    """Return the row of each bar, without overlaps in a row; bars come in the order of their starts."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    rows, found = 0, []
    for start, end in zip(starts, ends, strict=True):
        while busy and busy[0][0] <= start:
            heappush(free, heappop(busy)[1])
        if free:
            lane = heappop(free)
        else:
            lane, rows = rows, rows + 1
        heappush(busy, (end, lane))
        found.append(lane)
    return found


def _files(data: RunData) -> Members:
    """Files by column: first those delivered, then those made, then the inputs."""
    files = data.files
    names = sorted(files, key=lambda lfn: (not files[lfn].delivered, files[lfn].job < 0))
    yield "name", [printable(lfn) for lfn in names]
    facts = [files[lfn] for lfn in names]
    yield "size", [fact.size for fact in facts]
    yield "sha256", [fact.sha256 for fact in facts]
    yield "job", [fact.job for fact in facts]
    yield "source", [fact.source for fact in facts]
    yield "delivered", [fact.delivered for fact in facts]
    yield "places", [printable(place) for place in data.places.all]


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _differences(values: Iterable[int]) -> list[int]:
    before, found = 0, array("q")
    for value in values:
        found.append(value - before)
        before = value
    return found.tolist()
