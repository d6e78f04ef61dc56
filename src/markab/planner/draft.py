"""The plan while it is being made: one graph of jobs that the passes add to and take from.

Jobs are known by their numbers. The first n numbers are those of the n tasks of
the document: at first each of these jobs runs one task. Jobs of several tasks
(clusters) come from merging, which keeps the lowest number; a number of a job that
was removed or merged is never used again. Numbers from n on are auxiliary jobs, which passes
add: transfers, directories, cleanup. Everything about a job is a list entry at its
number, and edges are lists of parent numbers: a million jobs fit. The jobs of the
plan itself are made last of all (`executable_jobs.py`), one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, Protocol

from markab.catalogs.replica_index import ReplicaIndex
from markab.errors import DocumentError, PlanningError, Problem, StorageError
from markab.formatting import titled
from markab.plan.job_label import joined_labels
from markab.plan.model import (
    AbortRule,
    BoundedScratch,
    ChildPlan,
    Content,
    ContentReuse,
    GivenSlots,
    Hook,
    Integrity,
    JobScript,
    JobSpace,
    Place,
    PlannedJob,
    RunHooks,
    SoftwareEnvironment,
)
from markab.plan.reused_tasks import ReusedTask
from markab.planner.document_places import placed_problems
from markab.planner.doubts import Doubts
from markab.planner.graph import find_cycle, levels_of
from markab.planner.hashed_results import HashedResults
from markab.planner.job_names import compute_name
from markab.planner.options import PlanOptions
from markab.planner.placement import Placement, Program, merge_placements
from markab.planner.replica_order import ReplicaOrder, by_nearness
from markab.planner.request_trace import RequestTrace
from markab.planner.targets import Targets
from markab.planner.task_files import files_of_job, inputs_of, outputs_of
from markab.reuse.file_witness import FileWitness
from markab.reuse.result_index import ResultIndex
from markab.spec.model import (
    Container,
    Pfn,
    Profiles,
    Site,
    Task,
    Transformation,
    Use,
    Workflow,
)
from markab.spec.properties import Properties
from markab.transfers.run_passwords import Passwords

Cluster = tuple[int, ...]
"""The tasks of a job, in the order in which it runs them."""

Cleanup = Literal["none", "leaf", "inplace", "constraint"]

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and of how much (None: not known)."""


UpdateIndex = Callable[[ResultIndex], None]


def no_update(_index: ResultIndex) -> None:
    """Leave the index of results as it is."""


RecordedSizes = Callable[[str], Mapping[str, int]]
"""Name of a workflow → lfn → bytes of the files that its last runs had."""


def no_recorded_sizes(_workflow: str) -> Mapping[str, int]:
    """Know nothing of earlier runs."""
    return {}


class TaskWitnesses(NamedTuple):
    """The files of which it depends that tasks are left out when the workflow is planned again, once this run has succeeded."""

    tasks: int
    planned: int
    """The tasks that were not left out."""
    files: list[FileWitness]
    """Programs and inputs."""
    runs: list[str]
    """UUIDs of the runs that made what left out tasks make."""
    results: list[FileWitness]
    """Of left out tasks, in place."""
    awaited: list[str]
    """The paths of all other results."""


class ResultPlaces(Protocol):
    """Where each result goes, by its name."""

    file: Path
    """The document that says so."""

    @property
    def names(self) -> list[str]:
        """The names that have places, other than by a regular expression."""
        ...

    def places(self, lfn: str) -> list[Place]:
        """Return where a result goes; nothing if the document does not have it."""
        ...


EXPLAINING = ("unknown-property", "unknown-profile", "noop")
"""Kinds of warnings that may explain an error, and are shown with it."""


class Reason(NamedTuple):
    """Why the plan has, or lacks, a job; for `--explain`."""

    job: str
    by: str
    """Name of the pass."""
    what: str
    """One of "added", "removed", "kept", "merged" and "placed"."""
    why: str


class Merged(NamedTuple):
    """A job that several were merged into."""

    name: str
    why: str
    """Which pass merged them, and why."""
    remedy: str = ""
    """What to do if it waits for itself through other jobs."""


class DagmanRequests(NamedTuple):
    """What a job asks for in the namespace `dagman`, beyond what is scheduled by."""

    pre: JobScript | None = None
    post: JobScript | None = None
    abort: AbortRule | None = None


@dataclass(slots=True, eq=False, repr=False)  # to make these methods takes 3 ms at every start
class Context:
    """What the passes read, and never change."""

    options: PlanOptions
    properties: Properties
    sites: dict[str, Site]
    default_sites: list[str]
    """Where jobs may run if the user names no site."""
    replicas: ReplicaIndex
    transformations: dict[tuple[str | None, str, str | None], Transformation]
    containers: dict[str, Container]
    integrity: Integrity
    retries: int
    transfer_attempts: int
    progress: Progress
    hold_limit_s: int = 0
    """How long a site may hold an attempt, in seconds, where no property says it; 0: for ever."""
    documents: list[Path] = field(default_factory=list)
    """The catalogs that were read."""
    passwords: Passwords = field(default_factory=dict)
    """Those that stood in URLs of the documents; for the private file of the run, and nothing else."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong; passes add to it and go on, so that all is reported at once."""
    unreadable: StorageError | None = None
    """The error of which one of these problems was made; raised if there is no other."""
    warnings: list[Problem] = field(default_factory=list)
    workflow_profiles: Profiles = field(default_factory=dict)
    """Profiles at the top of the workflow: weaker than a task's own."""
    prefix: str = ""
    """Job prefix, as asked for with --job-prefix."""
    links: bool = False
    """Inputs on this machine may be linked to instead of copied."""
    own_threads: int = 0
    """Files that a job moves itself at a time; 0: as the plan says for all."""
    replica_order: ReplicaOrder = by_nearness
    """Which replica of a file is the best."""
    cleanup: Cleanup = "inplace"
    slots: GivenSlots = field(default_factory=GivenSlots)
    """What jobs on the submit host may use together."""
    output_map: ResultPlaces | None = None
    """Where each result goes. None: below the directories of the output sites."""
    hashed: HashedResults | None = None
    """Where they are below these directories. None: at their names."""
    reuse: ContentReuse | None = None
    """How results are reused by content. None: they are reused by name."""
    update_index: UpdateIndex = no_update
    """Called with the index of results before it is read."""
    recorded_sizes: RecordedSizes = no_recorded_sizes
    """Called with the name of the workflow, when the sizes of its files are to be predicted."""
    trace: RequestTrace = field(default_factory=RequestTrace)
    """What was read so far, and what was not found; passes add to it."""
    doubts: Doubts = field(default_factory=Doubts)
    """What cannot be judged, because documents are wrong."""
    dry_run: bool = False
    file_sizes: dict[str, int | str] = field(default_factory=dict)
    """Path of this machine → bytes of the file that replicas name, or why it cannot be used; each is looked at once."""

    @property
    def handed_up(self) -> Mapping[str, str]:
        """Lfn → path in the scratch of the parent, of the results that this workflow makes for it."""
        return self.options.parent.outputs if self.options.parent else {}

    @property
    def promised(self) -> frozenset[str]:
        """Lfns of files that the parent of this workflow will bring."""
        return self.options.parent.promised if self.options.parent else frozenset()

    def is_delivered(self, lfn: str) -> bool:
        """Return whether a result leaves scratch: to an output site, or to the parent of this workflow."""
        return bool(self.options.output_sites) or lfn in self.handed_up

    def problem(self, kind: str, message: str, hint: str = "") -> None:
        """Note a reason why there can be no plan."""
        self.problems.append(Problem(message, hint, kind=kind))

    def raise_problems(self) -> None:
        """Raise PlanningError if there is a problem; DocumentError if a document is wrong; StorageError if that is all."""
        if self.unreadable is not None and len(self.problems) == 1:
            raise self.unreadable
        if self.problems:
            kind = DocumentError if self.doubts.documents else PlanningError
            workflow = self.options.directory / self.options.workflow
            error = kind(*placed_problems(self.problems, workflow, self.documents))
            error.warnings = tuple(w for w in self.warnings if w.kind in EXPLAINING)
            raise error

    def unsupported(self, kind: str, message: str, hint: str) -> None:
        """Note what this version cannot run: a problem, but for a dry run only a warning."""
        (self.warn if self.dry_run else self.problem)(kind, message, hint)

    def warn(self, kind: str, message: str, hint: str = "") -> None:
        """Add a warning to the user; planning continues."""
        self.warnings.append(Problem(message, hint, kind=kind))


RequestedEnvironment = tuple[str, str, str]
"""The values of the three profiles that ask for a software environment."""


@dataclass(slots=True)
class RawInput:
    """A file that no job of the workflow makes: where it can be had, best first."""

    places: list[Pfn]
    """Where a transfer to the staging site finds it."""
    direct: list[Pfn]
    """Where a job reads it itself, without the staging site."""
    sha256: str | None = None
    size_bytes: int | None = None


_REMOVED = -1


@dataclass(slots=True, eq=False, repr=False)  # to make these methods takes 3 ms at every start
class Draft:
    """The graph; see the module."""

    workflow: Workflow
    tasks: list[Task]
    jobs: list[Cluster | PlannedJob | None] = field(init=False)
    """By job: the tasks it runs; or an auxiliary job; None: removed, or merged into another."""
    task_levels: list[int] = field(default_factory=list)
    """By task: its depth in the user's graph."""
    task_parents: list[list[int]] = field(default_factory=list)
    """By task: the tasks that it waits for. Known once jobs were merged."""
    producer: dict[str, int] = field(default_factory=dict)
    """Lfn → job that makes it."""
    placements: list[Placement] = field(default_factory=list)
    """By job, of those that run tasks."""
    raw: dict[tuple[str, str], dict[str, RawInput]] = field(default_factory=dict)
    """(Site of jobs, their staging site) → lfn → where it is, of every file and executable to bring in."""
    bypassed: set[tuple[int, str]] = field(default_factory=set)
    """(job, lfn) of inputs that skip the staging site."""
    absent: set[str] = field(default_factory=set)
    """Lfns of optional inputs that have no replica."""
    scratch: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Staging site → lfn → jobs that make, read or move this file in its scratch."""
    bounded: dict[str, BoundedScratch] = field(default_factory=dict)
    """Staging site → bound, with the cleanup `constraint`."""
    space: dict[int, JobSpace] = field(default_factory=dict)
    """Job → what it changes in a bounded scratch."""
    targets: Targets | None = None
    """What the plan is made for; None: every result of the document."""
    results: set[str] = field(default_factory=set)
    """Lfns that the user wants: outputs that are to be delivered."""
    reused: dict[int, list[Use]] = field(default_factory=dict)
    """Job that was removed → its results, which are delivered from where they are."""
    found: dict[str, RawInput] = field(default_factory=dict)
    """Lfn → where earlier runs left it, of files that are needed and that only removed jobs make; by content."""
    contents: dict[int, Content] = field(default_factory=dict)
    """Task → what makes its outputs; by content."""
    unmatched: set[int] = field(default_factory=set)
    """Tasks that stay because no earlier run made their outputs of the same; by content."""
    reused_tasks: list[ReusedTask] = field(default_factory=list)
    """The tasks of removed jobs; by content."""
    witnesses: TaskWitnesses | None = None
    """What tells later whether all that is known of tasks is as it is now; None: something cannot be told. By content."""
    dagman: dict[int, DagmanRequests] = field(default_factory=dict)
    """Of the jobs that ask for something of that."""
    environments: dict[str, SoftwareEnvironment] = field(default_factory=dict)
    """Software environments, by name."""
    environment_names: dict[RequestedEnvironment, str] = field(default_factory=dict)
    """What programs ask for → its name."""
    run_hooks: RunHooks | None = None
    """None: no hooks are run."""
    job_hooks: dict[int, list[Hook]] = field(default_factory=dict)
    """Of the jobs that have any."""
    children: dict[int, ChildPlan] = field(default_factory=dict)
    """Task that is a sub-workflow → how it gets its plan."""
    merged: dict[int, Merged] = field(default_factory=dict)
    """Job that others were merged into → what it is."""
    reasons: list[Reason] = field(default_factory=list)
    random: Random = field(init=False)
    _reads: list[Sequence[Use]] = field(init=False)
    _makes: list[Sequence[Use]] = field(init=False)
    """By job, of those that run tasks: the files."""
    _parents: list[list[int]] = field(init=False)
    _levels: list[int] = field(default_factory=list)
    _replacements: dict[int, int] = field(default_factory=dict)
    """Job that is None → job it was merged into, or _REMOVED."""
    _merged_placements: dict[tuple[int, ...], tuple[Placement, list[Placement]]] = field(default_factory=dict)
    """Identities of placements and programs → what they become as one job, and these placements, so that they exist."""
    _stale: bool = False
    """Whether `_parents` and `_levels` still name jobs that are None."""

    def __post_init__(self) -> None:
        self.jobs = [(task,) for task in range(len(self.tasks))]
        self._reads = [inputs_of(task) for task in self.tasks]
        self._makes = [outputs_of(task) for task in self.tasks]
        self._parents = [[] for _ in self.tasks]
        self.random = Random(self.workflow.name)

    # --- reading ---

    @property
    def parents(self) -> list[list[int]]:
        """By job: the jobs that must be done before it."""
        self._update_graph()
        return self._parents

    @property
    def levels(self) -> list[int]:
        """By job, of those that run tasks: its depth in the graph of these jobs."""
        self._update_graph()
        return self._levels

    def task_jobs(self) -> Iterator[tuple[int, Cluster]]:
        """Yield the jobs that run tasks, ascending, each with its tasks."""
        for job in range(len(self.tasks)):
            if type(tasks := self.jobs[job]) is tuple:
                yield job, tasks

    def auxiliary_jobs(self) -> Iterator[tuple[int, PlannedJob]]:
        """Yield the jobs that passes added, in the order in which they were added."""
        for job in range(len(self.tasks), len(self.jobs)):
            if isinstance(planned := self.jobs[job], PlannedJob):
                yield job, planned

    def count_jobs(self) -> int:
        """Return how many jobs the plan has."""
        return len(self.jobs) - len(self._replacements)

    def tasks_of(self, job: int) -> Sequence[Task]:
        """Return the tasks that a job runs, in this order; an auxiliary job runs none."""
        found = self.jobs[job]
        return [self.tasks[task] for task in found] if type(found) is tuple else ()

    def inputs(self, job: int) -> Sequence[Use]:
        """Return the files that a job's tasks read."""
        return self._reads[job]

    def outputs(self, job: int) -> Sequence[Use]:
        """Return the files that a job's tasks make."""
        return self._makes[job]

    def is_wanted(self, use: Use) -> bool:
        """Return whether a job has to run for the sake of a file that it makes, though no other job reads it."""
        return use.stage_out is not False if self.targets is None else use.lfn in self.targets.wanted

    def is_delivered(self, use: Use) -> bool:
        """Return whether a file is a result, if the job that makes it runs."""
        return use.stage_out is not False or self.is_wanted(use)

    def raw_input(self, job: int, lfn: str) -> RawInput | None:
        """Return where a job has a file from that is brought in; None if a job makes it."""
        return self.raw_inputs(job).get(lfn)

    def raw_inputs(self, job: int) -> dict[str, RawInput]:
        """Return where the files come from that are brought in for jobs at the place of a job, by lfn; passes add to it."""
        placement = self.placements[job]
        place = placement.site, placement.staging
        if (found := self.raw.get(place)) is None:
            found = self.raw[place] = {}
        return found

    def job_name(self, job: int, prefix: str) -> str:
        """Return the id that a job which runs tasks has in the plan."""
        if merged := self.merged.get(job):
            return merged.name
        return compute_name(self.tasks[self._cluster(job)[0]], prefix)

    def name_of(self, job: int) -> str:
        """Return the name of a job for messages: the ids of its tasks, or the id of an auxiliary job."""
        found = self.jobs[job]
        if isinstance(found, PlannedJob):
            return found.id
        return "+".join([self.tasks[task].id for task in found or ()])

    def title_of(self, job: int) -> str:
        """Return the name of a job for messages, quoted, with the user's label."""
        found = self.jobs[job]
        tasks = () if isinstance(found, PlannedJob) else found or ()
        labels = [label for task in tasks if (label := self.tasks[task].node_label)]
        return titled(repr(self.name_of(job)), joined_labels(labels) if labels else "")

    # --- changing ---

    def set_graph(self, parents: list[list[int]], levels: list[int]) -> None:
        """Fill in the user's graph, while every job still runs one task."""
        self._parents, self._levels, self.task_levels = parents, levels, levels

    def record_uses(self, site: str, lfns: Iterable[str], job: int) -> None:
        """Record that a job makes, reads or moves files in the scratch of a site."""
        users_of = self.scratch.setdefault(site, {})
        for lfn in lfns:
            if (users := users_of.get(lfn)) is None:
                users_of[lfn] = [job]
            else:
                users.append(job)

    def add(self, job: PlannedJob, parents: Sequence[int], by: str, why: str, explained: str = "") -> int:
        """Add an auxiliary job and why it is there, and return its number.

        Args:
            by: name of the pass.
            why: for the plan, and for the reasons unless `explained` is given.
        """
        job.why = f"{by}: {why}"
        self.jobs.append(job)
        self.parents.append(list(parents))
        self.reasons.append(Reason(job.id, by, "added", explained or why))
        return len(self.jobs) - 1

    def remove(self, job: int, by: str, why: str) -> None:
        """Remove a job that is not needed; its children wait for its parents instead.

        The replica catalog must have those of its outputs that other jobs read; `reused` may
        name its results. For passes after `find_dependencies` and before
        those that add auxiliary jobs.
        """
        self._check_can_change([job])
        self.reasons.append(Reason(self.name_of(job), by, "removed", why))
        for use in self.outputs(job):
            if self.producer.get(use.lfn) == job:
                del self.producer[use.lfn]
        self._take_out(job, _REMOVED)

    def merge(self, jobs: Sequence[int], by: str, why: str, name: str, remedy: str = "") -> int:
        """Make one job of several, called `name`, and return its number, which is the lowest of theirs.

        It runs all their tasks one after the other, in the order of the user's graph,
        reads and makes what they read and make together, waits for all their parents,
        and is placed as `merge_placements` says. For passes after `select_sites` and
        before those that add auxiliary jobs.

        Jobs of which one waits for another through a third must not be merged: it is
        found as a cycle when parents or levels are next read, and `remedy` says what
        to do then.

        Raises:
            ValueError: they are not at one place, or are no jobs that run tasks (a bug of the pass).
        """
        members = sorted(set(jobs))
        self._check_can_change(members)
        into = members[0]
        if len(members) == 1:
            return into
        if not self.merged:
            self.task_parents = list(self.parents)
        programs: dict[int, Program] = {}
        for job in members:
            programs.update(zip(self._cluster(job), self.placements[job].programs, strict=True))
        tasks = tuple(sorted(programs, key=lambda task: (self.task_levels[task], task)))
        placement = self._merged_placement(members, [programs[task] for task in tasks])
        first = f", in one job with {self.name_of(into)}"
        for job in members:
            self.reasons.append(
                Reason(self.name_of(job), by, "merged", why if job == into else f"{why}{first}")
            )
        self._reads[into], self._makes[into] = files_of_job(map(self._files_of_task, tasks))
        merged = set(members)
        for use in self._makes[into]:
            if self.producer.get(use.lfn) in merged:
                self.producer[use.lfn] = into
        self._parents[into] = [parent for job in members for parent in self._parents[job]]
        for job in members[1:]:
            self._take_out(job, into)
        self.jobs[into], self.placements[into] = tasks, placement
        self.merged[into] = Merged(name, f"{by}: {why}", remedy)
        return into

    def _merged_placement(self, members: Sequence[int], programs: Sequence[Program]) -> Placement:
        """Return the placement of a job that runs the tasks of several; clusters that are alike share it."""
        placements = [self.placements[job] for job in members]
        key = tuple(map(id, (*placements, *programs)))
        if (found := self._merged_placements.get(key)) is None:
            found = self._merged_placements[key] = merge_placements(placements, programs), placements
        return found[0]

    def _files_of_task(self, task: int) -> tuple[Sequence[Use], Sequence[Use]]:
        """Return what a task reads and makes."""
        if self.jobs[task] == (task,):  # as long as a job runs it alone, they are that job's
            return self._reads[task], self._makes[task]
        return inputs_of(self.tasks[task]), outputs_of(self.tasks[task])

    def _cluster(self, job: int) -> Cluster:
        tasks = self.jobs[job]
        assert isinstance(tasks, tuple)
        return tasks

    def _check_can_change(self, jobs: Sequence[int]) -> None:
        if len(self.jobs) > len(self.tasks):
            raise ValueError("jobs can be removed and merged only before auxiliary jobs are added")
        for job in jobs:
            if self.jobs[job] is None:
                raise ValueError(f"job {job} was removed before, or merged into another")

    def _take_out(self, job: int, into: int) -> None:
        self.jobs[job], self._replacements[job] = None, into
        self._reads[job] = self._makes[job] = ()
        self._stale = True

    def _update_graph(self) -> None:
        """Replace removed and merged jobs in all lists of parents, and compute the levels anew.

        Put off until they are read, so that merging many jobs walks the graph once.
        """
        if not self._stale:
            return
        self._stale = False
        known: dict[int, set[int]] = {}
        parents: list[list[int]] = [[] for _ in self._parents]
        for job, before in enumerate(self._parents):
            if before and self.jobs[job] is not None:
                current = {self._current(parent) for parent in before}
                gone = [parent for parent in current if self.jobs[parent] is None]
                for parent in gone:
                    current |= known.get(parent) or self._heirs(parent, known)
                parents[job] = sorted(current.difference(gone, [job]))
        self._parents = parents
        levels = levels_of(self._parents)
        if levels is None:
            raise PlanningError(self._cycle_of_merged(find_cycle(self._parents)))
        self._levels = levels

    def _cycle_of_merged(self, cycle: Sequence[int]) -> Problem:
        """Return the problem that merged jobs wait for each other: each of `cycle` for the one before it."""
        message = "jobs were merged that wait for each other: " + " → ".join(
            repr(self.name_of(job)) for job in [*cycle, cycle[0]]
        )
        remedy = ""
        for before, job, after in zip([cycle[-1], *cycle], cycle, [*cycle[1:], cycle[0]], strict=False):
            if job in self.merged and self.merged[job].remedy:
                remedy = remedy or self.merged[job].remedy
                for task, earlier in product(self._links(before, job, 1), self._links(job, after, 0)):
                    if task != earlier:
                        one, other = self.tasks[task].id, self.tasks[earlier].id
                        message += (
                            f"; task {one!r} waits, through other jobs, for task {other!r} of the same job"
                        )
                        return Problem(message, self.merged[job].remedy, kind="cycle")
        return Problem(message, remedy, kind="cycle")

    def _links(self, parent: int, job: int, end: int) -> list[int]:
        """Return the tasks of a job that wait for tasks of another (`end` is 1), or those they wait for (0)."""
        return [
            (before, task)[end]
            for task in self._cluster(job)
            for before in self.task_parents[task]
            if self._current(before) == parent
        ]

    def _current(self, job: int) -> int:
        """Return the job that another was merged into, which may have been removed since."""
        while (into := self._replacements.get(job, _REMOVED)) != _REMOVED:
            job = into
        return job

    def _heirs(self, removed: int, known: dict[int, set[int]]) -> set[int]:
        """Return the jobs that a child of a removed job waits for instead; `known` are those of others."""
        stack, visited = [removed], set()
        while stack:
            job = stack[-1]
            parents = [self._current(parent) for parent in self._parents[job]]
            gone = [parent for parent in parents if self.jobs[parent] is None]
            unknown = [parent for parent in gone if parent not in known and parent not in visited]
            visited.update(unknown)
            stack += unknown
            if not unknown:
                known[job] = {parent for parent in parents if self.jobs[parent] is not None}
                known[job].update(*(known.get(parent, ()) for parent in gone))
                stack.pop()
        return known[removed]
