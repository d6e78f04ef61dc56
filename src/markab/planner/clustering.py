"""Clustering: several small tasks become one job, which runs them as its aggregator says (`job_aggregator.py`).

`--cluster` names techniques, which are applied in the order in which they are named, each to the jobs that the one
before made:

| technique | what becomes one job |
|---|---|
| horizontal | jobs of one transformation, at one place and level: `clusters.num` of them a level, or `clusters.size` tasks in each |
| label | jobs whose profile `pegasus.label` has the same value, at one place; the property `pegasus.clusterer.label.key` names another profile |
| whole | all jobs of the workflow at one place |

With the property `pegasus.clusterer.preference=runtime`, horizontal clusters are filled by the profile `runtime`:
`clusters.maxruntime` seconds in each at most, or the work of a level dealt evenly to `clusters.num` of them. A job to
which none of these keys applies stays as it is, and so do sub-workflows.

After the choice of sites, because a cluster runs at one place; before everything that moves files, which is for
clusters as for other jobs. Guarantees to these passes: no job is removed, each task is in one job, the graph has
no cycle, and the levels are those of the jobs.

Source: Pegasus 5, "Job Clustering". Which jobs come into one cluster and in which order they run is our own choice,
for Pegasus' follows from a hash table: by their place in the document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace

from markab.errors import Problem
from markab.planner.batch_requests import differing_texts
from markab.planner.cloud_keys import IMAGE_KEYS
from markab.planner.draft import Context, Draft
from markab.planner.job_aggregator import Aggregators
from markab.planner.job_names import cluster_name, compute_name
from markab.spec import units
from markab.spec.profiles import canonical

LABEL_KEY = "pegasus.clusterer.label.key"
PREFERENCE = "pegasus.clusterer.preference"

_RUNNER = "pegasus-seqexec"
"""What Pegasus names as the transformation of a cluster."""


@dataclass(frozen=True, slots=True)
class Members:
    """Jobs that become one."""

    name: str
    """What follows `merge_` in the name of the job."""
    jobs: Sequence[int]
    why: str
    remedy: str = ""
    """What to do if they depend on each other through other jobs."""


Technique = Callable[[Draft, Context], Iterable[Members]]


def cluster_jobs(draft: Draft, context: Context) -> None:
    """Merge jobs as `--cluster` asks."""
    if not context.options.cluster:
        return
    _warn_of_labelled_sub_workflows(draft, context)
    aggregators = Aggregators(context)
    names = {compute_name(task, context.prefix) for task in draft.tasks}
    for technique in context.options.cluster:
        if (find := TECHNIQUES.get(technique.lower())) is None:
            continue  # the check of the options has noted it
        for group in list(find(draft, context)):
            if len(group.jobs) > 1:
                name = cluster_name(group.name, context.prefix, names)
                names.add(name)
                _warn_of_differing_requests(draft, group, context)
                cluster = draft.merge(group.jobs, "cluster_jobs", group.why, name, group.remedy)
                draft.placements[cluster] = aggregators.aggregated(draft.placements[cluster])


# -- the techniques ---------------------------------------------------------------------------------


def _horizontal(draft: Draft, context: Context) -> Iterator[Members]:
    by_runtime = context.properties.get(PREFERENCE, "").strip().lower() == "runtime"
    alike: dict[tuple[int, str, tuple[str, str, str]], list[int]] = defaultdict(list)
    for job in _computing(draft):
        alike[draft.levels[job], _transformation(draft, job), _place(draft, job)].append(job)
    numbers: dict[tuple[int, str], int] = defaultdict(int)
    for (level, name, _), jobs in alike.items():
        clusters = _Bounds.of(draft, jobs[0], context).divide(draft, jobs, by_runtime=by_runtime)
        for members in clusters:
            if len(members) > 1:
                numbers[level, name] += 1
                yield Members(
                    f"{name}_PID{level + 1}_ID{numbers[level, name]}",
                    members,
                    f"one of {len(clusters)} clusters of {name!r} at level {level}",
                )


def _by_label(draft: Draft, context: Context) -> Iterator[Members]:
    key = label_key(context)
    labelled: dict[str, dict[tuple[str, str, str], list[int]]] = defaultdict(lambda: defaultdict(list))
    for job in _computing(draft):
        if label := _profile(draft, job, key):
            labelled[label][_place(draft, job)].append(job)
    for label, places in labelled.items():
        remedy = f"change or remove the profile pegasus.{key}, which is {label!r}, of one of these tasks"
        for jobs in places.values():
            yield Members(label, jobs, f"label {label!r}", remedy)


def _whole(draft: Draft, _: Context) -> Iterator[Members]:
    places: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for job in _computing(draft):
        places[_place(draft, job)].append(job)
    sites = [site for site, _, _ in places]
    remedy = "use --cluster label instead of whole"
    if len(set(sites)) > 1:
        remedy = f"run at one site (--sites {sites[0]}), or {remedy}"
    for jobs in places.values():
        yield Members("whole-wf", jobs, "the whole workflow", remedy)


TECHNIQUES: dict[str, Technique] = {"horizontal": _horizontal, "label": _by_label, "whole": _whole}
"""The choices of `--cluster`."""


# -- how many jobs one cluster has ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How the jobs of one level are divided. 0: not given."""

    number: int = 0
    size: int = 0
    runtime_s: float = 0

    @classmethod
    def of(cls, draft: Draft, job: int, context: Context) -> _Bounds:
        """Read them from the profiles of one job; wrong values are noted as problems."""

        def read(key: str, parse: Callable[[str], float], wanted: str) -> float:
            text = _profile(draft, job, key)
            try:
                value = parse(text) if text.strip() else 0
                if value < 0 or (text.strip() and not value):
                    raise ValueError(text)
            except ValueError:
                message = (
                    f"profile pegasus.{key} of job {draft.name_of(job)!r} is {text!r}; it must be {wanted}"
                )
                context.problems.append(
                    Problem(message, f"change or remove pegasus.{key}", kind="bad-profile")
                )
                return 0
            return value

        return cls(
            int(read("clusters.num", units.whole, "a whole number from 1")),
            int(read("clusters.size", units.whole, "a whole number from 1")),
            read("clusters.maxruntime", units.seconds, "a number of seconds above 0"),
        )

    def divide(self, draft: Draft, jobs: Sequence[int], *, by_runtime: bool) -> list[list[int]]:
        """Return which of the jobs of one level go together; nothing if they stay alone."""
        if by_runtime:
            runtimes = {job: draft.placements[job].resources.runtime_s for job in jobs}
            if self.runtime_s:
                return packed(runtimes, self.runtime_s)
            return dealt(runtimes, self.number) if self.number else []
        size = -(-len(jobs) // self.number) if self.number else self.size
        return [list(jobs[at : at + size]) for at in range(0, len(jobs), size)] if size else []


def packed(runtimes: dict[int, float], most_s: float) -> list[list[int]]:
    """Return clusters that take at most `most_s` each, as few as first-fit decreasing finds.

    A job that takes longer, or whose run time is not known (0), is a cluster by itself.
    Source: D. S. Johnson, Near-optimal bin packing algorithms, 1973.
    """
    alone = [[job] for job, runtime in runtimes.items() if not 0 < runtime <= most_s]
    bins: list[list[int]] = []
    free: list[float] = []
    for job in _longest_first({job: time for job, time in runtimes.items() if 0 < time <= most_s}):
        at = next((at for at, room in enumerate(free) if runtimes[job] <= room), len(bins))
        if at == len(bins):
            bins.append([])
            free.append(most_s)
        bins[at].append(job)
        free[at] -= runtimes[job]
    return bins + alone


def dealt(runtimes: dict[int, float], number: int) -> list[list[int]]:
    """Return `number` clusters that take about the same time: the longest job goes to the one with the least so far.

    Of clusters with the same time, the one that has waited longest gets the job.
    Source: R. L. Graham, Bounds on multiprocessing timing anomalies, 1969.
    """
    clusters: list[list[int]] = [[] for _ in range(number)]
    loads = [(0.0, 0, at) for at in range(number)]
    heapify(loads)
    for turn, job in enumerate(_longest_first(runtimes), 1):
        load_s, _, at = loads[0]
        clusters[at].append(job)
        heapreplace(loads, (load_s + runtimes[job], turn, at))
    return [jobs for jobs in clusters if jobs]


def _longest_first(runtimes: dict[int, float]) -> list[int]:
    return sorted(runtimes, key=lambda job: (-runtimes[job], job))


def label_key(context: Context) -> str:
    """Return which profile of the namespace `pegasus` holds labels."""
    return context.properties.get(LABEL_KEY, "").strip() or "label"


# -- facts of a job ---------------------------------------------------------------------------------


def _computing(draft: Draft) -> Iterator[int]:
    """Yield the jobs that can be in a cluster."""
    for job, tasks in draft.task_jobs():
        if draft.tasks[tasks[0]].type == "job":
            yield job


def _place(draft: Draft, job: int) -> tuple[str, str, str]:
    placement = draft.placements[job]
    return placement.site, placement.staging, placement.data


def _transformation(draft: Draft, job: int) -> str:
    programs = draft.placements[job].programs
    return programs[0].executable.transformation.full_name if len(programs) == 1 else _RUNNER


def _profile(draft: Draft, job: int, key: str) -> str:
    """Return a profile of a job; of a cluster, that of the last of its tasks which has one."""
    given = (program.profiles.get("pegasus", {}).get(key) for program in draft.placements[job].programs)
    return ([value for value in given if value] or [""])[-1]


def _warn_of_differing_requests(draft: Draft, group: Members, context: Context) -> None:
    """Say which requests to the batch system cannot all be met, because one job can have only one of them."""
    requests = {id(one): one for job in group.jobs if (one := draft.placements[job].batch) is not None}
    keys = differing_texts(requests.values()) if len(requests) > 1 else []
    if images := [key for key in keys if key.partition(".")[2] in IMAGE_KEYS]:
        context.problem(
            "cluster",
            f"the tasks of a cluster ({group.why}) differ in {', '.join(images)}, and a job runs in one container",
            "leave them out of one cluster, or give them the same",
        )
    elif keys:
        context.warn(
            "cluster",
            f"the tasks of a cluster ({group.why}) differ in {', '.join(keys)}: the first that is given counts",
            "give them the same, or leave them out of one cluster",
        )


def _warn_of_labelled_sub_workflows(draft: Draft, context: Context) -> None:
    if "label" not in map(str.lower, context.options.cluster):
        return
    key = label_key(context)
    for task in draft.tasks:
        if task.type != "job" and (label := canonical(task.profiles).get("pegasus", {}).get(key)):
            context.warn(
                "cluster",
                f"sub-workflow {task.id!r} has the label {label!r}, and is in no cluster: only tasks are",
                "remove its label, or ignore this",
            )
