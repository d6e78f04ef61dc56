"""The data of a page's charts and tables, small enough to stand in it: columns, zlib, base64.

Decompressed it is one JSON object. Times are milliseconds after `t0`; a column
that grows is written as differences. `lanes` are rows of the Gantt chart: each
attempt stands in the lowest that is free when it begins.
"""

from __future__ import annotations

import base64
import json
import zlib
from array import array
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from markab.reports.graph_states import CODES, LOOKS
from markab.reports.html_data import ALIVE, LOST, FileFact, Names, RunData


def packed(data: RunData, now: float) -> str:
    """Return the data as base64 text."""
    text = json.dumps(page_data(data, now), ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(errors="replace"), 6)).decode()


def page_data(data: RunData, now: float) -> dict[str, Any]:
    """Return what is packed."""
    attempts = data.attempts
    until = max(now if data.status.state == "Running" else 0.0, data.until, max(attempts.end, default=0.0))
    t0 = min(data.history.started or until, min(attempts.begin, default=until))
    order = sorted(range(len(attempts)), key=attempts.begin.__getitem__)
    starts = [attempts.begin[i] for i in order]
    ends = [attempts.end[i] or until for i in order]
    xforms, kinds, sites = Names(), Names(), Names()
    outline = data.plan.outline
    return {
        "t0": t0,
        "span": _ms(until - t0),
        "states": [[look.word, look.sign, look.color] for look in LOOKS.values()],
        "engines": [_ms(time - t0) for time in data.engines],
        "hosts": data.hosts.all,
        "jobs": {
            "name": data.graph.ids,
            "xform": [xforms.number(name) for name in data.graph.xforms],
            "kind": [kinds.number(name) for name in data.graph.kinds],
            "site": [sites.number(job.site) for job in outline],
            "state": [CODES[state] for state in data.states],
        },
        "xforms": xforms.all,
        "kinds": kinds.all,
        "sites": sites.all,
        "attempts": {
            "job": [attempts.job[i] for i in order],
            "number": [attempts.number[i] for i in order],
            "begin": _differences(_ms(start - t0) for start in starts),
            "wait": [_ms(attempts.run[i] - attempts.begin[i]) for i in order],
            "took": [_ms(stop - attempts.run[i]) for i, stop in zip(order, ends, strict=True)],
            "verdict": [attempts.verdict[i] for i in order],
            "host": [attempts.host[i] for i in order],
            "lane": lanes(starts, ends),
        },
        "files": _files(data.files),
        "over": data.status.state != "Running",
        "alive": [ALIVE, LOST],
    }


def lanes(starts: Sequence[float], ends: Sequence[float]) -> list[int]:
    """Return the row of each bar; bars come in the order they begin, and none overlaps another in its row."""
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


def _files(files: dict[str, FileFact]) -> dict[str, Any]:
    """Return the files by column; a URL that ends in the file's name is written as the number of what is before."""
    places = Names()

    def short(url: str, lfn: str) -> Any:
        return places.number(url.removesuffix(lfn)) if url.endswith(lfn) else url

    order = sorted(files, key=lambda lfn: (not files[lfn].delivered, files[lfn].job < 0))
    facts = [(lfn, files[lfn]) for lfn in order]
    return {
        "name": order,
        "size": [fact.size for _, fact in facts],
        "sha256": [fact.sha256 for _, fact in facts],
        "job": [fact.job for _, fact in facts],
        "source": [short(fact.source, lfn) if fact.source else -1 for lfn, fact in facts],
        "delivered": [[short(url, lfn) for url in fact.delivered] for lfn, fact in facts],
        "places": places.all,
    }


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _differences(values: Iterable[int]) -> list[int]:
    before, found = 0, array("q")
    for value in values:
        found.append(value - before)
        before = value
    return found.tolist()
