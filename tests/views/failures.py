"""A run in which many jobs fail, each for another reason, and the reasons in the order of the jobs."""

from __future__ import annotations

import signal
from typing import Any

from kit.made_run import T0, began, end, ended, process, start
from markab.journal.records import Entry, GiveUp
from markab.plan.model import Input, Kind, PlannedJob, PlannedTask
from markab.transfers.error_kinds import ErrorKind


def exited(code: int, stderr: str = "", **more: Any) -> dict[str, Any]:
    return record("exit", f"exit code {code}", code << 8, stderr=stderr, **more)


def ended_by(number: int, maxrss_kb: int = 0, **more: Any) -> dict[str, Any]:
    return record("signal", f"killed by signal {number}", number, maxrss_kb, **more)


def record(kind: str, message: str, status: int, maxrss_kb: int = 0, **more: Any) -> dict[str, Any]:
    hint = {"hint": more.pop("hint")} if "hint" in more else {}
    used = process("task", status, argv=["/opt/bin/tool", "-x"], maxrss_kb=maxrss_kb)
    return {"error": {"kind": kind, "message": message, **hint}, "invocations": [used], **more}


def other(kind: str, **more: Any) -> dict[str, Any]:
    return {"error": {"kind": kind, "message": f"'/data/x' is wrong: {kind}"}, "host": "", **more}


MB = 1024
FAILURES: dict[str, dict[str, Any]] = {
    "plain": exited(3, "first\nbar 10%\rbar 99%\rlast words\n\n"),
    "silent": exited(3),
    "hinted": exited(4, hint="read the manual"),
    "stdout_only": exited(5, stdout="words on stdout\n"),
    "no_permission": exited(126),
    "no_command": exited(127),
    "shell_segv": exited(128 + signal.SIGSEGV),
    "shell_abrt": exited(128 + signal.SIGABRT),
    "shell_bus": exited(128 + signal.SIGBUS),
    "shell_term": exited(128 + signal.SIGTERM),
    "shell_kill": exited(128 + signal.SIGKILL),
    "shell_killed": exited(128 + signal.SIGKILL, "run.sh: line 3: 71 Killed\n"),
    "module": exited(1, "ModuleNotFoundError: No module named 'numpy'\n"),
    "traceback": exited(1, 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: bad\n'),
    "memory_error": exited(1, "MemoryError\n", invocations=[process("task", 256, maxrss_kb=300 * MB)]),
    "std_bad_alloc": ended_by(signal.SIGKILL, 90 * MB, stderr="std::bad_alloc\n"),
    "carriage": exited(127, "/usr/bin/env: 'bash\\r': No such file or directory\n"),
    "crashed": ended_by(signal.SIGSEGV),
    "divided": ended_by(signal.SIGFPE),
    "illegal": ended_by(signal.SIGILL),
    "terminated": ended_by(signal.SIGTERM),
    "real_time": ended_by(64),
    "killed": ended_by(signal.SIGKILL),
    "near_asked": ended_by(signal.SIGKILL, 800 * MB),
    "far_from_asked": ended_by(signal.SIGKILL, 800 * MB - 1),
    "near_machine": ended_by(signal.SIGKILL, 3200 * MB),
    "far_from_machine": ended_by(signal.SIGKILL, 3200 * MB - 1),
    "near_machine_shell": exited(137, invocations=[process("task", 137 << 8, maxrss_kb=3300 * MB)]),
    "output_missing": record(
        "missing-output", "output 'x' is missing", 0, stderr="cp: error writing x: No space left on device\n"
    ),
    "output_missing_trace": record("missing-output", "output 'x' is missing", 0, stderr="Traceback (most"),
    "first_line": record(
        "no-program",
        "the interpreter '/bin/sh\r' in the first line of '/opt/bin/tool' is missing",
        -1,
        hint="no",
    ),
    "no_reason": {"ok": False},
    **{
        kind: other(kind) for name, kind in vars(ErrorKind).items() if name.isupper() and kind != "incomplete"
    },
}
ASKED_MB = {"near_asked": 1000, "far_from_asked": 1000, "near_machine": 5000, "plain": 10}


def many_jobs() -> list[PlannedJob]:
    """One that succeeds, the failing ones, and one that waits for two of them."""
    names = ["good", *FAILURES]
    tasks = [
        PlannedTask(
            id=f"T{number}", transformation="tool", executable="/opt/bin/tool", arguments=f"-x {number}"
        )
        for number in range(len(names))
    ]
    inputs = {"good": [Input(f"in{number}") for number in range(5)]}
    found = [
        PlannedJob(
            id=name,
            kind=Kind.COMPUTE,
            site="pool" if name == "silent" else "local",
            tasks=[task],
            inputs=inputs.get(name, [Input("in1"), Input("own")]),
            memory_mb=ASKED_MB.get(name, 0),
        )
        for name, task in zip(names, tasks, strict=True)
    ]
    return [*found, PlannedJob(id="last", kind=Kind.NOOP, site="local", parents=[1, 2])]


def many_failures() -> list[Entry]:
    """Each job fails once, for good."""
    entries: list[Entry] = [began(cores=2, memory_mb=4000), start(0)]
    entries.append(end(0, invocations=[process("T0", maxrss_kb=2000)], host="there"))
    for job, failure in enumerate(FAILURES.values(), 1):
        begin = T0 + 2 * job
        entries += [start(job, time=begin), end(job, time=begin + 1, **{"ok": False, **failure})]
        entries.append(
            GiveUp(begin + 1, job, 1, "trying again would not help" if job % 2 else "no retry is left")
        )
    return [*entries, ended("failed", T0 + 200)]
