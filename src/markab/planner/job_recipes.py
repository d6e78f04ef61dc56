"""What makes the outputs of a job, as far as documents and files of this machine say it; or why that cannot be told."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from markab.errors import TransferError
from markab.plan.model import LOCAL, TaskContainer
from markab.planner.dagman_profiles import script_of
from markab.planner.draft import Context, Draft, RawInput
from markab.planner.placement import ContainerImage, Executable, Placement, Program
from markab.planner.places import local_path
from markab.planner.replica_selection import select_executables, select_image, select_replicas
from markab.planner.site_executors import executor_of
from markab.planner.software_environments import environment_digest, requested_environment
from markab.planner.task_files import command_line
from markab.reuse.content_key import Recipe, RecipeProgram, TaskRecipe, recipe_digest, undeclared_variables
from markab.spec.model import Use
from markab.transfers.tree_transfer import checksum_of_tree

ChecksumOf = Callable[[str], str]
"""Path of a file → its sha256. Raises OSError."""


@dataclass(frozen=True, slots=True)
class JobRecipe:
    """The recipe of a job."""

    digest: str
    programs: dict[str, str]
    """Path of each installed program → its sha256."""


@dataclass(frozen=True, slots=True)
class _ProgramOfTask:
    program: RecipeProgram
    paths: dict[str, str]


class Unknown(Exception):
    """What makes the outputs of a job cannot be told; the text says why."""


@dataclass
class Recipes:
    """Finds recipes of jobs and contents of inputs; each program and each input is looked up once."""

    draft: Draft
    context: Context
    checksum_of: ChecksumOf
    _programs: dict[tuple[int, str], _ProgramOfTask] = field(default_factory=dict)
    _inputs: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    def of(self, job: int) -> JobRecipe:
        """Return the recipe of a job.

        Raises:
            Unknown: it has none, so that the job always runs.
        """
        draft = self.draft
        placement, tasks, outputs = draft.placements[job], draft.tasks_of(job), list(draft.outputs(job))
        if tasks[0].type != "job":
            raise Unknown("it is a sub-workflow")
        if placement.data == "sharedfs":
            raise Unknown(
                "it runs in the shared directory (sharedfs), where it sees files that it does not declare"
            )
        if not outputs:
            raise Unknown("it makes no file")
        if any(use.type != "output" for use in outputs):
            raise Unknown("it writes a file that it also reads")
        paths: dict[str, str] = {}
        recipes = []
        for task, program in zip(tasks, placement.programs, strict=True):
            env, arguments = program.profiles.get("env", {}), command_line(task)
            if program.launcher is not None:
                raise Unknown(
                    "a launcher starts its program (gridstart.launcher or pegasus_lite_env_source), and may change what it does"
                )
            if program.executable.container is not None and program.container is None:
                raise Unknown(
                    "HTCondor starts its container (condor.universe), whose image Markab does not see"
                )
            if program.container is not None and (why := _undeclared(program.container)):
                raise Unknown(why)
            if which := script_of(program.profiles.get("dagman", {})):
                raise Unknown(f"a script of the submit host belongs to it (dagman.{which})")
            if unknown := undeclared_variables(arguments, env):
                raise Unknown(f"its arguments have a variable that no document declares: ${unknown[0]}")
            found = self._program(program, placement)
            paths.update(found.paths)
            container = _container(program)
            environment = self._environment(program)
            streams = task.stdin, task.stdout, task.stderr
            recipes.append(TaskRecipe(found.program, arguments, *streams, env, container, environment))
        executables = [use.lfn for use in draft.inputs(job) if use.executable]
        executables += [each.staged_as or "" for each in placement.staged]
        resources = placement.resources
        recipe = Recipe(
            recipes,
            sorted(use.lfn for use in outputs),
            sorted(executables),
            resources.success_messages,
            resources.failure_messages,
        )
        return JobRecipe(recipe_digest(recipe), paths)

    def inputs(self, job: int) -> Iterator[tuple[str, str | None]]:
        """Yield the files that a job reads and that no job makes, staged programs too, each with its sha256.

        None: it is not known yet. What is optional and has no replica is left out, as in the plan.
        """
        draft, placement = self.draft, self.draft.placements[job]
        for use in draft.inputs(job):
            if use.lfn not in draft.producer and not (use.optional and use.lfn not in self.context.replicas):
                yield use.lfn, self._input(use, placement)
        for executable in placement.staged:
            assert executable.staged_as is not None
            yield executable.staged_as, self._staged_program(executable, placement)
        for image in placement.images:
            yield image.lfn, self._image(image, placement)

    def _program(self, program: Program, placement: Placement) -> _ProgramOfTask:
        key = id(program.executable.at), placement.site
        if (found := self._programs.get(key)) is None:
            found = self._programs[key] = self._find_program(program.executable, placement)
        return found

    def _find_program(self, executable: Executable, placement: Placement) -> _ProgramOfTask:
        if executable.staged_as:
            return _ProgramOfTask(RecipeProgram("staged", executable.staged_as), {})
        transformation, path = executable.transformation, local_path(executable.at.pfn)
        if executable.container is not None:
            return _ProgramOfTask(RecipeProgram("declared", executable.at.pfn), {})  # the image has it
        is_here = executor_of(self.context.sites[placement.site]) == LOCAL
        if is_here and path is not None:
            try:
                sha256 = self.checksum_of(path)
            except OSError as error:
                raise Unknown(f"its program {path!r} cannot be read: {error.strerror}") from None
            return _ProgramOfTask(RecipeProgram("installed", os.path.basename(path), sha256), {path: sha256})
        if not transformation.version:
            raise Unknown(
                f"its program {transformation.full_name!r} is elsewhere, and the catalog gives it no version"
            )
        return _ProgramOfTask(RecipeProgram("declared", transformation.full_name), {})

    def _environment(self, program: Program) -> str:
        """Return what tells the software environment of a program from others; "": it has none."""
        name = self.draft.environment_names.get(requested_environment(program))
        if name is None:
            return ""
        environment = self.draft.environments[name]
        if environment.modules:
            raise Unknown("it loads environment modules, whose content no document has")
        return f"{environment_digest(environment)} {platform.python_version()}"

    def _input(self, use: Use, placement: Placement) -> str | None:
        key = placement.site, placement.staging, use.lfn
        if key not in self._inputs:
            replica, context = self.context.replicas.lookup(use.lfn), self.context
            before = len(context.problems)
            raw = (
                select_replicas(replica, placement.site, placement.staging, str, context) if replica else None
            )
            del context.problems[before:]  # they are noted when the file is staged in
            skips_staging = use.bypass or placement.bypass
            self._inputs[key] = self._content(raw, declared_only=skips_staging) if raw else None
        return self._inputs[key]

    def _staged_program(self, executable: Executable, placement: Placement) -> str | None:
        key = placement.site, "", executable.staged_as or ""
        if key not in self._inputs:
            before = len(self.context.problems)
            raw = select_executables(executable, placement.site, "", self.context)
            del self.context.problems[before:]
            skips_staging = executable.at.bypass or placement.bypass
            self._inputs[key] = self._content(raw, declared_only=skips_staging)
        return self._inputs[key]

    def _image(self, image: ContainerImage, placement: Placement) -> str | None:
        key = placement.site, "", image.lfn
        if key not in self._inputs:
            before = len(self.context.problems)
            raw = select_image(image, placement.site, "", self.context)
            del self.context.problems[before:]
            skips_staging = bool(raw.direct) and (image.bypass or placement.bypass)
            self._inputs[key] = self._content(raw, declared_only=skips_staging)
        return self._inputs[key]

    def _content(self, raw: RawInput, *, declared_only: bool) -> str | None:
        """Return the sha256 of the file that will be staged in, as far as it is known now.

        A file of this machine is read, also if the catalog has its checksum: one that is not what the catalog
        says is unknown, and staging it in fails. What a job fetches itself is compared with the catalog's checksum
        only, so without that it stays unknown.
        """
        declared = raw.sha256.lower() if raw.sha256 else None
        path = local_path(raw.places[0].pfn) if raw.places else None
        if path is None or (declared_only and declared is None):
            return declared
        try:
            actual = self._checksum_of_directory(path) if os.path.isdir(path) else self.checksum_of(path)
        except (OSError, TransferError):
            return None
        return actual if declared in (None, actual) else None

    def _checksum_of_directory(self, path: str) -> str:
        self.context.trace.saw_other()
        return checksum_of_tree(path)


def _undeclared(container: TaskContainer) -> str:
    """Return why the results of a task depend on more of its container than its image; "" if they do not."""
    title = f"its container {container.name!r}"
    if container.mounts:
        return f"{title} mounts directories, whose files it does not declare"
    if container.launcher:
        return f"a launcher starts {title} (container.launcher), and may change what it does"
    return "" if container.is_staged else f"the image of {title} is used where it is, and may change"


def _container(program: Program) -> str:
    """Return how a task is run in its container; the image is an input of the job."""
    container = program.container
    return shlex.join([container.type, container.image, *container.arguments]) if container else ""
