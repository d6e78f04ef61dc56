"""Running a past run again from its own record, and comparing what both made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markab.operations.run_names import Run, find_run
from markab.operations.status import read_status

if TYPE_CHECKING:
    from markab.diagnosis.changed_files import ChangedFile
    from markab.diagnosis.compared_results import ComparedResult
    from markab.plan.submit_dir import SubmitDir
    from markab.planner.options import PlanOptions


@dataclass(frozen=True, slots=True)
class Repetition:
    """How a past run is run again, and what is no longer as it was then."""

    of: Path
    """Its submit directory."""
    options: PlanOptions
    """What the planner is given."""
    changed: list[ChangedFile] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    """What else differs, as sentences."""
    uncompared: list[str] = field(default_factory=list)
    """What cannot be compared, as sentences."""

    @property
    def differences(self) -> list[str]:
        """All that differs, as sentences."""
        return [*(file.text for file in self.changed), *self.settings, *self.uncompared]

    def to_json(self) -> dict[str, Any]:
        """Return what differs as plain data."""
        return {
            "files": [file._asdict() for file in self.changed],
            "settings": [*self.settings, *self.uncompared],
        }


def prepare_rerun(run: Run = None, output_dir: Path | None = None) -> Repetition:
    """Return how a run that succeeded is run again, and what has changed since; plans and starts nothing.

    Raises:
        NotARun: there is no such run, it has not succeeded, or it is not recorded how it was planned.
        PlanningError: copies of its documents are missing.
        CorruptPlan, CorruptJournal: it cannot be read.
    """
    from markab.diagnosis.changed_files import read_changed_files
    from markab.errors import NotARun
    from markab.plan.braindump import read_braindump
    from markab.plan.plan_file import PlanFile
    from markab.plan.run_command import run_command
    from markab.plan.submit_dir import SubmitDir
    from markab.planner.recorded_options import changed_settings, recorded_options

    place = SubmitDir(find_run(run))
    status = read_status(place.path)
    if status.state != "Success":
        raise NotARun(
            f"{str(place.path)!r} has not succeeded ({status.state.lower()}): there is nothing to compare a new run with",
            hint=f"finish it first: `{run_command(place.path)}`",
        )
    plan = PlanFile(place.plan)
    try:
        options = recorded_options(place, read_braindump(place.braindump), plan.header, output_dir)
        changed = read_changed_files(plan, place.journal, status.ended or 0.0)
    finally:
        plan.close()
    return Repetition(place.path, options, changed, [*changed_settings(options)], [*_reused_text(place)])


def _reused_text(place: SubmitDir) -> Iterator[str]:
    """Say of tasks that the past run did not run that nothing can be said of what they used."""
    from markab.formatting import count
    from markab.plan.reused_tasks import read_reused_tasks

    if number := sum(1 for _ in read_reused_tasks(place.reused)):
        yield (
            f"{count(number, 'task')} of that run had been left out, because results of earlier runs were used again: "
            "their programs and inputs are not compared"
        )


def refuse_changes(repetition: Repetition) -> None:
    """Return if nothing differs.

    Raises:
        PlanningError: names all that does.
    """
    from markab.diagnosis.changed_files import MISSING
    from markab.errors import PlanningError, Problem
    from markab.formatting import shown_path

    if found := repetition.differences:
        problems = [Problem(text, kind="changed") for text in found]
        if any(file.what in MISSING for file in repetition.changed):
            problems[-1].hint = "put back what is missing: without it, the run cannot be repeated"
        else:
            command = f"markab rerun --accept-changes {shown_path(repetition.of)}"
            is_edited = bool(repetition.changed or repetition.settings)
            first = "put back what has changed, or go" if is_edited else "go"
            problems[-1].hint = f"{first} on with what is there now: `{command}`"
        raise PlanningError(*problems)


def keep_passwords(repetition: Repetition, submit_dir: Path) -> None:
    """Give a new run the passwords of URLs that the past one had: the copies of documents do not have them."""
    from markab.plan.submit_dir import SubmitDir
    from markab.transfers.run_passwords import read_passwords, write_passwords

    old, new = SubmitDir(repetition.of).passwords, SubmitDir(submit_dir).passwords
    if old.exists():
        there = read_passwords(str(new)) if new.exists() else {}
        new.unlink(missing_ok=True)
        write_passwords(str(new), {**read_passwords(str(old)), **there})


def compare_runs(old: Run, new: Run) -> list[ComparedResult]:
    """Return the results of two runs of one workflow, compared by checksum. Raises as `read_status`."""
    from markab.diagnosis.compared_results import compared_results, read_results

    return compared_results(read_results(find_run(old)), read_results(find_run(new)))
