"""What holds for the plan of every workflow, on one site or several."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import networkx as nx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab.plan.model import Kind, PlannedJob
from markab.planner.draft import Context, Draft
from markab.planner.passes import PASSES, Pass

Shape = list[tuple[set[int], bool, bool]]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Draw tasks: which earlier tasks each reads from, whether it reads a raw file, whether its file is wanted."""
    n = draw(st.integers(1, 25))
    return [
        (
            draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set(),
            draw(st.booleans()),
            draw(st.booleans()),
        )
        for i in range(n)
    ]


def planned(
    directory: Path,
    shape: Shape,
    data: str,
    cleanup: str,
    deliver: bool,
    passes: Sequence[tuple[str, Pass]] = PASSES,
) -> MadePlan:
    bench = Bench(directory)
    bench.has("raw0", "raw1", "raw2", *(f"f{i}" for i in range(len(shape)) if passes is not PASSES))
    sites = ["one", "two"]
    for site in sites:
        scratch = directory / site
        bench.sites.append(
            {
                "name": site,
                "directories": [
                    {
                        "type": "sharedScratch",
                        "path": str(scratch),
                        "fileServers": [{"url": f"file://{scratch}", "operation": "all"}],
                    }
                ],
            }
        )
        bench.transformations[0]["sites"].append(
            {"name": site, "type": "stageable", "pfn": str(directory / "bin" / "tool")}
        )
    tasks: list[Entry] = []
    for i, (parents, reads_raw, wanted) in enumerate(shape):
        entry = task(
            f"t{i}", " ".join([*(f"f{p}" for p in sorted(parents)), *([f"raw{i % 3}"] if reads_raw else [])])
        )
        entry["uses"].append(
            {"lfn": f"f{i}", "type": "output", "stageOut": wanted, "registerReplica": wanted}
        )
        tasks.append(entry)
    return bench.plan(
        *reversed(tasks),
        sites=sites,
        cleanup=cleanup,
        output_sites=["local"] if deliver else [],
        properties={"pegasus.data.configuration": data},
        passes=passes,
        relative_dir="run",
    )


def touched(job: PlannedJob) -> set[tuple[str, str]]:
    """Return (scratch site, lfn) of every file that a job makes, reads or moves there."""
    files = {(job.staging, each.lfn) for each in (*job.inputs, *job.outputs)}
    for transfer in job.transfers:
        for place in (*transfer.sources, *transfer.destinations):
            for site in ("one", "two"):
                if f"/{site}/" in place.url and "/run/" in place.url:
                    files.add((site, transfer.lfn))
    return files


def makes(job: PlannedJob) -> set[tuple[str, str]]:
    """Return (scratch site, lfn) of every file that is there once a job is done."""
    if job.kind is Kind.COMPUTE:
        return {(job.staging, each.lfn) for each in job.outputs}
    if job.kind in (Kind.STAGE_IN, Kind.STAGE_INTER):
        return {(job.staging, transfer.lfn) for transfer in job.transfers}
    return set()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    shapes(),
    st.sampled_from(["condorio", "nonsharedfs", "sharedfs"]),
    st.sampled_from(["none", "leaf", "inplace", "constraint"]),
    st.booleans(),
)
def test_every_file_is_there_when_it_is_used_and_gone_only_after(
    shape: Shape, data: str, cleanup: str, deliver: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = planned(Path(name), shape, data, cleanup, deliver)

    check(made, {f"f{i}" for i, (_, _, is_wanted) in enumerate(shape) if is_wanted}, cleanup, deliver)


def check(made: MadePlan, wanted: set[str], cleanup: str, deliver: bool) -> None:
    """Check all that holds for every plan; `wanted` are the files to deliver."""
    before: list[set[int]] = []
    for position, job in enumerate(made.jobs):
        assert job.parents == sorted(set(job.parents)), "parents are ascending, each once"
        assert all(parent < position for parent in job.parents), "parents stand above their children"
        before.append(set(job.parents).union(*(before[parent] for parent in job.parents)))
    assert len(made.jobs) == len(set(made.names())), "no name is given twice"

    makers: dict[tuple[str, str], list[int]] = {}
    for position, job in enumerate(made.jobs):
        for file in makes(job):
            makers.setdefault(file, []).append(position)
    assert all(len(positions) == 1 for positions in makers.values()), "every copy is made once"

    created = {job.staging: position for position, job in enumerate(made.jobs) if job.kind is Kind.CREATE_DIR}
    for position, job in enumerate(made.jobs):
        for site, lfn in touched(job) - makes(job):
            assert makers[site, lfn][0] in before[position], f"{job.id} uses {lfn} before it is at {site}"
        for site, _ in touched(job):
            assert created[site] in before[position], f"{job.id} uses the scratch of {site} before it is made"

    removed: list[tuple[str, str]] = []
    for position, job in enumerate(made.jobs):
        gone = {(job.staging, lfn) for lfn in job.removes}
        removed += sorted(gone)
        for other_position, other in enumerate(made.jobs):
            if touched(other) & gone:
                assert other_position in before[position], f"{job.id} removes what {other.id} uses"
            if job.removes_scratch and other_position != position and not other.removes_scratch:
                assert other_position in before[position], f"{job.id} does not wait for {other.id}"
    delivered = [t.lfn for job in made.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers]
    registered = [each.lfn for job in made.jobs for each in job.registrations]
    assert sorted(wanted if deliver else set()) == sorted(delivered) == sorted(registered)
    if cleanup in ("inplace", "constraint"):
        kept = set() if deliver else wanted
        assert sorted(removed) == sorted((site, lfn) for site, lfn in makers if lfn not in kept)
    else:
        assert [] == removed
    if not deliver and wanted:
        assert not any(job.removes_scratch for job in made.jobs), (
            "results that stay in scratch are not removed"
        )


class RandomChanges:
    """Two passes that remove and merge what a generator of random numbers says, as long as that is allowed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.removed: set[str] = set()
        self.merged: list[set[str]] = []

    @property
    def passes(self) -> list[tuple[str, Pass]]:
        dependencies, _targets, _reuse, sites, _clusters, *rest = PASSES
        return [dependencies, ("removing", self.remove), sites, ("merging", self.merge), *rest]

    def remove(self, draft: Draft, _: Context) -> None:
        chance = random.Random(self.seed)
        for job, _tasks in list(draft.task_jobs()):
            if chance.random() < 0.3:
                self.removed.add(draft.name_of(job))
                draft.remove(job, "removing", "it is there already")

    def merge(self, draft: Draft, _: Context) -> None:
        chance = random.Random(self.seed)
        for _try in range(8):
            jobs = [job for job, _tasks in draft.task_jobs()]
            if len(jobs) < 2:
                return
            members = chance.sample(jobs, chance.randint(2, min(5, len(jobs))))
            places = {draft.placements[job].site for job in members}
            if len(places) == 1 and not is_cyclic(draft.parents, members):
                names = set().union(*(draft.name_of(job).split("+") for job in members))
                into = draft.merge(members, "merging", "they are small", f"merge_{min(members)}_{_try}")
                assert min(members) == into
                self.merged = [other for other in self.merged if not other & names] + [names]


def is_cyclic(parents: list[list[int]], members: list[int]) -> bool:
    """Say whether the graph has a cycle once these jobs are one."""
    graph = nx.DiGraph()
    one = {job: min(members) for job in members}
    for job, its in enumerate(parents):
        for parent in its:
            if one.get(parent, parent) != one.get(job, job):
                graph.add_edge(one.get(parent, parent), one.get(job, job))
    return not nx.is_directed_acyclic_graph(graph)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    shapes(),
    st.sampled_from(["condorio", "nonsharedfs", "sharedfs"]),
    st.sampled_from(["none", "leaf", "inplace", "constraint"]),
    st.booleans(),
    st.integers(0, 1 << 30),
)
def test_jobs_can_be_removed_and_merged_and_the_plan_still_holds(
    shape: Shape, data: str, cleanup: str, deliver: bool, seed: int
) -> None:
    plans = []
    for _ in range(2):
        changes = RandomChanges(seed)
        with tempfile.TemporaryDirectory() as name:
            made = planned(Path(name), shape, data, cleanup, deliver, changes.passes)
            text = (Path(name) / "run" / "plan.jsonl").read_text()
            plans.append(re.sub(r',"crc":"\w{8}"', "", text.replace(name, "")))
    assert plans[0] == plans[1], "same input, same plan"

    gone = {int(name[1:]) for name in changes.removed}
    wanted = {f"f{i}" for i, (_, _, is_wanted) in enumerate(shape) if is_wanted and i not in gone}
    check(made, wanted, cleanup, deliver)
    ran = [task.id for job in made.jobs for task in job.tasks]
    assert sorted(ran) == sorted(f"t{i}" for i in range(len(shape)) if i not in gone), "every task once"
    job_of = {task.id: position for position, job in enumerate(made.jobs) for task in job.tasks}
    for i, (reads, _, _) in enumerate(shape):
        for parent in reads - gone if i not in gone else ():
            ours, theirs = job_of[f"t{i}"], job_of[f"t{parent}"]
            assert theirs in made.jobs[ours].parents or ours == theirs, "a task waits for what it reads"
    for job in made.jobs:
        ids = [task.id for task in job.tasks]
        if len(ids) > 1:
            assert set(ids) in changes.merged
            check_cluster(job, [int(id[1:]) for id in ids], shape)
    reasons = {(each.job, each.by, each.what) for each in made.planned.reasons}
    assert {(name, "removing", "removed") for name in changes.removed} <= reasons


def check_cluster(job: PlannedJob, numbers: list[int], shape: Shape) -> None:
    """Check that a merged job runs its tasks in an order that works, and has the files of all of them."""
    done: set[int] = set()
    outside: set[str] = set()
    for number in numbers:
        reads, reads_raw, _ = shape[number]
        assert not reads & set(numbers) - done, "a task runs before one whose file it reads"
        outside |= {f"f{parent}" for parent in reads - done} | ({f"raw{number % 3}"} if reads_raw else set())
        done.add(number)
    assert outside == {each.lfn for each in job.inputs} - {"tool"}
    assert sorted(f"f{number}" for number in numbers) == sorted(each.lfn for each in job.outputs)
    assert len(job.inputs) == len({each.lfn for each in job.inputs})
    assert job.why == "merging: they are small"
