"""Attempts in the format of Pegasus' kickstart: a YAML list, one record an invocation.

A record has the fields that kickstart writes into `<job>.out.NNN`, as far as they are
known. It has neither the output of the task nor its environment, and `$VAR` in
arguments is not expanded.
"""

from __future__ import annotations

from typing import Any

from markab.provenance.auxiliary_transformations import AUXILIARY_TRANSFORMATIONS
from markab.reports.exports.formatting import iso, planned_words
from markab.reports.exports.run_facts import AttemptFacts, Facts, InvocationFacts
from markab.worker.kickstart_yaml import USAGE, VERSION, status_text, usage_text, yaml_text


class Records:
    """Makes the records of a run's attempts."""

    def __init__(self, facts: Facts) -> None:
        stamp = facts.braindump.get("timestamp") or ""
        self._run = f"  wf-label: {yaml_text(facts.name)}\n  wf-stamp: {yaml_text(stamp)}\n"
        self._user = yaml_text(facts.user)

    def of(self, attempt: AttemptFacts) -> str:
        """Return the records of all processes of an attempt; an attempt without a process has one record too."""
        invocations = attempt.invocations
        if not invocations:
            status = 0 if attempt.state == "succeeded" else 256
            invocations = [InvocationFacts(1, None, attempt.start, attempt.end - attempt.start, status, {})]
        return "".join([self._record(attempt, one) for one in invocations]) + _files(attempt)

    def _record(self, attempt: AttemptFacts, one: InvocationFacts) -> str:
        task, host = one.task, yaml_text(attempt.host)
        transformation = (
            task.transformation if task else AUXILIARY_TRANSFORMATIONS.get(attempt.job.kind, attempt.job.id)
        )
        times = f"start: {iso(one.start)}", f"duration: {one.duration_s:.6f}"
        words = planned_words(task) if task else []
        cwd = attempt.record.get("cwd")
        parts = [
            f"- invocation: True\n  version: {VERSION}\n  {times[0]}\n  {times[1]}\n",
            f"  transformation: {yaml_text(transformation)}\n",
            f"  derivation: {yaml_text(task.id)}\n" if task else "",
            f"  resource: {yaml_text(attempt.site)}\n{self._run}  hostname: {host}\n  user: {self._user}\n",
            f"  mainjob:\n    {times[0]}\n    {times[1]}\n",
            f"    pid: {one.usage['pid']}\n" if "pid" in one.usage else "",
            f"    usage: {_usage(one.usage)}\n    status:\n",
            status_text(one.status, attempt.error or "never started"),
            f"    executable:\n      file_name: {yaml_text(words[0])}\n" if words else "",
            "    argument_vector:\n" if len(words) > 1 else "    argument_vector: []\n",
            *[f"      - {yaml_text(word)}\n" for word in words[1:]],
            f"  cwd: {yaml_text(str(cwd))}\n" if cwd else "",
            f"  machine:\n    uname_nodename: {host}\n" if attempt.host else "",
        ]
        return "".join(parts)


def _usage(usage: dict[str, Any]) -> str:
    return usage_text({theirs: usage.get(ours, 0) for theirs, ours in USAGE.items()})


def _files(attempt: AttemptFacts) -> str:
    """Return the output files of an attempt; they belong to its last record."""
    if not attempt.made:
        return ""
    parts = ["  files:\n"]
    for file in attempt.made:
        lfn = yaml_text(file.lfn)
        parts.append(
            f"    {lfn}:\n      lfn: {lfn}\n      size: {file.size_bytes or 0}\n      output: True\n"
        )
        if file.sha256:
            parts.append(f"      sha256: {yaml_text(file.sha256)}\n")
    return "".join(parts)
