"""Checks of a whole workflow beyond its schema. Linear in jobs and files."""

from __future__ import annotations

import re
from collections.abc import Callable

from markab.errors import Problem
from markab.spec.catalog_checks import check_replicas, check_sites, check_transformations
from markab.spec.lfn import lfn_fault
from markab.spec.model import Task, Workflow
from markab.spec.profiles import MAX_COMMAND_BYTES, MAX_TEXT_BYTES
from markab.spec.suggestions import did_you_mean

_ID = re.compile(r"[-0-9A-Za-z_.]+\Z")
_NAME = re.compile(r"[^/\s]+\Z")
MAX_JOB_NAME_BYTES = 200
"""A job's name becomes that of its directory, with some characters more; file systems allow 255."""

_LONG_WORD = re.compile(r"[^ \t\n'\"\\]{131072,}")
"""What Linux gives to no program as one argument (MAX_ARG_STRLEN)."""
MAKES = ("output", "checkpoint", "inout")


def unknown_line(item: object) -> int:
    """Return 0: the `line_of` of a document whose lines are not known."""
    return 0


def check_workflow(
    workflow: Workflow,
    file: str = "",
    line_of: Callable[[object], int] = unknown_line,
    absolute_lfns: bool = False,
) -> list[Problem]:
    """Return all problems of a workflow whose values have the right types.

    Cycles are left to the planner. `absolute_lfns` allows absolute paths as
    logical file names. `line_of` returns the line of a struct.
    """
    check = _Check(file, line_of, absolute_lfns)
    check.whole(workflow)
    if workflow.site_catalog:
        check.problems += check_sites(workflow.site_catalog, file, line_of)
    if workflow.replica_catalog:
        check.problems += check_replicas(workflow.replica_catalog, file, line_of, absolute_lfns)
    if workflow.transformation_catalog:
        check.problems += check_transformations(workflow.transformation_catalog, file, line_of)
    return check.problems


def wrong_parts(workflow: Workflow, absolute_lfns: bool = False) -> list[object]:
    """Return the parts of a workflow that have problems: itself, jobs, uses, dependencies, or whole inline catalogs."""
    check = _Check("", unknown_line, absolute_lfns)
    check.whole(workflow)
    wrong = check.wrong
    if workflow.site_catalog and check_sites(workflow.site_catalog):
        wrong.append(workflow.site_catalog)
    if workflow.replica_catalog and check_replicas(workflow.replica_catalog, absolute_lfns=absolute_lfns):
        wrong.append(workflow.replica_catalog)
    if workflow.transformation_catalog and check_transformations(workflow.transformation_catalog):
        wrong.append(workflow.transformation_catalog)
    return wrong


class _Check:
    def __init__(self, file: str, line_of: Callable[[object], int], absolute_lfns: bool) -> None:
        self.file = file
        self.line_of = line_of
        self.absolute_lfns = absolute_lfns
        self.problems: list[Problem] = []
        self.wrong: list[object] = []
        self.tasks: dict[str, Task] = {}
        self.makers: dict[str, Task] = {}
        self.good: set[str] = set()

    def problem(self, item: object, message: str, hint: str, kind: str) -> None:
        self.problems.append(Problem(message, hint, self.file, self.line_of(item), kind))
        self.wrong.append(item)

    def whole(self, workflow: Workflow) -> None:
        self.name(workflow)
        self.ids(workflow)
        for task in workflow.jobs:
            self.task(task)
        self.folders(workflow)
        self.dependencies(workflow)

    def name(self, workflow: Workflow) -> None:
        name = workflow.name
        if not _NAME.match(name) or name in (".", "..") or not name.isprintable() or len(name) > 100:
            what = (
                "is empty"
                if not name
                else "is longer than 100 characters"
                if len(name) > 100
                else "has a character that cannot be printed"
                if not name.isprintable()
                else "has a slash or a blank in it"
                if name.strip(".")
                else "is not a valid name"
            )
            better = re.sub(r"[/\s.]+|[^ -~]+", "-", name).strip("-")[:50] or "my-workflow"
            hint = f"use for example {better!r}"
            self.problem(workflow, f"the workflow's name {name!r} {what}", hint, "bad-name")
        if not workflow.jobs:
            self.problem(workflow, f"workflow {name!r} has no jobs", "add at least one job", "no-jobs")

    def ids(self, workflow: Workflow) -> None:
        tasks = self.tasks
        for task in workflow.jobs:
            first = tasks.setdefault(task.id, task)
            if first is not task:
                line = self.line_of(first)
                where = f", first on line {line}" if line else ""
                self.problem(
                    task,
                    f"two jobs have the id {task.id!r}{where}",
                    "give each an id of its own",
                    "duplicate-id",
                )
            elif not _ID.match(task.id):
                hint = "use letters, digits, '-', '_' and '.'"
                self.problem(
                    task, f"the job id {task.id!r} has characters that are not allowed", hint, "bad-id"
                )

    def task(self, task: Task) -> None:
        if task.type == "job":
            if not task.name:
                self.problem(
                    task, f"job {task.id!r} has no 'name'", "name the transformation it runs", "missing-key"
                )
        elif not task.file:
            hint = "name the logical file with the sub-workflow"
            self.problem(task, f"job {task.id!r} has no 'file'", hint, "missing-key")
        self.names(task)
        self.uses(task)
        for stream, lfn in (("stdin", task.stdin), ("stdout", task.stdout), ("stderr", task.stderr)):
            if lfn is None:
                continue
            if lfn not in self.good:
                self.lfn(task, task, lfn, f"{stream} of job {task.id!r}")
            if lfn in self.good and lfn.endswith("/"):
                message = f"{stream} of job {task.id!r} is a directory: {lfn!r}"
                self.problem(task, message, "remove the slash at the end", "bad-lfn")

    def names(self, task: Task) -> None:
        name = task.name or ""
        if not name.isprintable():
            hint = "use printable characters only"
            self.problem(
                task,
                f"the name {name!r} of job {task.id!r} has a character that cannot be printed",
                hint,
                "bad-name",
            )
        size_bytes = len(name) if name.isascii() else len(name.encode(errors="replace"))
        if size_bytes + len(task.id) > MAX_JOB_NAME_BYTES:
            hint = f"together they may have {MAX_JOB_NAME_BYTES} bytes"
            self.problem(
                task,
                f"id and transformation of job {task.id[:50]!r} are too long for the name of a file",
                hint,
                "bad-id",
            )
        total = sum(map(len, task.arguments)) + len(task.arguments)
        for argument in task.arguments if total > MAX_TEXT_BYTES else ():
            if len(argument) > MAX_TEXT_BYTES and _LONG_WORD.search(argument):
                hint = f"write it into a file that the job reads; a program gets at most {MAX_TEXT_BYTES:,} bytes as one argument"
                self.problem(task, f"an argument of job {task.id!r} is too long", hint, "argument-too-long")
        if total > MAX_COMMAND_BYTES:
            message = f"the arguments of job {task.id!r} are too long: {total:,} bytes of at most {MAX_COMMAND_BYTES:,}"
            self.problem(task, message, "write them into a file that the job reads", "argument-too-long")

    def uses(self, task: Task) -> None:
        seen: dict[str, bool] = {}
        for use in task.uses:
            lfn = use.lfn
            if lfn not in self.good:
                self.lfn(task, use, lfn, f"used by job {task.id!r}")
            if lfn.endswith("/") and (use.type == "checkpoint" or use.executable or use.bypass):
                what = (
                    "checkpoint" if use.type == "checkpoint" else "executable" if use.executable else "bypass"
                )
                message = f"{lfn!r} of job {task.id!r} is a directory, which cannot have {what!r}"
                self.problem(use, message, f"leave {what!r} out, or name the files in it", "bad-directory")
            if use.type == "none":
                continue
            makes = use.type in MAKES
            before = seen.get(lfn)
            if before is None:
                seen[lfn] = makes
            elif before and makes:
                hint = "remove one of the two entries"
                self.problem(use, f"job {task.id!r} makes {lfn!r} twice", hint, "duplicate-use")
                continue
            elif before != makes:
                hint = "write the result to a file with another name"
                self.problem(use, f"job {task.id!r} both reads and makes {lfn!r}", hint, "read-and-made")
            if makes and use.type != "checkpoint":
                maker = self.makers.setdefault(lfn, task)
                if maker is not task:
                    hint = "let each job write a file of its own"
                    message = f"file {lfn!r} is made by two jobs, {maker.id!r} and {task.id!r}"
                    self.problem(use, message, hint, "two-producers")

    def lfn(self, task: Task, item: object, lfn: str, where: str) -> None:
        fault = lfn_fault(lfn, self.absolute_lfns)
        if fault:
            shown = lfn if len(lfn) <= 60 else f"{lfn[:57]}..."
            self.problem(item, f"the file name {shown!r} ({where}) {fault[0]}", fault[1], "bad-lfn")
        else:
            self.good.add(lfn)

    def folders(self, workflow: Workflow) -> None:
        """Report files that other file names need as directories: all lie below one scratch directory."""
        clashing: dict[str, str] = {}
        for lfn in self.good:
            above = lfn.rpartition("/")[0]
            while above:
                if above in self.good or (above + "/" in self.good and above + "/" != lfn):
                    clashing[lfn] = above
                above = above.rpartition("/")[0]
        for task in workflow.jobs if clashing else ():
            streams = [(task, lfn) for lfn in (task.stdin, task.stdout, task.stderr) if lfn]
            for item, lfn in [*((use, use.lfn) for use in task.uses), *streams]:
                if above := clashing.pop(lfn, ""):
                    what = "a file" if above in self.good else "an input or output as a whole"
                    message = f"file {lfn!r} needs a directory {above!r}, which is {what} of this workflow"
                    self.problem(item, message, "rename one of the two", "file-and-directory")

    def dependencies(self, workflow: Workflow) -> None:
        for dependency in workflow.job_dependencies:
            if dependency.id not in self.tasks:
                self.unknown_job(dependency, dependency.id)
            for child in dependency.children:
                if child == dependency.id:
                    hint = "remove it from its own children"
                    self.problem(dependency, f"job {child!r} depends on itself", hint, "self-dependency")
                elif child not in self.tasks:
                    self.unknown_job(dependency, child)

    def unknown_job(self, item: object, name: str) -> None:
        # Comparing each unknown id with a million others would take minutes.
        known = self.tasks if len(self.tasks) <= 10_000 else ()
        hint = did_you_mean(name, known, "add the job, or remove the dependency")
        self.problem(item, f"a dependency names the job {name!r}, which does not exist", hint, "unknown-job")
