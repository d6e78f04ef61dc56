"""The graph of a run with the jobs of its sub-workflows, and theirs.

They stand below the job that the sub-workflow is, and above what follows that. Jobs have the names of the jobs on the
way to them before theirs, and so do files, except those that go up or down.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from markab.journal.run_reader import RunReader
from markab.plan.child_directory import child_runs
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.reports.graph.drawing import JobGraph
from markab.reports.graph.sources import ReadMade, files_of_job, plan_graph
from markab.reports.graph.state_styles import shown_states

PLANS_OPEN = 16
"""Of a tree of thousands of runs, not all can be open at once."""


def tree_graph(submit_dir: str | Path) -> JobGraph:
    """Return the graph of a tree, with the states of its jobs if it has been started.

    Raises:
        NotARun, NewerFormat, CorruptPlan, CorruptJournal: a run cannot be read.
    """
    tree = _Tree()
    graph = tree.add(Path(submit_dir))
    graph.files = tree.files
    return graph


class _Run(NamedTuple):
    plan: Path
    prefix: str
    """What stands before its names."""
    above: int
    """The number of the run of which it is a job; -1: it is the root."""
    shared: Collection[str]
    """Its files that are those of that run."""


class _Tree:
    """The runs that were added, one after the other."""

    def __init__(self) -> None:
        self._begins: list[int] = []
        """Of each run the number of its first job."""
        self._runs: list[_Run] = []
        self._plans = lru_cache(PLANS_OPEN)(PlanFile)
        self._graph: JobGraph | None = None

    def add(
        self, submit_dir: Path, prefix: str = "", above: int = -1, shared: Collection[str] = ()
    ) -> JobGraph:
        """Add a run with those below it; return the graph so far."""
        with closing(RunReader(submit_dir)) as run:
            run.read()
            one = plan_graph(run.plan, shown_states(run))
            has_begun = bool(run.history.runs)
            children = list(child_runs(run.place.path, run.plan))
            ends = {child.position: run.plan.job(child.position) for child in children}
        if self._graph is None:
            self._graph = graph = one
            begin = 0
            if not has_begun:
                graph.states = None
        else:
            graph = self._graph
            begin = len(graph)
            self._join(graph, one, prefix)
        self._begins.append(begin)
        number = len(self._runs)
        self._runs.append(_Run(SubmitDir(submit_dir).plan, prefix, above, shared))
        followers = _followers(one.parents, ends)
        for child in children:
            job = ends[child.position]
            first = len(graph)
            self.add(
                child.path,
                f"{prefix}{child.job}/",
                number,
                {*(file.lfn for file in job.inputs), *(file.lfn for file in job.outputs)},
            )
            inside = range(first, len(graph))
            has_follower = {parent for place in inside for parent in graph.parents[place]}
            last = [place for place in inside if place not in has_follower]
            for place in inside:
                graph.parents[place] = graph.parents[place] or [begin + child.position]
            for follower in followers[child.position]:
                graph.parents[begin + follower] = [*graph.parents[begin + follower], *last]
        return graph

    def files(self, job: int) -> ReadMade:
        """Return what a job of the tree reads and makes."""
        number = bisect_right(self._begins, job) - 1
        reads, makes = files_of_job(self._plans(self._runs[number].plan).job(job - self._begins[number]))
        return [self._named(number, lfn) for lfn in reads], [self._named(number, lfn) for lfn in makes]

    def _named(self, number: int, lfn: str) -> str:
        """Return a file as the highest run names it that has it."""
        run = self._runs[number]
        while lfn in run.shared:
            run = self._runs[run.above]
        return run.prefix + lfn

    @staticmethod
    def _join(graph: JobGraph, inner: JobGraph, prefix: str) -> None:
        begin = len(graph)
        graph.ids += [f"{prefix}{id}" for id in inner.ids]
        graph.labels += inner.labels
        graph.xforms += inner.xforms
        graph.kinds += inner.kinds
        graph.sites += inner.sites
        graph.parents += [[begin + parent for parent in its] for its in inner.parents]
        if graph.states is not None:
            graph.states += inner.states or ()


def _followers(parents: Iterable[Iterable[int]], jobs: Collection[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {job: [] for job in jobs}
    for job, its in enumerate(parents):
        for parent in its:
            if parent in found:
                found[parent].append(job)
    return found
