#!/usr/bin/env python3
"""Starts the worker on a node of HTCondor: `node_start.py WORKER.zip`, in the sandbox of an attempt.

Afterwards `scratch/` has only what is to come back, and the record is in `attachments/`: both directories are always
there, so HTCondor never misses a file that it was told to fetch, which would hide how the worker ended.
Standard library only, Python 3.6 syntax.
"""

import json
import os
import sys

PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are searched if the node gives its jobs no PATH, as HTCondor by itself does not."""


def main() -> int:
    """Run the attempt; return the exit code of the worker."""
    worker = os.path.abspath(sys.argv[1])
    for name in ("scratch", "work", "attachments"):
        if not os.path.isdir(name):
            os.mkdir(name)
    if os.path.exists("times.json"):
        with open("times.json", encoding="utf-8") as file:
            for lfn, time_ns in json.load(file).items():
                os.utime(os.path.join("scratch", lfn), ns=(time_ns, time_ns))
    if os.path.exists("passwords.json"):
        os.chmod("passwords.json", 0o600)
    os.environ.setdefault("PATH", PATH)
    sys.path.insert(0, worker)
    from markab.worker.__main__ import main as run

    code = run(["spec.json", "-o", os.path.join("attachments", "record.json")])
    with open("spec.json", encoding="utf-8") as file:
        job = json.load(file)["job"]
    made = {output["lfn"] for output in job.get("outputs") or ()}
    for item in job.get("inputs") or ():
        if item["lfn"] not in made:
            try:
                os.unlink(os.path.join("scratch", item["lfn"]))
            except OSError:
                pass  # it did not come along
    return code


if __name__ == "__main__":
    sys.exit(main())
