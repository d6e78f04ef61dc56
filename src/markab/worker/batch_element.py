"""An element of a batch job: one process that runs attempts of a file of specs, one after the other.

The worker starts in the directory of the batch, which executor and nodes share; N is the position of an
attempt in the batch, from 0:

    specs           one element a line: a list of {"position": N, "spec": the spec of an attempt}
    claims/N        see `fence.py`; the worker writes host and pid, and sets its time anew while it lives
    records/N.json  the record of an attempt; made by rename, so it is whole or absent
    fences/N        see `fence.py`

With a limit of seconds, the tasks are ended in time to write their records before the batch system ends the
process. Each attempt is begun only if its claim is free: one that was revoked, or that another process has, is left
out. After SIGTERM no further one is begun.
"""

import json
import os
import sys
import threading
import time
from typing import Any, List

from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt_run import run
from markab.worker.attempt_spec import complete_spec
from markab.worker.fence import is_revoked, take
from markab.worker.record import HOST, Record, unseen_record

PULSE_S = 20.0


def run_element(
    specs: str,
    element: int,
    stop: threading.Event,
    adopts: bool = False,
    pulse_s: float = PULSE_S,
    limit_s: float = 0.0,
) -> int:
    """Run the attempts of an element; return 0 if all that ran succeeded, else 1. Setting `stop` ends it.

    Args:
        limit_s: so long after this call no task runs any more; 0: no limit.

    Raises:
        OSError, ValueError: the specs cannot be read; or a record cannot be written.
    """
    code, end_s = 0, time.monotonic() + limit_s
    for item in _line(specs, element):
        left_s = end_s - time.monotonic() if limit_s else 0.0
        if stop.is_set() or (limit_s and left_s <= 0):
            return 1
        name = str(int(item["position"]))
        claim = os.path.join("claims", name)
        if not take(claim, "%s %d\n" % (HOST, os.getpid())):
            print("attempt %s of this batch has been begun elsewhere, or revoked" % name, file=sys.stderr)
            continue
        fence = os.path.join("fences", name)
        record = _run_one(item["spec"], claim, fence, stop, adopts, pulse_s, left_s)
        _write_record(os.path.join("records", name + ".json"), record)
        code = code if record["ok"] else 1
    return code


def _line(specs: str, element: int) -> List[Any]:
    with open(specs, encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number == element:
                items = json.loads(line)
                if not isinstance(items, list):
                    break
                return items
    raise ValueError("it has no element %d" % element)


def _run_one(
    given: Any, claim: str, fence: str, stop: threading.Event, adopts: bool, pulse_s: float, left_s: float
) -> Record:
    try:
        spec = complete_spec(dict(given, fence=fence))
        if left_s:
            job = spec["job"]
            if left_s < (job.get("max_wall_s") or left_s + 1):
                job["max_wall_s"], job["wall_profile"] = round(left_s, 1), "pegasus.runtime"
    except (TypeError, ValueError) as error:
        return unseen_record(ErrorKind.INTERNAL, "its spec cannot be read: %s" % error)
    over, ends = threading.Event(), _Either(stop)
    pulse = threading.Thread(target=_show_life, args=(claim, fence, over, ends, pulse_s))
    pulse.daemon = True
    pulse.start()
    try:
        return run(spec, ends, adopts)
    finally:
        over.set()


class _Either(threading.Event):
    """An event that counts as set, too, when another one is."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()

    def wait(self, timeout: Any = None) -> bool:
        """Wait for the other one, which a signal sets; this one is seen a moment later."""
        return super().is_set() or self._other.wait(timeout)


def _show_life(claim: str, fence: str, over: threading.Event, ends: threading.Event, pulse_s: float) -> None:
    while not over.wait(pulse_s):
        try:
            os.utime(claim, None)
        except OSError:
            pass  # the file system does not answer now
        if is_revoked(fence):
            ends.set()
            return


def _write_record(path: str, record: Record) -> None:
    part = path + ".part"
    with open(part, "w", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(part, path)
