"""What holds for every combination of data configurations, staging sites, refiners, bypass, links and directories."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.planned_workflow import Bench, MadePlan, task
from markab.plan.model import Kind, PlannedJob
from markab.transfers.tree_names import directory_name, is_tree, stored_name

SITES = ("one", "two")


@dataclass
class Combination:
    """One way to move the files of a workflow."""

    reads: list[set[int]]
    """By task: the earlier tasks whose outputs it reads."""
    sites: list[str]
    """By task: where it runs."""
    trees: list[bool]
    """By task: its output is a directory."""
    data: dict[str, str]
    staging: dict[str, str]
    properties: dict[str, str]

    def name(self, number: int) -> str:
        """Return the declared name of the output of a task."""
        return f"f{number}/" if self.trees[number] else f"f{number}"


@st.composite
def combinations(draw: st.DrawFn) -> Combination:
    n = draw(st.integers(1, 12))
    data = {site: draw(st.sampled_from(["condorio", "nonsharedfs", "sharedfs"])) for site in SITES}
    staging = {
        site: draw(st.sampled_from([*SITES, "local"])) for site in SITES if data[site] == "nonsharedfs"
    }
    flag = st.sampled_from(["true", "false"])
    return Combination(
        [draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set() for i in range(n)],
        [draw(st.sampled_from(SITES)) for _ in range(n)],
        [draw(st.booleans()) for _ in range(n)],
        data,
        staging,
        {
            "pegasus.transfer.refiner": draw(st.sampled_from(["BalancedCluster", "Cluster", "Basic"])),
            "pegasus.dir.create.strategy": draw(st.sampled_from(["Minimal", "HourGlass", "Tentacles"])),
            "pegasus.dir.storage.mapper": draw(st.sampled_from(["Flat", "Hashed"])),
            "pegasus.transfer.bypass.input.staging": draw(flag),
            "pegasus.transfer.links": draw(flag),
        },
    )


def made_plan(path: Path, it: Combination) -> MadePlan:
    bench = Bench(path)
    bench.has("raw0", "raw1")
    bench.replicas[1]["pfns"][0]["site"] = "one"
    for site in SITES:
        server = {"url": f"file://{path}/{site}", "operation": "all"}
        scratch = {"type": "sharedScratch", "path": f"{path}/{site}", "fileServers": [server]}
        profiles = {"pegasus": {"data.configuration": it.data[site]}}
        bench.sites.append({"name": site, "directories": [scratch], "profiles": profiles})
        tool = {"name": site, "type": "stageable", "pfn": str(path / "bin" / "tool")}
        bench.transformations[0]["sites"].append(tool)
    tasks = []
    for i, parents in enumerate(it.reads):
        reads = [it.name(parent) for parent in sorted(parents)] + [f"raw{i % 2}"]
        chosen: dict[str, Any] = {"selector": {"execution.site": it.sites[i]}}
        tasks.append(task(f"t{i}", " ".join(reads), it.name(i), profiles=chosen))
    return bench.plan(
        *tasks,
        sites=list(SITES),
        staging_sites=it.staging,
        output_dir=Path("out"),
        properties=it.properties,
        relative_dir="run",
    )


def stands_in(made: MadePlan, url: str) -> str:
    """Return the site in whose scratch a place is; "" if it is in none."""
    for name, site in made.header.sites.items():
        if site.scratch is not None and url.startswith(site.scratch.path + "/"):
            return name
    return ""


def puts(made: MadePlan, job: PlannedJob) -> set[tuple[str, str]]:
    """Return (site, lfn) of what is in scratch directories once a job is done."""
    found = {(job.staging, output.lfn) for output in job.outputs}
    for transfer in job.transfers:
        found |= {(site, transfer.lfn) for end in transfer.destinations if (site := stands_in(made, end.url))}
    return found


def takes(made: MadePlan, job: PlannedJob) -> set[tuple[str, str]]:
    """Return (site, lfn) of what a job reads in scratch directories."""
    found = {(job.staging, file.lfn) for file in job.inputs if not file.sources}
    for transfer in job.transfers:
        found |= {(site, transfer.lfn) for end in transfer.sources if (site := stands_in(made, end.url))}
    return found


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(combinations())
def test_every_input_is_at_its_site_before_a_job_starts(it: Combination) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = made_plan(Path(name), it)

    before: list[set[int]] = []
    for job in made.jobs:
        before.append(set(job.parents).union(*(before[parent] for parent in job.parents)))
    maker = {file: position for position, job in enumerate(made.jobs) for file in puts(made, job)}
    created = {job.staging: at for at, job in enumerate(made.jobs) if job.kind is Kind.CREATE_DIR}
    for position, job in enumerate(made.jobs):
        for site, lfn in takes(made, job):
            assert maker[site, lfn] in before[position], f"{job.id} reads {lfn} before it is at {site}"
        for site, lfn in puts(made, job):
            assert created[site] in before[position], f"{job.id} writes {lfn} before {site} is made"
        gone = {(job.staging, lfn) for lfn in job.removes}
        for other, it_reads in enumerate(made.jobs):
            assert not takes(made, it_reads) & gone or other in before[position], "it is read later"
    expected = {stored_name(it.name(i)) for i in range(len(it.reads))}
    outs = [t for job in made.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers]
    assert sorted(expected) == sorted(transfer.lfn for transfer in outs), "each result is delivered once"
    for transfer in outs:
        assert [f"{name}/out/{directory_name(transfer.lfn)}"] == [p.url for p in transfer.destinations]
    for job in made.jobs:
        for file in job.inputs:
            assert not (file.sources and (is_tree(file.lfn) or job.data == "sharedfs"))
    assert not made.planned.warnings
