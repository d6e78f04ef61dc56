"""Checks of the files of a workflow: results that nobody gets, jobs without results, one name in two spellings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from markab.lint.argument_checks import job_title
from markab.lint.finding import Found
from markab.lint.subject import Subject
from markab.lint.task_arguments import normalised
from markab.planner.task_files import outputs_of
from markab.spec.suggestions import nearest

_NEAR = 0.8


def unread_outputs(subject: Subject) -> Iterator[Found]:
    """Find outputs that no job reads and that are not kept."""
    dangling = _dangling(subject)
    handed_up = subject.parent.outputs if subject.parent is not None else ()
    for task in subject.workflow.jobs:
        for use in outputs_of(task):
            is_kept = use.stage_out is not False or use.register_replica or use.lfn in handed_up
            if (
                use.type == "output"
                and not is_kept
                and use.lfn not in subject.readers
                and use.lfn != task.stderr
            ):
                near = nearest(use.lfn, dangling, _NEAR)
                yield Found(
                    "unread-output",
                    subject.use_place(task, use),
                    f"no job reads {use.lfn!r}, which {job_title(task)} makes, and it is not kept (stageOut: false)",
                    f"did job {subject.readers[near[0]][0].id!r} mean it with {near[0]!r}?"
                    if near
                    else "let a job read it, keep it with `stageOut: true`, or leave it out of the outputs",
                )


def _dangling(subject: Subject) -> list[str]:
    """Return the inputs that have no replica and that no job makes."""
    return [
        lfn
        for lfn in subject.readers
        if lfn not in subject.makers and not subject.uses[lfn].optional and lfn not in subject.replicas
    ]


def jobs_without_outputs(subject: Subject) -> Iterator[Found]:
    """Find jobs that make nothing and for which no other job waits: what they do is lost with their directory."""
    waited_for = {d.id for d in subject.workflow.job_dependencies if d.children}
    if len(subject.workflow.jobs) == 1:
        return  # a workflow of one job without files is run for its effect, or for what it prints
    for task in subject.workflow.jobs:
        if task.type == "job" and task.id not in waited_for and not outputs_of(task):
            yield Found(
                "no-outputs",
                subject.place(task),
                f"{job_title(task)} declares no outputs, and no job waits for it: what it makes is not kept",
                "declare what it writes with add_outputs, or let set_stdout make a file of what it prints",
            )


def spellings(subject: Subject) -> Iterator[Found]:
    """Find files of which two names differ by case or by `./` only."""
    names: dict[str, list[str]] = defaultdict(list)
    for lfn in subject.uses:
        names[normalised(lfn).casefold()].append(lfn)
    for alike in names.values():
        for other in alike[1:]:
            yield Found(
                "lfn-spelling",
                subject.places.of("file", other),
                f"the file names {alike[0]!r} and {other!r} differ by their spelling only, and are two files",
                "if they are one file, spell it in one way; else choose names that can be told apart",
            )
