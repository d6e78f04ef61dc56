"""What holds for the plan of every workflow, on one site or several."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from markab.plan.model import Kind, PlannedJob
from planner.kit import Bench, Entry, MadePlan, task

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


def planned(directory: Path, shape: Shape, data: str, cleanup: str, deliver: bool) -> MadePlan:
    bench = Bench(directory)
    bench.has("raw0", "raw1", "raw2")
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
    )


def touched(job: PlannedJob) -> set[tuple[str, str]]:
    """Return (scratch site, lfn) of every file that a job makes, reads or moves there."""
    files = {(job.staging, each.lfn) for each in (*job.inputs, *job.outputs)}
    for transfer in job.transfers:
        for place in (*transfer.sources, *transfer.destinations):
            for site in ("one", "two"):
                if f"/{site}/" in place.url and "/pegasus/" in place.url:
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
    st.sampled_from(["none", "leaf", "inplace"]),
    st.booleans(),
)
def test_every_file_is_there_when_it_is_used_and_gone_only_after(
    shape: Shape, data: str, cleanup: str, deliver: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = planned(Path(name), shape, data, cleanup, deliver)

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
    wanted = {f"f{i}" for i, (_, _, is_wanted) in enumerate(shape) if is_wanted}
    delivered = [t.lfn for job in made.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers]
    registered = [each.lfn for job in made.jobs for each in job.registrations]
    assert sorted(wanted if deliver else set()) == sorted(delivered) == sorted(registered)
    if cleanup == "inplace":
        kept = set() if deliver else wanted
        assert sorted(removed) == sorted((site, lfn) for site, lfn in makers if lfn not in kept)
    else:
        assert [] == removed
    if not deliver and wanted:
        assert not any(job.removes_scratch for job in made.jobs), (
            "results that stay in scratch are not removed"
        )
