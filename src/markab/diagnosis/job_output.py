"""Whether a job succeeded, from its captured output: the rules of `pegasus-exitcode`. Pure.

The output has records of Kickstart, or lines of a cluster of tasks:

    - invocation: True …                         a record; it ends with the next line that is not indented
    [cluster-task id=1, …, status=0, …]
    [cluster-summary stat="ok", tasks=2, submitted=2, succeeded=2, failed=0, …]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_XML_STATUS = re.compile(r"<status\s+raw=\"(-?\d+)\"")
_SUMMARY = re.compile(r"^\[(?:cluster|seqexec)-summary (.*)\]", re.MULTILINE)
_TASK = re.compile(r"^\[(?:cluster|seqexec)-task ", re.MULTILINE)
_FIELD = re.compile(r"([a-z]+)=\"?([^\",\]]*)")
_BLANK = re.compile(r"(?<!\\)\+")


@dataclass(frozen=True, slots=True)
class Expected:
    """What the output of a job must be like."""

    failure_messages: Sequence[str] = ()
    """None of them may be in it; a blank is written `+`, a plus sign `\\+`."""
    success_messages: Sequence[str] = ()
    """All of them must be in it."""
    exit_code: int | None = None
    """What the scheduler said; None: not known."""
    needs_records: bool = True


@dataclass(slots=True)
class OutputVerdict:
    """Whether a job succeeded."""

    problem: str = ""
    """Why it did not; empty: it did."""
    raw_status: int | None = None
    """The status that decided, or of the last record; None: no record was looked at."""
    records: list[Mapping[str, Any]] = field(default_factory=list)
    """The records of Kickstart; every single value is text."""


def judge(stdout: str, stderr: str, expected: Expected) -> OutputVerdict:
    """Return the verdict on a job that printed this."""
    verdict = OutputVerdict(raw_status=expected.exit_code)
    verdict.problem = (
        _scheduler_problem(expected)
        or ("Empty stdout" if not stdout and expected.needs_records else "")
        or _message_problem(stdout, stderr, expected)
    )
    if verdict.problem:
        return verdict
    summaries = [dict(_FIELD.findall(found)) for found in _SUMMARY.findall(stdout)]
    if summaries:
        verdict.problem = next(filter(None, map(_summary_problem, summaries)), "")
    elif _TASK.search(stdout):
        verdict.problem = "cluster-summary is missing"
    _judge_records(stdout, verdict, decide=not summaries and expected.needs_records and not verdict.problem)
    return verdict


def outputs_of(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the outputs that records describe: LFN → attributes, with the names that Pegasus gives to them."""
    found: dict[str, dict[str, str]] = {}
    for lfn, entry in _files(records):
        if entry.get("output") == "True":
            found[lfn] = {name: entry[name] for name in ("user", "size", "ctime") if name in entry}
            if "sha256" in entry:
                found[lfn] |= {"checksum.type": "sha256", "checksum.value": entry["sha256"]}
            if "checksum_timing" in entry:
                found[lfn]["checksum.timing"] = _number(entry["checksum_timing"])
    return found


def _number(text: str) -> str:
    """Return a number in the form that Python gives to it; other text as it is."""
    try:
        return str(float(text))
    except ValueError:
        return text


def _scheduler_problem(expected: Expected) -> str:
    return f"dagman reported non-zero exitcode: {expected.exit_code}" if expected.exit_code else ""


def _message_problem(stdout: str, stderr: str, expected: Expected) -> str:
    def has(message: str) -> bool:
        text = _BLANK.sub(" ", message).replace("\\+", "+")
        return text in stdout or text in stderr

    if any(map(has, expected.failure_messages)):
        return "Failure message found in output"
    if not all(map(has, expected.success_messages)):
        return "Success message missing from output"
    return ""


def _summary_problem(summary: Mapping[str, str]) -> str:
    if summary.get("stat", "ok") != "ok":
        return f"cluster-summary stat={summary['stat']}"
    if summary.get("failed", "0") != "0":
        return f"cluster-summary failed={summary['failed']}"
    if "0" in (summary.get("submitted"), summary.get("tasks")):
        return ""
    return "cluster-summary succeeded=0" if summary.get("succeeded") == "0" else ""


def _judge_records(stdout: str, verdict: OutputVerdict, *, decide: bool) -> None:
    """Read the records; with `decide` the verdict depends on them."""
    is_damaged = False
    for text in _record_texts(stdout):
        record = _parsed(text)
        is_damaged |= record is None
        if record is not None:
            verdict.records.append(record)
    if not decide:
        return
    if any(entry.get("integrity_error") == "True" for _, entry in _files(verdict.records)):
        verdict.problem = "detected integrity creation errors in the job"
        return
    statuses = [status for record in verdict.records for status in _raw_statuses(record)]
    statuses += [int(found) for found in _XML_STATUS.findall(stdout)]
    bad = next((status for status in statuses if status), None)
    if statuses:
        verdict.raw_status = bad or 0
    if bad is not None:
        verdict.problem = f"task exited with raw status {bad}"
    elif is_damaged:
        verdict.problem = "a kickstart record is damaged or incomplete"
    elif not statuses:
        verdict.problem = "No successful kickstart records"


def _record_texts(stdout: str) -> Iterator[str]:
    lines: list[str] = []
    for line in stdout.splitlines(keepends=True):
        if lines and line[0] in " \n":
            lines.append(line)
            continue
        if lines:
            yield "".join(lines)
        lines = [line] if line.startswith("- invocation:") else []
    if lines:
        yield "".join(lines)


def _parsed(text: str) -> Mapping[str, Any] | None:
    """Return a record; None: it cannot be read."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        document = yaml.load(text, loader)
    except (yaml.YAMLError, RecursionError):
        return None
    return document[0] if isinstance(document, list) and isinstance(document[0], dict) else None


def _raw_statuses(record: Mapping[str, Any]) -> Iterator[int]:
    for section in record.values():
        status = section.get("status") if isinstance(section, dict) else None
        raw = status.get("raw") if isinstance(status, dict) else None
        if isinstance(raw, str) and raw.lstrip("-").isdigit():
            yield int(raw)


def _files(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the entries of files, with what is single text in them."""
    for record in records:
        files = record.get("files")
        for lfn, entry in files.items() if isinstance(files, dict) else ():
            if isinstance(entry, dict):
                yield lfn, {key: value for key, value in entry.items() if isinstance(value, str)}
