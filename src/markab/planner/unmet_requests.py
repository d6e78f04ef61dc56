"""What a workflow requests and does not get in this version: each is said once, with the number of jobs.

Requests are profiles, containers, and sites with another executor. Properties and
flags are checked elsewhere (`property_support.py`, `planning.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from markab.errors import Problem
from markab.plan.condor_commands import (
    IMAGE_COMMANDS,
    UNIVERSES,
    is_reserved,
    lacks_image,
    says_the_same,
    universe_of,
    why_reserved,
)
from markab.plan.model import LOCAL
from markab.planner.batch_requests import is_batch_key, is_unsaid
from markab.planner.child_plans import CATEGORY as SUB_WORKFLOW_CATEGORY
from markab.planner.clustering import label_key
from markab.planner.draft import Context, Draft
from markab.planner.placement import Program
from markab.planner.plan_header import DEFAULT_LIMITS
from markab.planner.site_executors import (
    BATCH_SYSTEMS,
    HTCONDOR,
    PROGRAMS,
    TITLES,
    batch_systems,
    contact_of,
    executor_of,
    is_available,
    is_explicit,
    missing_library,
    missing_submit_program,
    requested_executor,
    unknown_style,
)
from markab.planner.site_profiles import EXECUTOR
from markab.planner.task_container import missing_program
from markab.spec.key_lines import line_of_key
from markab.spec.model import Task
from markab.spec.profile_keys import KEYS, Effect, effect_of, likely_key
from markab.spec.profiles import is_condor_expression
from markab.spec.properties import Properties
from markab.spec.suggestions import did_you_mean

READ_OF_CONDOR = frozenset(key for key, effect in KEYS["condor"].items() if effect is Effect.READ)
SHOWN = 20
"""Profile keys, and groups of jobs, that a warning names."""


@dataclass(slots=True)
class _Jobs:
    """The jobs that request something."""

    number: int = 0
    first: str = ""

    def add(self, number: int, first: str) -> None:
        self.number += number
        self.first = self.first or first

    def __str__(self) -> str:
        return (
            f"job {self.first!r}"
            if self.number == 1
            else f"{self.number:,} jobs, the first is {self.first!r}"
        )


@dataclass(slots=True)
class _Requests:
    """All requests of a draft that matter here, each with the jobs that have it."""

    profiles: dict[tuple[str, str], _Jobs] = field(default_factory=dict)
    batch: dict[str, dict[tuple[str, str], _Jobs]] = field(default_factory=dict)
    """Executor → profiles for HTCondor or a batch system that have no effect on its jobs."""
    expressions: dict[tuple[str, str], _Jobs] = field(default_factory=dict)
    """Profiles that have an effect, and whose value is an expression that only HTCondor evaluates."""
    commands: dict[tuple[str, str], _Jobs] = field(default_factory=dict)
    """Commands for HTCondor that Markab gives itself, each with its value."""
    unknown: dict[str, _Jobs] = field(default_factory=dict)
    """Those that are passed on, and look like a slip."""
    universes: dict[str, _Jobs] = field(default_factory=dict)
    """Of HTCondor, in which no worker can be started."""
    imageless: dict[str, _Jobs] = field(default_factory=dict)
    """Those that start a container, of jobs that name none."""
    containers: dict[str, _Jobs] = field(default_factory=dict)
    """Those that no program of this machine can start."""
    lacking: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    """Container → the program that is missing, and the transformations that run in it."""
    sites: dict[str, _Jobs] = field(default_factory=dict)


def warn_of_unmet_requests(draft: Draft, context: Context) -> None:
    """Warn of everything that is requested and has no effect; what would make the results wrong is a problem."""
    requests = _requests(draft, context)
    _sites(requests.sites, context)
    _profiles(requests.profiles, context)
    _batch_profiles(requests.batch, context)
    for (namespace, key), jobs in requests.expressions.items():
        context.warn(
            "unsupported",
            f"profile {namespace}.{key} is an expression of HTCondor, and counts as not given ({jobs})",
            "write a number, or give the profile in the namespace 'pegasus'",
        )
    _commands(requests, context)
    _limits(draft, context)
    for container, jobs in requests.containers.items():
        program, transformations = requests.lacking[container]
        names = ", ".join(map(repr, transformations))
        context.unsupported(
            "container",
            f"container {container!r} (for {names}) cannot be started: {program} is not on PATH ({jobs})",
            "install it (Debian: apt-get install podman), or add its directory to PATH"
            if "podman" in program
            else "install it, or add its directory to PATH",
        )


def _requests(draft: Draft, context: Context) -> _Requests:
    found = _Requests()
    missing: dict[tuple[str, str], str] = {}
    for task, program, number, site in _programs(draft):
        found.sites.setdefault(site, _Jobs()).add(number, task.id)
        executor = executor_of(context.sites[site])
        if executor == HTCONDOR:
            commands = program.profiles.get("condor", {})
            universe = universe_of(commands)
            if universe not in UNIVERSES:
                found.universes.setdefault(universe, _Jobs()).add(number, task.id)
            elif lacks_image(commands) and program.executable.container is None:
                found.imageless.setdefault(universe, _Jobs()).add(number, task.id)
        for namespace, keys in program.profiles.items():
            for key, value in keys.items() if namespace != "env" else ():
                table = found.profiles
                if namespace == "condor" and executor == HTCONDOR:
                    effect = effect_of(namespace, key)
                    if effect is not Effect.DROPPED and is_reserved(key):
                        if not says_the_same(key, value):
                            found.commands.setdefault((key, value), _Jobs()).add(number, task.id)
                        continue
                    if effect is None:
                        found.unknown.setdefault(key, _Jobs()).add(number, task.id)
                        continue
                if is_condor_expression(namespace, value) and key in READ_OF_CONDOR:
                    if executor == HTCONDOR:
                        continue  # it is passed on
                    table = found.expressions
                elif is_unsaid(namespace, key, executor):
                    table = found.batch.setdefault(executor, {})
                elif effect_of(namespace, key) is Effect.BATCH:
                    if is_batch_key(namespace, key, executor):
                        continue
                    table = found.batch.setdefault(executor, {})
                table.setdefault((namespace, key), _Jobs()).add(number, task.id)
        transformation = program.executable.transformation
        if (container := program.container) is not None and executor_of(context.sites[site]) == LOCAL:
            kind = container.type, container.program
            if kind not in missing:
                missing[kind] = missing_program(container, context)
            if missing[kind]:
                found.containers.setdefault(container.name, _Jobs()).add(number, task.id)
                names = found.lacking.setdefault(container.name, (missing[kind], []))[1]
                names += [] if transformation.full_name in names else [transformation.full_name]
    return found


def _programs(draft: Draft) -> Iterator[tuple[Task, Program, int, str]]:
    """Yield each program, which many tasks share, with the first of its tasks, their number, and their site."""
    numbers: Counter[int] = Counter()
    first: dict[int, tuple[Task, Program, str]] = {}
    for job, tasks in draft.task_jobs():
        placement = draft.placements[job]
        for number, program in zip(tasks, placement.programs, strict=True):
            key = id(program)
            numbers[key] += 1
            if key not in first:
                first[key] = (draft.tasks[number], program, placement.site)
    for key, (task, program, site) in first.items():
        yield task, program, numbers[key], site


def _sites(sites: dict[str, _Jobs], context: Context) -> None:
    for name, jobs in sites.items():
        site = context.sites[name]
        requested = requested_executor(site)
        if wrong := unknown_style(site):
            context.warn("unsupported", *wrong)
        if requested == "batch" and batch_systems():
            context.unsupported(
                "no-scheduler",
                f"site {name!r} has a batch system, and does not say which ({jobs})",
                f"give its gateway a scheduler: {', '.join(batch_systems())}; {_here(name)}",
            )
        elif lacks := missing_library(executor_of(site)):
            context.unsupported(
                "no-scheduler",
                f"site {name!r} asks for {TITLES[executor_of(site)]}, and the package {lacks[0]!r} is not installed ({jobs})",
                f"install it: pip install 'markab[{lacks[1]}]'; {_here(name)}",
            )
        elif program := missing_submit_program(site):
            _missing_program(name, program, jobs, context)
        elif executor_of(site) == LOCAL and requested == HTCONDOR and is_available(requested):
            if is_explicit(site):
                context.warn(
                    "unsupported",
                    f"site {name!r} asks for HTCondor, which is not installed here: its jobs run on this machine ({jobs})",
                    f"install HTCondor, or add the directory of {PROGRAMS[HTCONDOR]!r} to PATH",
                )
        elif not is_available(requested) and is_explicit(site):
            context.warn(
                "unsupported",
                f"site {name!r} asks for {TITLES[requested]}, which this version does not use: "
                f"its jobs run on this machine ({jobs})",
            )


def _missing_program(name: str, program: str, jobs: _Jobs, context: Context) -> None:
    site = context.sites[name]
    title = TITLES.get(executor_of(site), executor_of(site))
    if contact := contact_of(site):
        what = f"site {name!r} is reached through {contact!r}, and this machine has no {program!r} on PATH ({jobs})"
        hint = "install it, or add its directory to PATH"
    else:
        what = f"site {name!r} asks for {title}, and this machine has no {program!r} on PATH ({jobs})"
        hint = "load its module (`module load …`) or add its directory to PATH"
        if executor_of(site) in BATCH_SYSTEMS:
            hint += "; or name a login node: style 'ssh', and a gateway with the contact 'user@host'"
    context.unsupported("no-scheduler", what, f"{hint}; {_here(name)}")


def _here(site: str) -> str:
    """Return how to run the jobs of a site on this machine instead."""
    return (
        "or run its jobs on this machine: "
        f"`-D pegasus.catalog.site.sites.{site}.profiles.pegasus.style=local` (those of all sites: `-D {EXECUTOR}=local`)"
    )


def _batch_profiles(batch: dict[str, dict[tuple[str, str], _Jobs]], context: Context) -> None:
    """Warn of profiles that the executors of their jobs have no use for."""
    for executor, profiles in batch.items():
        by_jobs: dict[str, list[str]] = {}
        """The jobs → what all of them request."""
        for (namespace, key), jobs in profiles.items():
            by_jobs.setdefault(str(jobs), []).append(f"{namespace}.{key}")
        why = "for HTCondor or a batch system do nothing, because no job goes there"
        if executor != LOCAL:
            why = f"do nothing at a site of {TITLES.get(executor, executor)}"
        groups = [f"{_first_few(names)} ({jobs})" for jobs, names in by_jobs.items()]
        context.warn("unsupported", f"profiles {why}: {_first_few(groups)}")


def _profiles(profiles: dict[tuple[str, str], _Jobs], context: Context) -> None:
    profiles.pop(("pegasus", label_key(context)), None)
    for (namespace, key), jobs in profiles.items():
        name, effect = f"{namespace}.{key}", effect_of(namespace, key)
        if effect is None:
            near = likely_key(namespace, key)
            context.warnings.append(
                Problem(
                    f"profile {name} is not known, and does nothing ({jobs})",
                    f"did you mean {near!r}?" if near else "remove it",
                    *_place_of_key(name, key, context),
                    kind="unknown-profile",
                )
            )
        elif effect is Effect.DROPPED:
            hint = "use env profiles" if key == "environment" else "remove it"
            context.warn(
                "prohibited-profile", f"profile {name} is ignored: the planner sets it ({jobs})", hint
            )
        elif effect is Effect.NOT_YET:
            context.warn("unsupported", f"profile {name} does nothing in this version ({jobs})")


def _commands(requests: _Requests, context: Context) -> None:
    """Name commands for HTCondor that are not passed on, with the reason; and those that are, and look like a slip."""
    for (key, value), jobs in requests.commands.items():
        why, remedy = why_reserved(key) or ("Markab gives it itself", "remove it")
        given = f"profile condor.{key} ({value!r})" if value else f"profile condor.{key}"
        context.warn("prohibited-profile", f"{given} is not passed on to HTCondor: {why} ({jobs})", remedy)
    for key, jobs in requests.unknown.items():
        name = f"condor.{key}"
        context.warnings.append(
            Problem(
                f"profile {name} is not known here, and is passed on to HTCondor as it is ({jobs})",
                f"did you mean {likely_key('condor', key)!r}?",
                *_place_of_key(name, key, context),
                kind="unknown-profile",
            )
        )
    for universe, jobs in requests.universes.items():
        context.unsupported(
            "no-universe",
            f"no job of HTCondor's universe {universe!r} can start Markab's worker ({jobs})",
            f"let the profile condor.universe be one of {', '.join(sorted(UNIVERSES))}",
        )
    for universe, jobs in requests.imageless.items():
        context.unsupported(
            "container",
            f"HTCondor's universe {universe!r} is asked for, and no image ({jobs})",
            f"give the transformation a container, or the profile condor.{IMAGE_COMMANDS[universe]}",
        )


def _first_few(texts: list[str]) -> str:
    more = [f"and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
    return ", ".join([*texts[:SHOWN], *more])


def _place_of_key(name: str, key: str, context: Context) -> tuple[str, int]:
    """Return the file and the line where a profile stands; ("", 0) if no document has it."""
    place = _place_among_properties(name, context.properties)
    if place[1]:
        return place
    for document in (context.options.directory / context.options.workflow, *context.documents):
        if line := line_of_key(document, key):
            return str(document), line
    return place


def _place_among_properties(name: str, properties: Properties) -> tuple[str, int]:
    file, _, line = properties.source(name).rpartition(":")
    return (file, int(line)) if line.isdigit() else ("", 0)


def _limits(draft: Draft, context: Context) -> None:
    """Warn of limits for a category that no job has: mostly the name is misspelt."""
    limits = {f"dagman.{key}": key.rpartition(".") for key in context.properties.under("dagman.")}
    limited = {key: parts[0] for key, parts in limits.items() if parts[1] and parts[2].lower() == "maxjobs"}
    if not limited:
        return
    categories = {planned.category for _, planned in draft.auxiliary_jobs()} | set(DEFAULT_LIMITS)
    categories |= {placement.resources.category or "" for placement in draft.placements}
    if draft.children:
        categories.add(SUB_WORKFLOW_CATEGORY)
    for key, category in limited.items():
        if category not in categories:
            file, line = _place_among_properties(key, context.properties)
            message = f"property {key!r} limits nothing: no job has the category {category!r}"
            hint = did_you_mean(
                category, categories - {""}, "remove it, or give jobs the profile dagman.CATEGORY"
            )
            context.warnings.append(Problem(message, hint, file, line, "unused-limit"))
