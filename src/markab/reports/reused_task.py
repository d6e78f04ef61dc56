"""A task that a plan left out, because an earlier run made its outputs of the same: what every view of a job says of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markab.diagnosis.reuse_verdict import Origin, find_origin
from markab.formatting import size, titled
from markab.journal.run_reader import RunReader
from markab.plan.job_lookup import names_a_job, several_named
from markab.plan.reused_tasks import ReusedTask, read_reused_tasks
from markab.plan.submit_dir import SubmitDir
from markab.reports.job_log import NOTE, LogText

FILES_SHOWN = 20
REUSED = "reused"
"""The state of such a task in lists of jobs."""


@dataclass(frozen=True)
class ReusedTaskReport:
    """A task that was left out."""

    task: ReusedTask
    origin: Origin

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        made = [{"lfn": one.lfn, "sha256": one.sha256, "size": one.size_bytes} for one in self.task.made]
        origin = self.origin
        reused: dict[str, Any] = {"key": self.task.key, "run": origin.run, "job": origin.job}
        reused |= {"submit_dir": origin.submit_dir, "planned": origin.planned_s}
        return {
            "job": self.task.task,
            "label": self.task.label,
            "state": REUSED,
            "verdict": self.verdict(),
            "reused": reused,
            "made": made,
        }

    def text(self) -> str:
        """Return it as text."""
        lines = [f"{self.title} {self.verdict()}"]
        lines += [
            f"  made      {one.lfn}  {size(one.size_bytes)}, sha256 {one.sha256}"
            for one in self.task.made[:FILES_SHOWN]
        ]
        if (hidden := len(self.task.made) - FILES_SHOWN) > 0:
            lines.append(f"  made      … and {hidden:,} more files")
        return "\n".join([*lines, f"  key       {self.task.key}"]) + "\n"

    @property
    def title(self) -> str:
        """Its id, with the user's label if it has one."""
        return titled(self.task.task, self.task.label)

    def verdict(self) -> str:
        """Return what became of it, in a sentence without its subject."""
        return f"was not run: reused, as made by {self.origin.text()}"

    def command(self, *words: str) -> str:
        """Return a command for the earlier job, which begins with these words; nothing if its run is gone."""
        if not self.origin.is_there:
            return ""
        return f"`{shlex.join(['markab', *words, self.origin.submit_dir, self.origin.job])}`"


class ReusedTaskLog:
    """In place of a `JobLog`: the task has written nothing in this run."""

    exit_state = "success"

    def __init__(self, report: ReusedTaskReport) -> None:
        self._report = report

    def texts(self) -> Iterator[LogText]:
        """Yield a note that says so."""
        command = self._report.command("logs")
        text = f"{self._report.title} {self._report.verdict()}"
        yield LogText(NOTE, f"{text}; {command} prints what that job wrote" if command else text)

    def follow(self, pauses: Iterable[float], sleep: object) -> Iterator[LogText]:
        """Yield the same: there is nothing to wait for."""
        return self.texts()

    def close(self) -> None:
        """There is nothing to close."""


def find_reused_task(run: RunReader, name: str) -> ReusedTaskReport | None:
    """Return the report of a task that a plan left out; it is named as other jobs are, or by the id of its job in the earlier run.

    None: it was not left out, or a job of the plan has this name.

    Raises:
        MarkabError: it is the label or transformation of several such tasks.
    """
    if name in run.plan.positions:
        return None
    same = []
    for task in read_reused_tasks(run.place.reused):
        if name in (task.task, task.job):
            same = [task]
            break
        if task.is_called(name):
            same.append(task)
    else:
        if same and names_a_job(run.plan, name):
            return None
    if len(same) > 1:
        raise several_named(name, [task.task for task in same])
    return _report(run, same[0]) if same else None


def _report(run: RunReader, task: ReusedTask) -> ReusedTaskReport:
    return ReusedTaskReport(task, find_origin(run.plan.header.reuse, task.run, task.job))


def read_reused_task(submit_dir: Path, name: str) -> ReusedTaskReport | None:
    """As `find_reused_task`, of the run in a submit directory; the plan is opened only if there are such tasks."""
    if not SubmitDir(submit_dir).reused.exists():
        return None
    return find_reused_task(RunReader(submit_dir), name)


def reused_rows(reused: Path) -> list[dict[str, Any]]:
    """Return the rows of such tasks in a list of jobs; the argument is the `reused.jsonl` of the run."""
    return [
        {"job": task.task, "label": task.label, "kind": "compute", "site": "", "state": REUSED, "attempts": 0}
        for task in read_reused_tasks(reused)
    ]
