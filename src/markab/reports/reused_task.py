"""The report of `why JOB` about a task that a plan left out, because an earlier run made its outputs of the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.reuse_verdict import origin_text
from markab.formatting import size
from markab.plan.reused_tasks import ReusedTask, read_reused_tasks

FILES_SHOWN = 20


@dataclass(frozen=True)
class ReusedTaskReport:
    """A task that was left out."""

    task: ReusedTask
    origin: str
    """The job and the run that made its outputs."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        made = [{"lfn": one.lfn, "sha256": one.sha256, "size": one.size_bytes} for one in self.task.made]
        reused = {"key": self.task.key, "run": self.task.run, "job": self.task.job}
        return {"job": self.task.task, "verdict": self._verdict(), "reused": reused, "made": made}

    def text(self) -> str:
        """Return it as text."""
        lines = [f"{self.task.task} {self._verdict()}"]
        lines += [
            f"  made      {one.lfn}  {size(one.size_bytes)}, sha256 {one.sha256}"
            for one in self.task.made[:FILES_SHOWN]
        ]
        if (hidden := len(self.task.made) - FILES_SHOWN) > 0:
            lines.append(f"  made      … and {hidden:,} more files")
        return "\n".join([*lines, f"  key       {self.task.key}"]) + "\n"

    def _verdict(self) -> str:
        return f"was not run: reused, as made by {self.origin}"


def find_reused_task(run: Analyzer, name: str) -> ReusedTaskReport | None:
    """Return the report of a task that a plan left out; it is named by its id, or by the id of its job in the earlier run."""
    for task in read_reused_tasks(run.place.reused):
        if name in (task.task, task.job):
            return ReusedTaskReport(task, origin_text(run.plan.header.reuse, task.run, task.job))
    return None
