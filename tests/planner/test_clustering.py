"""Which tasks become one job, and what that job is."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab.errors import PlanningError
from markab.plan.model import Kind
from markab.planner.clustering import dealt, packed


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.has("in")
    return bench


def pegasus(**keys: Any) -> Entry:
    return {"profiles": {"pegasus": {key.replace("_", "."): str(value) for key, value in keys.items()}}}


def fan(number: int, **keys: Any) -> list[Entry]:
    """One task that makes a file for each of several others, whose files one task reads."""
    middle = [task(f"w{n}", f"x{n}", f"y{n}", **keys) for n in range(number)]
    return [
        task("first", "in", " ".join(f"x{n}" for n in range(number))),
        *middle,
        task("last", " ".join(f"y{n}" for n in range(number)), "z"),
    ]


def clusters(planned: MadePlan) -> dict[str, list[str]]:
    return {job.id: [each.id for each in job.tasks] for job in planned.jobs if len(job.tasks) > 1}


# -- horizontal -------------------------------------------------------------------------------------


def test_tasks_of_one_level_are_divided_among_so_many_clusters(bench: Bench) -> None:
    planned = bench.plan(*fan(8), cluster=["horizontal"], properties={"pegasus.clusters.num": "3"})

    assert clusters(planned) == {
        "merge_tool_PID2_ID1": ["w0", "w1", "w2"],
        "merge_tool_PID2_ID2": ["w3", "w4", "w5"],
        "merge_tool_PID2_ID3": ["w6", "w7"],
    }
    assert planned.parents("merge_tool_PID2_ID1") == {"tool_first"}
    assert {"merge_tool_PID2_ID1", "merge_tool_PID2_ID2", "merge_tool_PID2_ID3"} <= planned.parents(
        "tool_last"
    )
    assert planned["merge_tool_PID2_ID1"].why == "cluster_jobs: one of 3 clusters of 'tool' at level 1"
    explained = {(r.job, r.why) for r in planned.planned.reasons if r.what == "merged"}
    assert ("w1", "one of 3 clusters of 'tool' at level 1, in one job with w0") in explained
    assert planned.planned.warnings == []


def test_a_cluster_has_so_many_tasks_and_a_task_that_is_left_over_stays_alone(bench: Bench) -> None:
    planned = bench.plan(*fan(7, **pegasus(clusters_size=3)), cluster=["horizontal"])

    assert list(clusters(planned).values()) == [["w0", "w1", "w2"], ["w3", "w4", "w5"]]
    assert "tool_w6" in planned.names(Kind.COMPUTE)


def test_the_number_of_clusters_wins_over_their_size(bench: Bench) -> None:
    planned = bench.plan(*fan(4, **pegasus(clusters_size=4, clusters_num=2)), cluster=["horizontal"])

    assert list(clusters(planned).values()) == [["w0", "w1"], ["w2", "w3"]]


@pytest.mark.parametrize("size", [1, 2])
def test_a_cluster_of_one_task_is_that_task(bench: Bench, size: int) -> None:
    planned = bench.plan(*fan(1, **pegasus(clusters_size=size)), cluster=["horizontal"])

    assert clusters(planned) == {} and "tool_w0" in planned.names()


def test_nothing_is_clustered_without_a_key_or_without_the_flag(bench: Bench) -> None:
    assert clusters(bench.plan(*fan(4), cluster=["horizontal"])) == {}
    assert clusters(bench.plan(*fan(4, **pegasus(clusters_num=1)))) == {}


def test_transformations_levels_and_sites_are_not_mixed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.has("in")
    path = bench.transformations[0]["sites"][0]["pfn"]
    for name in ("tool", "other"):
        bench.transformations.append(
            {
                "name": name,
                "namespace": "ns",
                "version": "1.0",
                "sites": [{"name": site, "type": "installed", "pfn": path} for site in ("a", "b")],
            }
        )
    bench.sites += [
        {
            "name": site,
            "directories": [
                {
                    "type": "sharedScratch",
                    "path": f"{tmp_path}/{site}",
                    "fileServers": [{"operation": "all", "url": f"file://{tmp_path}/{site}"}],
                }
            ],
        }
        for site in ("a", "b")
    ]
    tasks = [
        task(
            f"{name[0]}{n}",
            "in",
            f"{name}{n}",
            name,
            namespace="ns",
            version="1.0",
            profiles={"selector": {"execution.site": "ab"[n % 2]}},
        )
        for name in ("tool", "other")
        for n in range(4)
    ] + [task(f"n{n}", f"tool{n}", f"next{n}", "tool", namespace="ns", version="1.0",
              profiles={"selector": {"execution.site": "a"}}) for n in range(2)]  # fmt: skip
    planned = bench.plan(
        *tasks,
        sites=["a", "b"],
        cluster=["horizontal"],
        properties={"pegasus.clusters.num": "1", "pegasus.data.configuration": "sharedfs"},
    )

    assert clusters(planned) == {
        "merge_ns-tool-1.0_PID1_ID1": ["t0", "t2"],
        "merge_ns-tool-1.0_PID1_ID2": ["t1", "t3"],
        "merge_ns-other-1.0_PID1_ID1": ["o0", "o2"],
        "merge_ns-other-1.0_PID1_ID2": ["o1", "o3"],
        "merge_ns-tool-1.0_PID2_ID1": ["n0", "n1"],
    }
    assert {planned[name].site for name in clusters(planned) if name.endswith("ID2")} == {"b"}


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("clusters.num", "0", "a whole number from 1"),
        ("clusters.size", "-2", "a whole number from 1"),
        ("clusters.size", "many", "a whole number from 1"),
        ("clusters.maxruntime", "soon", "a number of seconds above 0"),
    ],
)
def test_a_wrong_bound_is_an_error_that_names_a_job(bench: Bench, key: str, value: str, wanted: str) -> None:
    with pytest.raises(
        PlanningError, match=f"profile pegasus.{key} of job 'w0' is '{value}'; it must be {wanted}"
    ):
        bench.plan(*fan(3, profiles={"pegasus": {key: value}}), cluster=["horizontal"])


# -- by run time ------------------------------------------------------------------------------------


def timed(*seconds: float, **keys: Any) -> list[Entry]:
    return [task(f"w{n}", "in", f"y{n}", **pegasus(runtime=time, **keys)) for n, time in enumerate(seconds)]


BY_RUNTIME = {"pegasus.clusterer.preference": "Runtime"}


def test_clusters_take_about_the_same_time(bench: Bench) -> None:
    planned = bench.plan(
        *timed(10, 20, 30, 40, 50, 60, clusters_num=2), cluster=["horizontal"], properties=BY_RUNTIME
    )

    assert list(clusters(planned).values()) == [["w0", "w2", "w5"], ["w1", "w3", "w4"]]
    assert [planned[name].runtime_s for name in clusters(planned)] == [100, 110]


def test_a_cluster_takes_no_longer_than_asked(bench: Bench) -> None:
    planned = bench.plan(
        *timed(10, 20, 30, 40, 50, 60, 90, clusters_maxruntime=60),
        cluster=["horizontal"],
        properties=BY_RUNTIME,
    )

    assert list(clusters(planned).values()) == [["w0", "w4"], ["w1", "w3"]]
    assert {"tool_w2", "tool_w5", "tool_w6"} <= set(planned.names())


def test_run_times_count_only_if_they_are_preferred(bench: Bench) -> None:
    assert clusters(bench.plan(*timed(1, 2, clusters_maxruntime=60), cluster=["horizontal"])) == {}
    assert clusters(bench.plan(*timed(1, 2), cluster=["horizontal"], properties=BY_RUNTIME)) == {}


@given(st.lists(st.floats(0, 100), max_size=30), st.floats(1, 100))
def test_packed_clusters_have_every_job_once_and_are_within_the_bound(
    times: list[float], most: float
) -> None:
    found = packed(dict(enumerate(times)), most)

    assert sorted(job for jobs in found for job in jobs) == list(range(len(times)))
    assert all(len(jobs) == 1 or sum(times[job] for job in jobs) <= most * (1 + 1e-9) for jobs in found)
    short = [sum(times[job] for job in jobs) for jobs in found if 0 < times[jobs[0]] <= most]
    assert sum(total <= most / 2 for total in short) <= 1, "two half empty clusters could be one"


@given(st.lists(st.floats(0, 100), max_size=30), st.integers(1, 8))
def test_dealt_clusters_have_every_job_once_and_differ_by_at_most_one_job(
    times: list[float], number: int
) -> None:
    found = dealt(dict(enumerate(times)), number)

    assert sorted(job for jobs in found for job in jobs) == list(range(len(times)))
    assert len(found) == min(number, len(times))
    totals = [sum(times[job] for job in jobs) for jobs in found] or [0]
    assert max(totals) - min(totals) <= max(times, default=0) + 1e-9


# -- by label, and whole ----------------------------------------------------------------------------


def labelled() -> list[Entry]:
    return [
        task("a0", "in", "x0", **pegasus(label="g 0/é")),
        task("b0", "x0", "y0", "tool", **pegasus(label="g 0/é")),
        task("a1", "in", "x1", **pegasus(label="g1")),
        task("b1", "x1", "y1", "tool", **pegasus(label="g1")),
        task("end", "y0 y1", "z"),
    ]


def test_clusters_whose_labels_look_alike_in_a_name_are_numbered(bench: Bench) -> None:
    tasks = [
        task(f"{name}{number}", "in", f"{name}{number}.txt", **pegasus(label=label))
        for name, label in (("a", "g 0"), ("b", "g/0"), ("c", "g-0"))
        for number in range(2)
    ]

    planned = bench.plan(*tasks, cluster=["label"])

    names = planned.names(Kind.COMPUTE)
    assert sorted(names) == ["merge_g-0", "merge_g-0_2", "merge_g-0_3"]


def test_tasks_with_one_label_are_one_job_whatever_their_level(bench: Bench) -> None:
    planned = bench.plan(*labelled(), cluster=["label"])

    assert clusters(planned) == {"merge_g-0-é": ["a0", "b0"], "merge_g1": ["a1", "b1"]}
    assert {"merge_g-0-é", "merge_g1"} <= planned.parents("tool_end")
    assert [each.lfn for each in planned["merge_g1"].inputs] == ["in"], "x1 is made inside"


def test_another_profile_can_hold_the_label(bench: Bench) -> None:
    tasks = [task(f"t{n}", "in", f"o{n}", **pegasus(team="red")) for n in range(2)]
    planned = bench.plan(*tasks, cluster=["label"], properties={"pegasus.clusterer.label.key": "team"})

    assert clusters(planned) == {"merge_red": ["t0", "t1"]}


def test_labels_that_make_jobs_wait_for_each_other_are_an_error(bench: Bench) -> None:
    tasks = [
        task("a", "in", "x", **pegasus(label="g")),
        task("b", "x", "y"),
        task("c", "y", "z", **pegasus(label="g")),
    ]
    with pytest.raises(PlanningError, match=r"wait for each other: 'a\+c' → 'b' → 'a\+c'") as caught:
        bench.plan(*tasks, cluster=["label"])
    (problem,) = caught.value.problems
    assert problem.message.endswith("task 'c' waits, through other jobs, for task 'a' of the same job")
    assert problem.hint == "change or remove the profile pegasus.label, which is 'g', of one of these tasks"


def at_site(name: str) -> Entry:
    return {"profiles": {"selector": {"execution.site": name}}}


@pytest.mark.parametrize("cluster", [["whole"], ["horizontal", "whole"]])
def test_a_whole_workflow_at_two_sites_gets_a_remedy_that_can_be_followed(
    bench: Bench, cluster: list[str]
) -> None:
    for site in ("condorpool", "other"):
        servers = [{"url": f"file://{bench.path}/{site}", "operation": "all"}]
        scratch = {"type": "sharedScratch", "path": f"{bench.path}/{site}", "fileServers": servers}
        bench.sites.append({"name": site, "directories": [scratch]})
    there = dict(bench.transformations[0]["sites"][0], name="other")
    bench.transformations[0]["sites"].append(there)
    tasks = [
        task("a", "in", "x", **at_site("condorpool")),
        task("b", "x", "y", **at_site("other")),
        task("c", "y", "z", **at_site("condorpool")),
    ]
    with pytest.raises(PlanningError, match="jobs were merged that wait for each other") as caught:
        bench.plan(*tasks, cluster=cluster, sites=["condorpool", "other"])
    (problem,) = caught.value.problems
    assert problem.hint == "run at one site (--sites condorpool), or use --cluster label instead of whole"
    assert clusters(bench.plan(*tasks, cluster=["label"], sites=["condorpool", "other"])) == {}


def test_the_whole_workflow_is_one_job(bench: Bench) -> None:
    planned = bench.plan(*labelled(), cluster=["whole"])

    assert clusters(planned) == {"merge_whole-wf": ["a0", "a1", "b0", "b1", "end"]}
    assert planned.names(Kind.COMPUTE) == ["merge_whole-wf"]


def test_techniques_are_applied_one_after_the_other(bench: Bench) -> None:
    planned = bench.plan(
        *labelled(), cluster=["label", "Horizontal"], properties={"pegasus.clusters.size": "2"}
    )

    assert clusters(planned) == {"merge_pegasus-seqexec_PID1_ID1": ["a0", "a1", "b0", "b1"]}


def test_the_name_of_a_cluster_is_that_of_no_other_job_and_not_too_long(bench: Bench) -> None:
    path = bench.transformations[0]["sites"][0]["pfn"]
    bench.transformations.append(
        {"name": "merge", "sites": [{"name": "condorpool", "type": "installed", "pfn": path}]}
    )
    tasks = [
        task("g", "in", "g.out", "merge"),
        *[task(f"a{n}", "in", f"x{n}", **pegasus(label="g")) for n in range(2)],
        *[task(f"b{n}", "in", f"y{n}", **pegasus(label="g/")) for n in range(2)],
        *[task(f"c{n}", "in", f"z{n}", **pegasus(label="ü" * 300)) for n in range(2)],
    ]
    found = clusters(bench.plan(*tasks, cluster=["label"]))

    assert list(found) == ["merge_g_2", "merge_g-", "merge_" + "ü" * 90]


def test_an_unknown_technique_is_an_error(bench: Bench) -> None:
    with pytest.raises(PlanningError, match="--cluster 'diagonal' is unknown"):
        bench.plan(*fan(2), cluster=["diagonal"])


# -- whatever the workflow --------------------------------------------------------------------------


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 1 << 30),
    st.integers(1, 14),
    st.lists(st.sampled_from(["horizontal", "whole"]), min_size=1, max_size=3),
    st.sampled_from(["clusters.num", "clusters.size", "clusters.maxruntime"]),
    st.integers(1, 5),
    st.booleans(),
)
def test_clustering_keeps_every_task_and_every_dependency(
    seed: int, number: int, techniques: list[str], key: str, bound: int, by_runtime: bool
) -> None:
    chance = random.Random(seed)
    reads = {n: [m for m in range(n) if chance.random() < 0.3] for n in range(number)}
    tasks = [
        task(
            f"t{n}",
            " ".join(["in", *(f"f{m}" for m in reads[n])]),
            f"f{n}",
            profiles={"pegasus": {key: str(bound), "runtime": str(chance.randint(0, 6))}},
        )
        for n in range(number)
    ]
    properties = BY_RUNTIME if by_runtime else {}
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        bench.has("in")
        planned = bench.plan(*tasks, cluster=techniques, properties=properties)

    ran = [(job.id, each.id) for job in planned.jobs for each in job.tasks]
    assert sorted(each for _, each in ran) == sorted(f"t{n}" for n in range(number))
    job_of = {each: job for job, each in ran}
    order = [each for _, each in ran]
    for n, makers in reads.items():
        for m in makers:
            ours, theirs = job_of[f"t{n}"], job_of[f"t{m}"]
            assert (
                theirs in planned.ancestors(ours)
                if ours != theirs
                else order.index(f"t{m}") < order.index(f"t{n}")
            )
