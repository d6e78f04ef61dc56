"""The one program behind every command of a fake scheduler: `program.py DIRECTORY COMMAND WORDS...`; COMMAND `runner` runs the scripts.

Each command is answered from the queue in DIRECTORY, and fails if control.json says so. Faults of one command, each used up `times` times:

    hang       no answer until it is killed; nothing was done        hang-after  the same, but what was asked is done
    half       all is done, the answer is cut in the middle          garbage     all is done, the answer is something else
    busy       refused for the moment                                full        refused for the moment: too many jobs
    refused    refused for good                                      down        the scheduler cannot be reached
    crash      ends by SIGKILL after all is done                     slow        the answer comes after `seconds`
"""

from __future__ import annotations

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from kit.fake_scheduler.queue_directory import QueueDirectory
from kit.fake_scheduler.systems import Usage, commands


def main(directory: str, program: str, argv: list[str]) -> int:
    queue = QueueDirectory(directory)
    if program == "runner":
        from kit.fake_scheduler.runner import run

        run(queue)
        return 0
    with queue.locked():
        queue.append("calls.jsonl", {"time": time.time(), "argv": [program, *argv]})
        fault = _fault(queue, program)
        system = commands(queue.control["system"])
    mode = fault.get("mode", "")
    if mode == "hang":
        signal.pause()
    if mode in ("busy", "full", "refused", "down"):
        sys.stderr.write(system.WORDS[mode])
        return 1
    with queue.locked():
        try:
            stdout, stderr, code = system.PROGRAMS[program](queue, argv)
        except Usage as error:
            stdout, stderr, code = "", f"{program}: unrecognized option: {error}\n", 1
        changed = queue.changed
    if changed:
        queue.poke()
    if mode == "hang-after":
        signal.pause()
    if mode == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "slow":
        time.sleep(float(fault["seconds"]))
    if mode == "half":
        stdout = stdout[: len(stdout) // 2]
    if mode == "garbage":
        stdout = "\x1b[31m<html>502 Bad Gateway</html>\n|||\n"
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    return code


def _fault(queue: QueueDirectory, program: str) -> dict[str, str]:
    """Take the fault that the test asked for; it is used up."""
    for fault in queue.control["faults"]:
        if fault["program"] == program:
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                queue.write("control.json", queue.control)
                return {}
            fault["times"] -= 1
            queue.control["faults"] = [left for left in queue.control["faults"] if left["times"] > 0]
            queue.write("control.json", queue.control)
            return dict(fault)
    return {}


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
