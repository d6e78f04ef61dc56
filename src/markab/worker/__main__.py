"""Run one attempt on a node: `python -m markab.worker SPEC.json [-o RECORD.json]`.

The record goes to the file, or to stdout. Exit code 0 means that the attempt succeeded,
1 that it failed and the record says why, 2 that the command line or the spec is wrong.
SIGTERM ends the task, puts its checkpoints in place, and is in the record.

An element of a batch job runs several, one after the other: `python -m markab.worker SPECS --pick N`,
in the directory that `batch_element.py` describes.
"""

import argparse
import json
import os
import signal
import sys
import threading
from typing import List, Optional

from markab.worker.attempt_run import run
from markab.worker.attempt_spec import read_spec
from markab.worker.batch_element import PULSE_S, run_element
from markab.worker.leftover_processes import adopt_orphans


def main(arguments: Optional[List[str]] = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="markab.worker", description="Run one attempt of a job.")
    parser.add_argument("spec", metavar="SPEC.json", help="what to run")
    parser.add_argument(
        "-o", metavar="RECORD.json", dest="output", help="where the record goes (default: stdout)"
    )
    parser.add_argument(
        "--pick", metavar="N", type=int, help="run line N of SPEC.json, from 0: an element of a batch job"
    )
    parser.add_argument(
        "--pulse", metavar="S", type=float, default=PULSE_S, help="seconds between two signs of life"
    )
    parser.add_argument(
        "--limit",
        metavar="S",
        type=float,
        default=0.0,
        help="seconds after which no task of the element runs",
    )
    options = parser.parse_args(arguments)
    stop = threading.Event()
    adopts = adopt_orphans()
    try:
        if options.pick is not None:
            _stop_on_signals(stop)
            return run_element(options.spec, options.pick, stop, adopts, options.pulse, options.limit)
        spec = read_spec(options.spec)
    except (OSError, ValueError) as error:
        print("error: cannot read the spec '%s': %s" % (options.spec, error), file=sys.stderr)
        return 2
    _stop_on_signals(stop)
    record = run(spec, stop, adopts)
    text = json.dumps(record)
    if not options.output:
        print(text)
    else:
        with open(options.output + ".part", "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.rename(options.output + ".part", options.output)
    return 0 if record["ok"] else 1


def _stop_on_signals(stop: threading.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


if __name__ == "__main__":
    sys.exit(main())
