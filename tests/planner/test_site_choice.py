"""Which of several sites runs a job, under each policy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.planned_workflow import Bench, Entry, task
from markab.errors import DocumentError, PlanningError
from markab.plan.model import Kind
from markab.planner.graph import levels_of
from markab.planner.site_choice import POLICIES, TRANSFER_S, SiteChoice, earliest_finish, round_robin


def choice_of(parents: list[list[int]], sites: dict[int, list[str]], **more: Any) -> SiteChoice:
    levels = levels_of(parents)
    assert levels is not None
    return SiteChoice(sites, parents, levels, str, Random("w"), **more)


@st.composite
def choices(draw: st.DrawFn) -> SiteChoice:
    number = draw(st.integers(1, 12))
    parents = [
        sorted(draw(st.sets(st.integers(0, job - 1), max_size=3))) if job else [] for job in range(number)
    ]
    some = st.lists(st.sampled_from("abc"), min_size=1, unique=True)
    times = {job: draw(st.floats(0, 9)) for job in range(number)}
    return choice_of(parents, {job: draw(some) for job in range(number)}, runtimes_s=times)


@given(choices(), st.sampled_from(sorted(POLICIES)))
def test_each_job_goes_to_a_site_that_can_run_it_and_to_the_same_each_time(
    choice: SiteChoice, policy: str
) -> None:
    found = [dict(POLICIES[policy](choice))]
    choice.random.seed("w")
    found.append(dict(POLICIES[policy](choice)))

    choice.random.seed("w")
    assert found[1] == dict(POLICIES[policy](choice)) and found[0].keys() == choice.sites.keys()
    assert all(site in choice.sites[job] for job, site in found[1].items())


@given(st.integers(1, 30), st.integers(2, 4))
def test_round_robin_gives_each_site_as_many_jobs_of_a_level(number: int, sites: int) -> None:
    names = [f"s{site}" for site in range(sites)]
    parents: list[list[int]] = [[] for _ in range(number)] + [[0] for _ in range(number)]

    found = dict(round_robin(choice_of(parents, dict.fromkeys(range(2 * number), names))))

    for level in (range(number), range(number, 2 * number)):
        counts = Counter(found[job] for job in level)
        assert max(counts.values()) - min(counts[name] for name in names) <= 1


def test_round_robin_goes_on_from_level_to_level() -> None:
    chain = choice_of([[], [0], [1], [2]], {job: ["a", "b"] for job in range(4)})

    assert ["a", "b", "a", "b"] == list(dict(round_robin(chain)).values())


def test_round_robin_counts_jobs_that_have_no_choice() -> None:
    sites = {0: ["a", "b"], 1: ["a", "b"], 2: ["a"], 3: ["a"]}

    assert dict(round_robin(choice_of([[]] * 4, sites))) == {0: "b", 1: "b", 2: "a", 3: "a"}


def test_heft_keeps_a_chain_at_one_site_and_spreads_what_is_independent() -> None:
    both = ["a", "b"]
    chain = choice_of([[], [0], [1]], dict.fromkeys(range(3), both), processors={"a": 1, "b": 1})
    assert set(dict(earliest_finish(chain)).values()) == {"a"}

    wide = choice_of([[]] * 4, dict.fromkeys(range(4), both), processors={"a": 1, "b": 1})
    assert Counter(dict(earliest_finish(wide)).values()) == {"a": 2, "b": 2}


@pytest.mark.parametrize(("runtime", "sites"), [(TRANSFER_S / 2, {"a"}), (TRANSFER_S * 2, {"a", "b"})])
def test_heft_moves_a_job_only_if_that_is_sooner_than_to_wait(runtime: float, sites: set[str]) -> None:
    """Two children of one parent: the second waits for the first, or pays for the move of its input."""
    choice = choice_of(
        [[], [0], [0]],
        {0: ["a"], 1: ["a", "b"], 2: ["a", "b"]},
        runtimes_s={0: 1, 1: runtime, 2: runtime},
        processors={"a": 1, "b": 1},
    )
    assert set(dict(earliest_finish(choice)).values()) == sites


def test_heft_places_the_longest_way_to_the_end_first() -> None:
    choice = choice_of(
        [[], [], [1]],
        {0: ["a"], 1: ["a", "b"], 2: ["a", "b"]},
        runtimes_s={0: 2, 1: 1, 2: 5},
        processors={"a": 1, "b": 1},
    )
    assert dict(earliest_finish(choice)) == {0: "a", 1: "a", 2: "a"}


# -- from documents to a plan -----------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Two sites that share this machine; `only` is installed at b."""
    bench = Bench(tmp_path)
    bench.has("in")
    path = bench.transformations[0]["sites"][0]["pfn"]
    bench.transformations[0]["sites"] = [{"name": s, "type": "installed", "pfn": path} for s in ("a", "b")]
    bench.transformations.append({"name": "only", "sites": [{"name": "b", "type": "installed", "pfn": path}]})
    for site in ("a", "b"):
        place = f"{tmp_path}/{site}"
        servers = [{"operation": "all", "url": f"file://{place}"}]
        directory = {"type": "sharedScratch", "path": place, "fileServers": servers}
        bench.sites.append({"name": site, "directories": [directory]})
    return bench


def placed(bench: Bench, *tasks: Entry, policy: str) -> dict[str, str]:
    properties = {"pegasus.selector.site": policy, "pegasus.data.configuration": "sharedfs"}
    planned = bench.plan(*tasks, sites=["a", "b"], properties=properties)
    assert [w.message for w in planned.planned.warnings if policy in w.message] == []
    return {job.tasks[0].id: job.site for job in planned.jobs if job.kind is Kind.COMPUTE}


def test_a_workflow_is_dealt_to_sites_in_turn(bench: Bench) -> None:
    tasks = [task(f"t{n}", "in", f"f{n}") for n in range(4)]

    assert placed(bench, *tasks, policy="roundrobin") == {"t0": "a", "t1": "b", "t2": "a", "t3": "b"}


def in_group(group: str) -> Entry:
    return {"profiles": {"pegasus": {"group": group}}}


def test_a_group_runs_at_one_site_that_can_run_all_of_it(bench: Bench) -> None:
    tasks = [
        *[task(f"x{n}", "in", f"x{n}", **in_group("x")) for n in range(6)],
        task("y0", "in", "y0", **in_group("y")),
        task("y1", "in", "y1", "only", **in_group("y")),
    ]
    found = placed(bench, *tasks, policy="Group")

    assert len({found[f"x{n}"] for n in range(6)}) == 1 and found["y0"] == found["y1"] == "b"


def test_a_group_that_no_site_can_run_is_named(bench: Bench) -> None:
    at_a = {"profiles": {"pegasus": {"group": "g"}, "selector": {"execution.site": "a"}}}
    tasks = [task("t0", "in", "f0", **at_a), task("t1", "in", "f1", "only", **in_group("g"))]

    with pytest.raises(PlanningError, match="no site can run all jobs of group 'g': t0, t1"):
        placed(bench, *tasks, policy="Group")


def test_files_of_a_workflow_that_heft_divides_are_moved_between_the_sites(bench: Bench) -> None:
    bench.sites[0]["profiles"] = bench.sites[1]["profiles"] = {"pegasus": {"slots.cores": "1"}}
    long = {"profiles": {"pegasus": {"runtime": "100"}}}
    tasks = [
        task("t0", "in", "f0", **long),
        task("t1", "in", "f1", **long),
        task("t2", "f0 f1", "f2", **long),
    ]

    assert placed(bench, *tasks, policy="HEFT") == {"t0": "a", "t1": "b", "t2": "a"}


def test_an_unknown_policy_is_an_error(bench: Bench) -> None:
    with pytest.raises(
        DocumentError, match="it must be one of Random, RoundRobin, Group, Heft, NonJavaCallout"
    ):
        placed(bench, task("t", "in", "f"), policy="Rondom")
