"""Transfer all files of one job: sources in order, retries with back-off, threads.

Rounds: in each, every file that has not arrived is tried from each of its sources, best
first, until one works. A source that can never work (no such file, forbidden, wrong
checksum of a local file) is not tried again. Between rounds we wait, because a busy server
needs that: half a second, doubled each round up to a minute, with up to half of it added
at random; longer if a server says so (Retry-After). Pegasus waits min(5^(round + 2) +
1…20, 300) seconds, which makes a short hiccup cost minutes. From the third round on one
thread does all the work, in case the load of several is too much for the server.
"""

import os
import random as random_numbers
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence

from markab.errors import ChecksumMismatch, MarkabError, StorageError, TransferError, TransferUnavailable
from markab.transfers.base import (
    Cancelled,
    Moved,
    Outcome,
    Scheme,
    Stop,
    handler_for,
    is_local,
    name_of,
    path_of,
    redact,
)
from markab.transfers.checksum import Verified
from markab.transfers.copy_bytes import SMALL_BYTES
from markab.transfers.error_kinds import error_entry, kind_of
from markab.transfers.file_transfer import Place, Rules, place_files, transfer_files

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
_ALONE_FROM_ROUND = 3
_FLUSHED_TOGETHER = (16, 128)
"""At least, and at most so many short files become durable together: each takes a descriptor until then."""

Item = Dict[str, Any]


def move_all(
    items: Sequence[Item],
    threads: int,
    attempts: int,
    stop: Stop,
    allow_links: bool,
    verified: Optional[Verified],
    sleep: Optional[Callable[[float], Any]] = None,
    random: Callable[[], float] = random_numbers.random,
    durable: bool = True,
    verify_links: bool = True,
    own: Sequence[str] = (),
) -> List[Dict[str, Any]]:
    """Transfer files and return the result of each, in the order of `items`; never raises for a file.

    An item is {"lfn", "sources": [{"site", "url"}], "destinations": [...], "sha256"?,
    "executable"?, "link"?}: sources best first; every destination gets the file.

    A result is {"lfn", "source", "destination", "bytes", "duration_s", "attempts", "sha256"?,
    "link"?}, as the invocation record has it (a file of a batch has the duration of the batch's calls; on this machine, its share of it), and for a
    file that did not arrive also {"error": {"kind", "message", "hint"?}}; kinds are in `error_kinds.py`. URLs in it have no passwords.

    Args:
        attempts: rounds, at least 1.
        allow_links: items with "link", and destinations `symlink://`, get symbolic links.
        verified: verifies known checksums and computes the others. None: checksums are ignored.
        durable: files survive a power loss once this returns. Not needed for scratch.
        verify_links: False: no checksums of files that are only linked.
        own: directories of the run on this machine, below which no link is followed (`own_directories.py`).
    """
    rules = Rules(stop, allow_links, verified, durable, verify_links, own)
    files = [_File(item) for item in items]
    waiting = [one for one in files if not one.is_done]
    round_number = 1
    while waiting:
        _run_round(waiting, rules, threads if round_number < _ALONE_FROM_ROUND else 1)
        waiting = [one for one in waiting if not one.is_done and one.sources]
        if not waiting or round_number >= attempts or _is_set(stop):
            break
        pause_s = max(pause_after(round_number, random()), min(one.retry_after_s for one in waiting))
        _pause(pause_s, stop, sleep)
        if _is_set(stop):
            break
        round_number += 1
    return [one.result() for one in files]


def pause_after(round_number: int, random: float) -> float:
    """Return the seconds to wait after a round; `random` is from 0 up to 1."""
    base_s = min(FIRST_PAUSE_S * 2.0 ** min(round_number - 1, 30), LONGEST_PAUSE_S)
    return min(base_s * (1.0 + random / 2), LONGEST_PAUSE_S)


class _File(object):
    """One file to transfer: its sources that are left, and its result so far."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.sources: List[Place] = list(item["sources"])
        self.is_local = all(is_local(one["url"]) for one in self.sources + item["destinations"])
        """All its ends are on this machine."""
        self.last_source: Optional[Place] = self.sources[0] if self.sources else None
        """The source that was tried last; before the first try, the best one."""
        self.count = 0
        self.duration_s = 0.0
        self.retry_after_s = 0.0
        self.is_done = False
        self._waits_s: List[float] = []
        self._untried: Deque[Place] = deque()
        self.moved: Optional[Moved] = None
        self.error: Optional[MarkabError] = None
        if not self.sources or not item["destinations"]:
            end = "source" if not self.sources else "destination"
            self.error = TransferError("'%s' has no %s" % (item["lfn"], end), "plan the workflow again")
            self.is_done = True

    def begin_round(self) -> None:
        """Make every source that is left available for one more try."""
        self.retry_after_s = 0.0
        self._waits_s = []
        self._untried = deque(self.sources)

    @property
    def next_source(self) -> Optional[Place]:
        """The source to try next in this round; None: the file arrived, or none is left."""
        return self._untried[0] if self._untried else None

    def record_outcome(self, outcome: Outcome, duration_s: float) -> None:
        """Record the outcome of trying `next_source`."""
        source = self.last_source = self._untried.popleft()
        self.count += 1
        self.duration_s += duration_s
        if isinstance(outcome, Moved):
            self.moved = outcome
            self.is_done = True
            self.error = None
            self._untried.clear()
        elif isinstance(outcome, Cancelled):
            self.error = outcome
            self._untried.clear()
        else:
            self._record_failure(source, outcome)
            self._waits_s.append(getattr(outcome, "retry_after_s", 0.0))
            self.retry_after_s = min(self._waits_s)

    def _record_failure(self, source: Place, error: MarkabError) -> None:
        if self.error is None or _weight(error) > _weight(self.error):
            self.error = error
        if isinstance(error, StorageError):
            self.sources = []  # neither time nor another source makes room
            self._untried.clear()
            return
        in_transit = isinstance(error, ChecksumMismatch) and not is_local(source["url"])
        if not isinstance(error, TransferUnavailable) and not in_transit:
            self.sources.remove(source)

    def result(self) -> Dict[str, Any]:
        """Return the record of this file."""
        moved = self.moved or Moved(0)
        record: Dict[str, Any] = {
            "lfn": self.item["lfn"],
            "source": name_of(self.last_source["url"]) if self.last_source else "",
            "destination": ", ".join([name_of(one["url"]) for one in self.item["destinations"]]),
            "bytes": moved.size_bytes,
            "duration_s": round(self.duration_s, 6),
            "attempts": self.count,
        }
        if moved.sha256:
            record["sha256"] = moved.sha256
        if moved.link:
            record["link"] = moved.link
        if self.error is not None or not self.is_done:
            error = self.error or Cancelled("the transfer of '%s' was cancelled" % self.item["lfn"])
            others = len(self.item["sources"]) - 1
            message = redact(str(error))
            if others > 0 and not isinstance(error, (Cancelled, StorageError)):
                message += "; neither did %d other source%s work" % (others, "" if others == 1 else "s")
            record["error"] = error_entry(kind_of(error), message, redact(error.hint))
        return record


def _weight(error: MarkabError) -> int:
    """Rank the errors of one file by how specific they are; of equals, that of the first source is reported."""
    for weight, kind in enumerate((TransferUnavailable, ChecksumMismatch, StorageError), start=1):
        if isinstance(error, kind):
            return weight
    return 0


def _run_round(waiting: List[_File], rules: Rules, threads: int) -> None:
    """Try every file once. Small local ones are done right here: a thread costs more than they do."""
    for one in waiting:
        one.begin_round()
    queue: Deque[List[_File]] = deque()
    for batch in _batches(waiting, threads, rules):
        if _is_set(rules.stop):
            return
        if threads > 1 and len(waiting) > 1 and not (len(batch) == 1 and _is_quick(batch[0], rules)):
            queue.append(batch)
        else:
            _run_batch(batch, rules)
    if len(queue) <= 1:
        for batch in queue:
            _run_batch(batch, rules)
        return

    def work() -> None:
        while not _is_set(rules.stop):
            try:
                batch = queue.popleft()
            except IndexError:
                return
            _run_batch(batch, rules)

    helpers = [
        threading.Thread(target=work, name="transfer-%d" % n, daemon=True)
        for n in range(1, min(threads, len(queue)))
    ]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()


def _batches(files: List[_File], threads: int, rules: Rules) -> List[List[_File]]:
    """Return files in the order given; those that cost less together are together, shared by the threads."""
    batches: List[List[_File]] = []
    flushed: List[_File] = []
    by_scheme: Dict[Scheme, List[_File]] = {}
    for one in files:
        if one.is_local:
            if rules.durable and _is_short(one):
                flushed.append(one)
            else:
                batches.append([one])
            continue
        scheme = _batching_scheme(one)
        if scheme is None:
            batches.append([one])
        else:
            by_scheme.setdefault(scheme, []).append(one)
    least, most = _FLUSHED_TOGETHER
    batches += _cut(flushed, min(most, max(least, -(-len(flushed) // threads))))
    for scheme, group in by_scheme.items():
        batches += _cut(group, min(scheme.files_a_call, -(-len(group) // threads)))
    return batches


def _cut(files: List[_File], size: int) -> List[List[_File]]:
    return [files[start : start + size] for start in range(0, len(files), size)]


def _batching_scheme(one: _File) -> Optional[Scheme]:
    """Return the scheme that moves a file next if it takes many files in one call."""
    source = one.next_source
    for place in [source, *one.item["destinations"]] if source else ():
        if not is_local(place["url"]):
            try:
                scheme = handler_for(place["url"])
            except MarkabError:
                return None  # it will fail at once
            return scheme if scheme.files_a_call > 1 else None
    return None


def _run_batch(batch: List[_File], rules: Rules) -> None:
    """Try the sources of each file that are left, best first, until one works."""
    while batch:
        start = time.monotonic()
        wanted = [(one.item, one.next_source) for one in batch if one.next_source]
        # All of a batch are files whose ends are on this machine, which need no scheme, or none is.
        is_local = batch[0].is_local
        outcomes = (place_files if is_local else transfer_files)(wanted, rules)
        duration_s = (time.monotonic() - start) / (len(batch) if is_local else 1)
        for one, outcome in zip(batch, outcomes):  # noqa: B905  Python 3.6
            one.record_outcome(outcome, duration_s)
        batch = [one for one in batch if one.next_source]


def _is_quick(one: _File, rules: Rules) -> bool:
    """Return whether a file moves in less time than a thread takes to start. Waiting for a disk is not quick."""
    return one.is_local and not rules.durable and _is_short(one)


def _is_short(one: _File) -> bool:
    """Return whether a file of this machine is short."""
    if one.item.get("size_bytes") is not None:
        return bool(one.item["size_bytes"] <= SMALL_BYTES)
    try:
        return os.stat(path_of(one.item["sources"][0]["url"])).st_size <= SMALL_BYTES
    except (OSError, MarkabError):
        return True  # it will fail at once


def _is_set(stop: Stop) -> bool:
    return stop is not None and stop.is_set()


def _pause(seconds: float, stop: Stop, sleep: Optional[Callable[[float], Any]]) -> None:
    if sleep is not None:
        sleep(seconds)
    elif stop is not None:
        stop.wait(seconds)
    else:
        time.sleep(seconds)
