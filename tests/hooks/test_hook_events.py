"""Which hooks records of a journal ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from kit.made_run import T0, began, end, ended, failed, process, running, start
from markab.hooks.hook_events import HookCall, HookEvents, JobHooks
from markab.journal.attempt_record import AttemptRecord
from markab.journal.records import Entry, decoder
from markab.plan.model import Hook

ALL = [Hook(on, [on]) for on in ("start", "error", "success", "end", "all")]  # type: ignore[arg-type]
_decode = decoder(AttemptRecord)


def calls(entries: list[Entry], job: JobHooks | None = None, workflow: Sequence[Hook] = ()) -> list[HookCall]:
    job = job or JobHooks(())
    events = HookEvents(workflow, lambda position: job, frozenset(["local"]), "/run", "7a3c", "words-0")
    read = (_decode(msgspec.json.encode(entry)) for entry in entries)
    return [call for entry in read for call in events.of(entry)]


def told(found: list[HookCall]) -> list[tuple[int, str, str]]:
    """Return number, the `_on` of the hook, and the event it is told."""
    return [(call.key.number, call.words[0], call.variables["PEGASUS_EVENT"]) for call in found]


def of_task(*hooks: Hook, **more: Any) -> JobHooks:
    return JobHooks([msgspec.structs.replace(hook, task="a") for hook in hooks or ALL], **more)


def test_a_workflow_that_succeeds_has_a_start_and_an_end() -> None:
    found = calls([began(), ended("success")], workflow=ALL)

    assert [
        (0, "start", "start"),
        (0, "all", "start"),
        (0, "success", "on_success"),
        (0, "end", "at_end"),
        (0, "all", "at_end"),
    ] == told(found)
    assert found[0].variables == {
        "PEGASUS_EVENT": "start",
        "PEGASUS_EVENT_TIMESTAMP": "1800000000",
        "PEGASUS_EVENT_TIMESTAMP_ISO": "2027-01-15T08:00:00+00:00",
        "PEGASUS_SUBMIT_DIR": "/run",
        "PEGASUS_WFID": "words-0",
        "PEGASUS_JOBID": "7a3c",
    }
    assert found[-1].variables["PEGASUS_STATUS"] == "0" and found[-1].variables["MARKAB_OUTCOME"] == "success"


def test_a_workflow_that_is_continued_has_events_for_each_engine() -> None:
    workflow = [Hook("start", ["s"]), Hook("error", ["e"])]
    found = calls([began(), began(restart=1), ended("failed"), began(restart=2)], workflow=workflow)

    assert [(0, "s", "start"), (1, "s", "start"), (1, "e", "on_error"), (2, "s", "start")] == told(found)
    assert len({call.key for call in found}) == 4


def test_each_attempt_of_a_job_has_its_events() -> None:
    entries = [start(0), failed(0, message="it broke"), start(0, 2), end(0, 2)]
    found = calls(entries, of_task(*ALL[:4]))

    assert [
        (1, "start", "start"),
        (1, "error", "on_error"),
        (1, "end", "at_end"),
        (2, "start", "start"),
        (2, "success", "on_success"),
        (2, "end", "at_end"),
    ] == told(found)
    error = found[1].variables
    assert (error["PEGASUS_JOBID"], error["MARKAB_TASK"], error["MARKAB_ATTEMPT"]) == ("j0", "a", "1")
    assert error["MARKAB_ERROR"] == "it broke"
    assert error["PEGASUS_STATUS"] != "0" and found[4].variables["PEGASUS_STATUS"] == "0"


def test_a_remote_job_starts_when_it_runs_and_once() -> None:
    job = of_task(Hook("start", ["s"]))

    assert [] == calls([start(0, site="pool")], job)
    assert [(1, "s", "start")] == told(calls([start(0, site="pool"), running(0), running(0), end(0)], job))
    assert [(1, "s", "start")] == told(calls([start(0, site="pool"), end(0, start=T0)], job))


def test_a_cancelled_attempt_only_ends() -> None:
    cancelled = end(0, ok=False, error={"kind": "cancelled", "message": "cancelled"})

    assert [(1, "end", "at_end")] == told(calls([start(0), cancelled], of_task(*ALL[1:4])))


def test_a_task_of_a_cluster_has_the_events_of_its_own_processes() -> None:
    hooks = [Hook("error", ["error"], task) for task in "abc"] + [
        Hook("start", ["start"], task) for task in "abc"
    ]
    record = failed(0, invocations=[process("a"), process("b", 256)])
    found = calls([start(0), record], JobHooks(hooks, is_cluster=True))

    assert [("b", "on_error"), ("a", "start"), ("b", "start")] == [
        (call.variables["MARKAB_TASK"], call.variables["PEGASUS_EVENT"]) for call in found
    ]
    assert found[0].variables["PEGASUS_STATUS"] == "1"


def test_output_is_a_file_of_the_run_or_text() -> None:
    found = calls([start(0), end(0, stdout="hello", stderr_file="00/00/a.err")], of_task(Hook("end", ["x"])))

    assert found[0].outputs[0] == "hello" and "PEGASUS_STDOUT" not in found[0].variables
    assert found[0].variables["PEGASUS_STDERR"] == "/run/00/00/a.err"


def test_jobs_without_hooks_ask_for_nothing() -> None:
    assert [] == calls([start(0), end(0)])
