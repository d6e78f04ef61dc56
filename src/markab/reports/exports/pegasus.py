r"""Writes a run as the files that other tools look for in a submit directory of Pegasus.

    braindump.yml            what the run is called
    workflow.yml             the abstract workflow, without environment
    <workflow>-0.dag         the executable workflow as a DAG file of DAGMan
    <workflow>-0.dag.dagman.out   first and last moment of the run
    jobstate.log             every change of a job's state
    00/00/<job>.out.NNN      what happened in an attempt: a YAML list, one record an invocation
    00/00/<job>.meta         size and sha256 of what the job made

An invocation record has what kickstart, which Pegasus starts tasks with, writes
into `<job>.out.NNN`, as far as Markab knows it. What the task printed is not in
it, nor its environment, and `$VAR` in arguments is not expanded.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markab.errors import StorageError
from markab.plan.braindump import write_braindump
from markab.plan.layout import captured_name, job_directory
from markab.plan.model import Kind
from markab.reports.exports.document import write_document
from markab.reports.exports.facts import NEVER_STARTED, Attempt, Facts, Invocation, iso, planned_words
from markab.transfers.base import redact

RULE = "#" * 70
VERSION = "3.0"
PROGRAMS = {
    Kind.STAGE_IN: "pegasus::transfer",
    Kind.STAGE_OUT: "pegasus::transfer",
    Kind.STAGE_INTER: "pegasus::transfer",
    Kind.CREATE_DIR: "pegasus::dirmanager",
    Kind.CLEANUP: "pegasus::cleanup",
    Kind.REGISTER: "pegasus::rc-client",
}
"""What Pegasus calls the transformations of the jobs it adds; readers tell them by the prefix."""


def write_pegasus(facts: Facts, path: Path) -> None:
    """Write the files into the directory `path`, made if it is not there.

    Raises:
        MarkabError: the workflow document is gone.
        StorageError: disk full, directory not writable, or `path` is a submit directory of Markab.
        CorruptJournal: the journal is damaged.
    """
    document = facts.document
    if (path / "plan.jsonl").exists():
        raise StorageError(
            f"{str(path)!r} is a submit directory of Markab, and nothing is exported into one",
            hint="name another directory with -o",
        )
    dag = facts.braindump.get("dag") or f"{facts.name}-0.dag"
    try:
        path.mkdir(parents=True, exist_ok=True)
        write_document(document, path / "workflow.yml")
        _write_dag(facts, path / dag)
        _write_attempts(facts, path)
        if facts.started:
            _write_dagman_out(facts, path / f"{dag}.dagman.out")
    except OSError as error:
        raise StorageError(
            f"cannot write to {str(path)!r}: {error.strerror or error}",
            hint="make room, or name another with -o",
        ) from error
    said = {key: redact(value) if value else value for key, value in facts.braindump.items()}
    write_braindump(path / "braindump.yml", said | {"submit_dir": str(path.resolve()), "dag": dag})


def dag_lines(facts: Facts) -> Iterator[str]:
    """Yield the lines of the DAG file: header, limits, jobs, then who comes after whom."""
    yield from (RULE, "# PEGASUS WMS GENERATED DAG FILE", f"# DAG {facts.name}", RULE)
    for category, limit in sorted(facts.plan.header.limits.items()):
        yield f"MAXJOBS {category} {limit}"
    outline = facts.plan.outline
    for position, job in enumerate(outline):
        yield f"JOB {job.id} {job_directory(position)}/{job.id}.sub"
        yield f"RETRY {job.id} {job.retries}"
        if job.priority:
            yield f"PRIORITY {job.id} {job.priority}"
        if job.category:
            yield f"CATEGORY {job.id} {job.category}"
    for job in outline:
        for parent in job.parents:
            yield f"PARENT {outline[parent].id} CHILD {job.id}"
    yield from (RULE, "# End of DAG", RULE)


def _write_dag(facts: Facts, path: Path) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in dag_lines(facts))


def _write_attempts(facts: Facts, path: Path) -> None:
    submitted = 0
    known = ""
    with open(path / "jobstate.log", "w", encoding="utf-8") as log:
        for attempt in facts.attempts():
            submitted += 1
            log.writelines(f"{line}\n" for line in _state_lines(attempt, submitted))
            directory = job_directory(attempt.position)
            if directory != known:
                (path / directory).mkdir(parents=True, exist_ok=True)
                known = directory
            if not attempt.end:
                continue
            name = captured_name(attempt.job.id, "out", attempt.number)
            with open(path / directory / name, "w", encoding="utf-8") as out:
                out.write("".join(f"{line}\n" for line in _records_lines(facts, attempt)))
            if attempt.made:
                with open(path / directory / f"{attempt.job.id}.meta", "w", encoding="utf-8") as out:
                    out.write(json.dumps([_meta(facts, attempt, file) for file in attempt.made]))


def _state_lines(attempt: Attempt, submitted: int) -> Iterator[str]:
    """Yield the lines of `jobstate.log` of an attempt; lines of different jobs need not be in order of time."""
    job, scheduler = attempt.job.id, f"{attempt.position}.{attempt.number - 1}"

    def line(epoch_s: float, state: str, value: str) -> str:
        return f"{int(epoch_s)} {job} {state} {value} {attempt.site} - {submitted}"

    yield line(attempt.submitted or attempt.start, "SUBMIT", scheduler)
    if attempt.state != "lost":
        yield line(attempt.start, "EXECUTE", scheduler)
    if attempt.end:
        yield line(attempt.end, "JOB_TERMINATED", scheduler)
        ok = attempt.state == "succeeded"
        yield line(attempt.end, "JOB_SUCCESS" if ok else "JOB_FAILURE", str(_exit_code(attempt)))


def _exit_code(attempt: Attempt) -> int:
    """Return the code of the process that failed; 0 if all went well, 1 if what failed was no process."""
    if attempt.state == "succeeded":
        return 0
    for one in attempt.invocations:
        if one.signal is not None:
            return -one.signal
        if one.exit_code:
            return one.exit_code
    return 1


def _records_lines(facts: Facts, attempt: Attempt) -> Iterator[str]:
    """Yield the records of all processes of an attempt; one that ran none has one all the same."""
    invocations = attempt.invocations
    if not invocations:
        status = 0 if attempt.state == "succeeded" else 256
        invocations = [Invocation(1, None, attempt.start, attempt.end - attempt.start, status, {})]
    for one in invocations:
        yield from _record_lines(facts, attempt, one)


def _record_lines(facts: Facts, attempt: Attempt, one: Invocation) -> Iterator[str]:
    """Yield one record; every text in it is a JSON string, which is YAML too."""
    task = one.task
    transformation = task.transformation if task else PROGRAMS.get(attempt.job.kind, attempt.job.id)
    yield "- invocation: True"
    yield f"  version: {VERSION}"
    yield f"  start: {iso(one.start)}"
    yield f"  duration: {one.duration_s:.6f}"
    yield f"  transformation: {_text(transformation)}"
    if task:
        yield f"  derivation: {_text(task.id)}"
    yield f"  resource: {_text(attempt.site)}"
    yield f"  wf-label: {_text(facts.name)}"
    yield f"  wf-stamp: {_text(facts.braindump.get('timestamp') or '')}"
    yield f"  hostname: {_text(attempt.host)}"
    yield f"  user: {_text(facts.user)}"
    yield "  mainjob:"
    yield f"    start: {iso(one.start)}"
    yield f"    duration: {one.duration_s:.6f}"
    if "pid" in one.usage:
        yield f"    pid: {one.usage['pid']}"
    yield "    usage: {" + ", ".join(f"{key}: {value}" for key, value in _usage(one.usage)) + "}"
    yield "    status:"
    yield f"      raw: {one.status}"
    yield from _status_lines(attempt, one)
    words = planned_words(task) if task else []
    if words:
        yield "    executable:"
        yield f"      file_name: {_text(words[0])}"
    yield "    argument_vector:" + ("" if len(words) > 1 else " []")
    for word in words[1:]:
        yield f"      - {_text(word)}"
    if attempt.record.get("cwd"):
        yield f"  cwd: {_text(str(attempt.record['cwd']))}"
    if attempt.host:
        yield "  machine:"
        yield f"    uname_nodename: {_text(attempt.host)}"
    if one.number == len(attempt.record.get("invocations", ())) and attempt.made:
        yield "  files:"
        for file in attempt.made:
            yield f"    {_text(file.lfn)}:"
            yield f"      lfn: {_text(file.lfn)}"
            yield f"      size: {file.size_bytes or 0}"
            yield "      output: True"
            if file.sha256:
                yield f"      sha256: {_text(file.sha256)}"


def _status_lines(attempt: Attempt, one: Invocation) -> Iterator[str]:
    if one.status == NEVER_STARTED:
        yield f"      failure_error: {_text(attempt.error or 'never started')}"
    elif one.signal is not None:
        try:
            name = signal.Signals(one.signal).name
        except ValueError:
            name = str(one.signal)
        yield f"      signalled_signal: {one.signal}"
        yield f"      signalled_name: {_text(name)}"
        yield f"      corefile: {os.WCOREDUMP(one.status)}"
    else:
        yield f"      regular_exitcode: {one.exit_code}"


def _usage(usage: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield kickstart's names for what a process used."""
    for name, key in (
        ("utime", "utime_s"),
        ("stime", "stime_s"),
        ("maxrss", "maxrss_kb"),
        ("minflt", "minflt"),
        ("majflt", "majflt"),
        ("inblock", "inblock"),
        ("outblock", "oublock"),
        ("nvcsw", "nvcsw"),
        ("nivcsw", "nivcsw"),
    ):
        value = usage.get(key, 0)
        yield name, f"{value:.6f}" if isinstance(value, float) else value


def _meta(facts: Facts, attempt: Attempt, file: Any) -> dict[str, Any]:
    attributes = {
        "user": facts.user,
        "size": str(file.size_bytes or 0),
        "ctime": iso(attempt.end),
    }
    if file.sha256:
        attributes |= {"checksum.type": "sha256", "checksum.value": file.sha256}
    return {"_id": file.lfn, "_type": "file", "_attributes": attributes}


def _write_dagman_out(facts: Facts, path: Path) -> None:
    """Write the two lines by which readers tell how long a run took; DAGMan writes them in local time."""
    end = facts.ended or facts.last_time
    code = 0 if facts.state == "Success" else 1
    ended = f"EXITING WITH STATUS {code}" if facts.ended else "no end yet"
    with open(path, "w", encoding="utf-8") as file:
        for epoch_s, what in ((facts.started, "DAGMAN STARTING UP"), (end, ended)):
            stamp = time.strftime("%m/%d/%y %H:%M:%S", time.localtime(epoch_s))
            file.write(f"{stamp} ** {what}\n")


def _text(text: str) -> str:
    return json.dumps(text)
