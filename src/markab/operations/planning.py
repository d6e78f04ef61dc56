"""Turning a workflow document into a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from markab.errors import PlanningError, Problem

if TYPE_CHECKING:
    from markab.planner.draft import Progress
    from markab.planner.options import PlanOptions
    from markab.planner.planning import Planned
    from markab.planner.request_check import Answer
    from markab.reuse.result_index import ResultIndex
    from markab.spec.script_messages import Given


Then = Literal["nothing", "start", "run"]
"""What the caller does with the plan: nothing, start it in the background, or run it."""


def plan(
    options: PlanOptions,
    progress: Progress | None = None,
    *,
    then: Then = "nothing",
    explain: bool = False,
) -> Planned:
    """Plan a workflow into a new submit directory.

    With `explain`, reasons say what changed since the last run, where results are reused by content.

    `progress` is called with the present step and how much of it is done. Among the
    warnings are the resources that jobs need and this machine lacks, but not those
    of which the user hears from the engine a moment later.

    Raises:
        DocumentError: documents are invalid; the error has the problems of all of them.
        PlanningError: no plan can be made; the error has every reason.
        StorageError: something cannot be read or written.
    """
    from markab.planner import planning

    if options.is_for_dagman and then != "nothing":
        hint = "plan it with `markab plan --engine dagman`, which says the command that starts DAGMan"
        raise PlanningError(Problem("a plan for DAGMan is not run by Markab", hint, kind="dagman"))
    planned = planning.plan(
        options,
        progress,
        update_index=_record_unrecorded,
        recorded_sizes=recorded_sizes,
        explain=explain,
    )
    if options.is_for_dagman and planned.submit_dir is not None:
        from markab.dagman.dag_writer import write_dag

        write_dag(planned.submit_dir)
    return _with_lacks(_with_changes(planned), then)


def _record_unrecorded(index: ResultIndex) -> None:
    """Add what runs made that ended before they recorded it; what that needs is imported only if results are reused by content."""
    from markab.engine.result_recording import record_unrecorded

    record_unrecorded(index)


def find_answer(options: PlanOptions) -> Answer | None:
    """Return the run whose results are all that a plan with these options would make; None if it has to be planned.

    Only with the policy `content`. It is certain: all that planning read then is as it was, and so are all results.
    """
    from markab.planner import request_check

    return request_check.find_answer(options)


def dry_run(options: PlanOptions, progress: Progress | None = None, *, explain: bool = False) -> Planned:
    """Return what `plan` would plan, and write nothing. Arguments and errors as those of `plan`."""
    from markab.planner import planning

    planned = planning.dry_run(options, progress, recorded_sizes=recorded_sizes, explain=explain)
    return _with_lacks(_with_changes(planned), "nothing")


def recorded_sizes(workflow: str) -> Mapping[str, int]:
    """Return the sizes that the last runs of a workflow recorded, newest first; nothing if they cannot be found."""
    from markab.diagnosis.recorded_sizes import recorded_sizes
    from markab.errors import MarkabError
    from markab.provenance.master_database import read_runs

    try:
        runs = [run for run in read_runs() if run.workflow == workflow]
    except MarkabError:
        return {}
    return recorded_sizes(run.submit_dir for run in sorted(runs, key=lambda run: -run.planned))


def _with_changes(planned: Planned) -> Planned:
    """Say of each job that was made of something else before what that is."""
    if planned.kept and planned.reuse is not None:
        from markab.diagnosis.earlier_jobs import ComparedJob, earlier_jobs
        from markab.diagnosis.job_changes import why_again

        earlier = earlier_jobs(planned.reuse, planned.workflow, but=planned.submit_dir)
        for position, reason in enumerate(planned.reasons):
            if reason.what == "kept" and (kept := planned.kept.get(reason.job)) is not None:
                known = kept.job.content.known if kept.job.content else {}
                facts = ComparedJob(kept.job, known, kept.paths)
                why = why_again(earlier.of(kept.job.tasks[0].id), facts)
                planned.reasons[position] = reason._replace(why=why)
    return planned


def run_script(script: Path, given: Sequence[Given] = (), words: Sequence[str] = ()) -> PlanOptions:
    """Run a script that builds a workflow; return the options with which to plan that.

    `given` are the parameters that the user typed, `words` the script's own command line. What it prints goes to stderr.

    Raises:
        DocumentError: it failed, built no workflow or several, or the parameters do not fit.
        StorageError: there is no such file, or no temporary file can be made.
    """
    from markab.planner import workflow_script

    return workflow_script.run_script(script, given, words)


def target_names(document: Path) -> Iterator[tuple[str, str]]:
    """Yield each name in a workflow document that can be a target of `plan`, with the kind of thing that it names.

    Raises:
        DocumentError: it is invalid.
        StorageError: it cannot be read.
    """
    from markab.planner.targets import Names
    from markab.spec.reader import read_workflow

    yield from dict.fromkeys((name, kind) for kind, name, _ in Names.of(read_workflow(document).jobs))


def parameter_names(script: Path) -> dict[str, str]:
    """Return the parameters that a script declares, with their defaults as text; none if it cannot be read."""
    from markab.planner import workflow_script

    try:
        return workflow_script.parameter_names(script)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return {}


def _with_lacks(planned: Planned, then: Then) -> Planned:
    """Add a warning for each resource that jobs need and this machine lacks."""
    from markab.engine.slots import slots_for
    from markab.planner.machine_needs import TOO_FEW_GPUS, TOO_SMALL, Need, free_disk_mb, lacks

    said_later = {"nothing": (), "start": (TOO_FEW_GPUS,), "run": (TOO_FEW_GPUS, TOO_SMALL)}[then]

    machine = Need(*slots_for(planned.slots), free_disk_mb(planned.needs.scratch))
    planned.warnings.extend(lack for lack in lacks(planned.needs, machine) if lack.kind not in said_later)
    return planned
