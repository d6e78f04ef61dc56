r"""Exporting a run as the files that tools expect in a submit directory of Pegasus.

    braindump.yml            identity of the run
    workflow.yml             the abstract workflow, without environment
    <workflow>-0.dag         the executable workflow as a DAG file of DAGMan
    <workflow>-0.dag.dagman.out   start and end of the run
    jobstate.log             every change of a job's state
    00/00/<job>.out.NNN      an attempt: a YAML list, one record an invocation
    00/00/<job>.meta         size and sha256 of the job's outputs, and the container and environment in which they were made
    00/00/<job>/             the same of the run of a sub-workflow

The two small files a job are what Pegasus writes too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from markab.errors import StorageError
from markab.journal.attempt_story import environment_texts
from markab.plan.braindump import write_braindump
from markab.plan.submit_dir import job_directory
from markab.provenance.stampede_states import exit_code, failed_status
from markab.reports.container_text import container_texts
from markab.reports.exports.directory_writer import filling
from markab.reports.exports.formatting import iso
from markab.reports.exports.kickstart import Records
from markab.reports.exports.public_document import write_document
from markab.reports.exports.run_facts import AttemptFacts, Facts
from markab.transfers.base import redact
from markab.worker.attempt_spec import captured_name

RULE = "#" * 70

_encode = msgspec.json.Encoder().encode


def write_pegasus(facts: Facts, path: Path) -> None:
    """Write the files into the directory `path`.

    Raises:
        MarkabError: the copy of the workflow document is missing.
        StorageError: disk full, directory not writable, or `path` is a submit directory of Markab.
        CorruptJournal: the journal is damaged.
    """
    document = facts.document
    if (path / "plan.jsonl").exists():
        raise StorageError(
            f"cannot export into {str(path)!r}: it is a submit directory of Markab",
            hint="name another directory with -o",
        )
    dag = facts.braindump.get("dag") or f"{facts.name}-0.dag"
    with filling(path) as directory:
        write_document(document, directory / "workflow.yml", durable=False)
        _write_dag(facts, directory / dag)
        _write_attempts(facts, directory)
        if facts.started:
            _write_dagman_out(facts, directory / f"{dag}.dagman.out")
        fields = {key: redact(value) if value else value for key, value in facts.braindump.items()}
        write_braindump(directory / "braindump.yml", fields | {"submit_dir": str(path.resolve()), "dag": dag})


def dag_lines(facts: Facts) -> Iterator[str]:
    """Yield the lines of the DAG file: header, limits, jobs, dependencies."""
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
    records = Records(facts)
    submitted = 0
    made: set[str] = set()
    with open(path / "jobstate.log", "w", encoding="utf-8") as log:
        for attempt in facts.attempts():
            submitted += 1
            log.write("".join([f"{line}\n" for line in _state_lines(attempt, submitted)]))
            if not attempt.end:
                continue
            directory = f"{path}/{job_directory(attempt.position)}"
            if directory not in made:
                os.makedirs(directory, exist_ok=True)
                made.add(directory)
            job = attempt.job.id
            with open(f"{directory}/{captured_name(job, 'out', attempt.number)}", "wb") as out:
                out.write(records.of(attempt).encode())
            if attempt.made:
                with open(f"{directory}/{job}.meta", "wb") as out:
                    out.write(_encode([_meta(facts, attempt, file) for file in attempt.made]))


def _state_lines(attempt: AttemptFacts, submitted: int) -> Iterator[str]:
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


def _exit_code(attempt: AttemptFacts) -> int:
    """Return the exit code of an attempt as the run's own `jobstate.log` has it."""
    if attempt.state == "succeeded":
        return 0
    return exit_code(failed_status(one.status for one in attempt.invocations))


def _meta(facts: Facts, attempt: AttemptFacts, file: Any) -> dict[str, Any]:
    attributes = {
        "user": facts.user,
        "size": str(file.size_bytes or 0),
        "ctime": iso(attempt.end),
    }
    for key, texts in (
        ("container", container_texts(attempt.record)),
        ("environment", environment_texts(attempt.record)),
    ):
        if texts:
            attributes[key] = "; ".join(texts)
    if file.sha256:
        attributes |= {"checksum.type": "sha256", "checksum.value": file.sha256}
    return {"_id": file.lfn, "_type": "file", "_attributes": attributes}


def _write_dagman_out(facts: Facts, path: Path) -> None:
    """Write the two lines from which tools compute the duration of a run; DAGMan writes them in local time."""
    end = facts.ended or facts.last_time
    code = 0 if facts.state == "Success" else 1
    ended = f"EXITING WITH STATUS {code}" if facts.ended else "no end yet"
    with open(path, "w", encoding="utf-8") as file:
        for epoch_s, what in ((facts.started, "DAGMAN STARTING UP"), (end, ended)):
            stamp = time.strftime("%m/%d/%y %H:%M:%S", time.localtime(epoch_s))
            file.write(f"{stamp} ** {what}\n")
