"""The report of `analyze` on a run of Pegasus: from its database, or from its files.

The numbers are those of `pegasus-analyzer`, except that a job that DAGMan will try again has not
failed. In the JSON, the jobs of sub-workflows are among those of the workflow of the directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markab.diagnosis.cause_group import CauseGroup
from markab.diagnosis.causes import Cause
from markab.diagnosis.pegasus_failures import PegasusAnalysis, PegasusAttempt, PegasusFailureReader
from markab.formatting import clipped, count, shown_path
from markab.provenance.pegasus_directory import open_pegasus_directory
from markab.reports.failure_report import (
    FILES_SHOWN,
    LINE_CHARACTERS,
    FailureReport,
    labelled,
    printed_lines,
)
from markab.reports.pegasus_analyzer import (
    DETAILS_TITLE,
    NONE,
    OUTPUT_LINES,
    job_block,
    lines_shown,
    shell_exit_code,
    summary_lines,
)

_STATES = {"Success": "success", "Running": "running", "Failure": "failure"}
_WORDS = {
    "Success": "succeeded",
    "Failure": "failed",
    "Running": "still running, as far as is recorded",
    "Not started": "not started yet",
    "Unknown": "how far it came is not recorded",
}


@contextmanager
def open_pegasus_failures(submit_dir: Path) -> Iterator[FailureReport]:
    """Open the failures of a run of Pegasus.

    Raises:
        NotARun: an older Pegasus made it.
        StorageError: neither its files nor its database can be read.
    """
    reader = PegasusFailureReader(open_pegasus_directory(submit_dir))
    try:
        yield PegasusFailures(reader, reader.analyze())
    finally:
        reader.close()


@dataclass(frozen=True)
class PegasusFailures(FailureReport):
    """The failures of a run of Pegasus."""

    run: PegasusFailureReader
    analysis: PegasusAnalysis

    @property
    def groups(self) -> list[CauseGroup]:
        """The causes, those that block most jobs first."""
        return self.analysis.groups

    @property
    def has_failure(self) -> bool:
        """There is a failure that no DAGMan will retry."""
        return self.analysis.has_failure

    def headline(self) -> list[str]:
        """Return the state of the run in a few lines."""
        analysis, left = self.analysis, self.analysis.left
        parts = [f"{left['succeeded']:,} of {count(analysis.total, 'job')} succeeded"]
        for word, shown in (
            ("failed", "failed"),
            ("failing", "failed and will be tried again"),
            ("running", "under way"),
            ("lost", "under way when DAGMan ended"),
            ("blocked", "not started, because a job before them failed"),
            ("unsubmitted", "not started"),
        ):
            if left[word]:
                parts.append(f"{left[word]:,} {shown}")
        lines = [f"{self.run.directory.name}: {_WORDS[analysis.state]}", "  " + ", ".join(parts)]
        lines.append(f"  a run of {self.run.directory.planner}")
        return lines + [f"  warning: {note}" for note in analysis.notes]

    def named(self, job: int) -> str:
        """Return the name of a job, and of its sub-workflow."""
        one = self.run.failed[job]
        return f"{one.job} (in {one.workflow})" if one.workflow else one.job

    def job_lines(self, job: int, verbose: int = 0) -> list[str]:
        """Return the details of a job that failed; the title of its cause is left out."""
        one = self.run.attempt(job)
        command = " ".join(word for word in (one.executable, one.argv) if word)
        if failed := [process for process in one.processes if process.exitcode]:
            command = " ".join(word for word in (failed[-1].executable, failed[-1].argv) if word)
        where = f"site {one.site or NONE}" + (f", host {one.host}" if one.host else "")
        lines = [
            ("command", clipped(command, LINE_CHARACTERS if not verbose else 10**6)),
            ("where", where),
            (
                "tries",
                f"{count(one.attempts, 'try', 'tries')}, last state {one.state}" if one.attempts else "",
            ),
            ("inner run", one.subworkflow_dir),
            ("stdout", _path(one, one.stdout_file)),
            ("stderr", _path(one, one.stderr_file)),
        ]
        shown = labelled((label, text) for label, text in lines if text)
        streams = [("stderr", one.stderr), ("stdout", one.stdout)]
        return [*shown, *printed_lines(streams, OUTPUT_LINES if not verbose else 10**6)]

    def undelivered_lines(self, most: int = FILES_SHOWN, quiet: int = 0) -> list[str]:
        """Return nothing: what was delivered is not recorded."""
        return []

    def next_commands(self) -> list[str]:
        """Return what the user can type next."""
        place = shown_path(self.run.directory.path)
        return [
            f"after the correction:  pegasus-run {place}    (of Pegasus: Markab does not continue its runs)"
        ]

    def pegasus_text(
        self, *, summary: bool = False, quiet: int = 0, verbose: int = 0, commands: bool = False
    ) -> str:
        """Return the failures in the text of Pegasus' analyzer, as `FailureReport.pegasus_text`."""
        analysis, left = self.analysis, self.analysis.left
        counts = [("succeeded", left["succeeded"]), ("failed", left["failed"]), ("held", analysis.held)]
        counts.append(("unsubmitted", self._unsubmitted))
        state = _STATES.get(analysis.state, analysis.state.lower())
        lines = summary_lines(self.run.directory.path, state, analysis.total, counts)
        lines += [f"note: {note}" for note in analysis.notes]
        if summary or not analysis.groups:
            return "\n".join(lines) + "\n"
        lines += [DETAILS_TITLE, ""]
        for group in analysis.groups:
            for job in group.jobs:
                one, cause = _details(self.run.attempt(job)), self.run.cause(job)
                lines += job_block(one, cause, lines_shown(quiet, verbose), commands)
        return "\n".join(lines) + "\n"

    @property
    def _unsubmitted(self) -> int:
        """Return the jobs that have not ended: so Pegasus counts them."""
        return self.analysis.total - self.analysis.left["succeeded"] - self.analysis.left["failed"]

    def to_json(self) -> dict[str, Any]:
        """Return the failures as plain data, in the form of Pegasus' analyzer."""
        analysis, directory = self.analysis, self.run.directory
        failed = {job: _details(self.run.attempt(job)) for group in self.groups for job in group.jobs}
        details = {self.run.failed[job].job: one for job, one in sorted(failed.items())}

        def known(key: str) -> str:
            return directory.braindump.get(key) or NONE

        return {
            "root_wf_uuid": directory.uuid or NONE,
            "submit_directory": str(directory.path),
            "workflows": {
                "root": {
                    "wf_uuid": directory.uuid or NONE,
                    "dag_file_name": directory.dag.name if directory.dag else NONE,
                    "submit_hostname": known("submit_hostname"),
                    "submit_dir": str(directory.path),
                    "user": known("user"),
                    "planner_version": known("planner_version"),
                    "wf_name": directory.name,
                    "wf_status": _STATES.get(analysis.state, "unknown"),
                    "parent_wf_name": NONE,
                    "parent_wf_uuid": NONE,
                    "jobs": {
                        "total": analysis.total,
                        "success": analysis.left["succeeded"],
                        "failed": analysis.left["failed"],
                        "held": analysis.held,
                        "unsubmitted": self._unsubmitted,
                        "job_details": {"failed_jobs_details": details} if details else {},
                    },
                }
            },
            "left": analysis.left,
            "causes": [self._cause(group.cause, group) for group in self.groups],
            "notes": analysis.notes,
        }

    def _cause(self, cause: Cause, group: CauseGroup) -> dict[str, Any]:
        return {
            **cause.to_json(),
            "transformation": group.transformation,
            "jobs": [self.named(job) for job in group.jobs],
            "holds_up": group.blocked,
        }


def _path(one: PegasusAttempt, file: str) -> str:
    return str(Path(one.submit_dir) / file) if file else ""


def _details(one: PegasusAttempt) -> dict[str, Any]:
    """Return the details of a job in the form of Pegasus' analyzer."""
    pre = next((process for process in one.processes if process.task_submit_seq == -1), None)
    tasks = {
        process.abs_task_id or f"id{number}": {
            "task_submit_seq": process.task_submit_seq,
            "exitcode": shell_exit_code(process.exitcode),
            "executable": process.executable or NONE,
            "arguments": process.argv or NONE,
            "transformation": process.transformation or NONE,
            "abs_task_id": process.abs_task_id or NONE,
        }
        for number, process in enumerate(one.processes, 1)
    }
    return {
        "job_name": one.job,
        "state": one.state or NONE,
        "site": one.site or NONE,
        "hostname": one.host or NONE,
        "work_dir": one.work_dir or NONE,
        "submit_file": one.submit_file or NONE,
        "stdout_file": one.stdout_file or NONE,
        "stderr_file": one.stderr_file or NONE,
        "executable": one.executable or NONE,
        "argv": one.argv or NONE,
        "pre_executable": pre.executable if pre else NONE,
        "pre_argv": (pre.argv or NONE) if pre else NONE,
        "submit_dir": one.submit_dir or NONE,
        "subwf_dir": one.subworkflow_dir or NONE,
        "stdout_text": one.stdout.strip() or NONE,
        "stderr_text": one.stderr.strip() or NONE,
        "tasks": tasks,
    }
