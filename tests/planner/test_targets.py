"""Targets: what `--until` names, which jobs are needed for it, and what is delivered."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab.errors import PlanningError, Problem
from markab.plan.model import Kind
from markab.planner.options import PlanOptions
from markab.planner.planning import dry_run
from markab.planner.targets import Names, Targets, find_targets
from markab.spec.model import Task, Use


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def between(name: str, reads: str, makes: str, **keys: Any) -> Entry:
    """A task whose outputs are not delivered."""
    entry = task(name, reads, **keys)
    entry["uses"] += [
        {"lfn": lfn, "type": "output", "stageOut": False, "registerReplica": False} for lfn in makes.split()
    ]
    return entry


def ran(planned: MadePlan) -> list[str]:
    return sorted(task.id for job in planned.jobs for task in job.tasks)


def delivered(planned: MadePlan) -> list[str]:
    return sorted(t.lfn for job in planned.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers)


def left_out(planned: MadePlan) -> dict[str, str]:
    return {r.job: r.why for r in planned.planned.reasons if r.what == "removed"}


# --- what a word means --------------------------------------------------------


def made(id: str, makes: str = "", name: str = "fit", label: str | None = None, **more: Any) -> Task:
    uses = [Use(lfn, "output") for lfn in makes.split()]
    return Task(id=id, name=name, uses=uses, node_label=label, **more)


WORKFLOW = [
    made("a", "raw.txt", name="fetch", stdout="fetch.log"),
    made("b", "1.fit", label="fit n=1", namespace="stats", version="2"),
    made("c", "2.fit", label="fit n=2", namespace="stats", version="2"),
    made("d", name="notify", label="done"),
    Task(id="e", type="pegasusWorkflow", file="sub.yml", uses=[Use("sub.yml", "input")]),
]
PRODUCER = {"raw.txt": 0, "fetch.log": 0, "1.fit": 1, "2.fit": 2}
NAMES = Names(WORKFLOW, PRODUCER, "p_")


def found(*words: str, names: Names = NAMES) -> tuple[Targets, list[Problem]]:
    return find_targets(words, names, problems := []), problems


@pytest.mark.parametrize(
    ("word", "jobs", "wanted"),
    [
        ("1.fit", {1}, {"1.fit"}),
        ("fetch.log", {0}, {"fetch.log"}),
        ("b", {1}, {"1.fit"}),
        ("p_fit_b", {1}, {"1.fit"}),
        ("pegasus-plan_p_e", {4}, set()),
        ("fit", {1, 2}, {"1.fit", "2.fit"}),
        ("stats::fit", {1, 2}, {"1.fit", "2.fit"}),
        ("fit:2", {1, 2}, {"1.fit", "2.fit"}),
        ("stats::fit:2", {1, 2}, {"1.fit", "2.fit"}),
        ("fit n=2", {2}, {"2.fit"}),
        ("label:fit n=*", {1, 2}, {"1.fit", "2.fit"}),
        ("[12].fit", {1, 2}, {"1.fit", "2.fit"}),
        ("file:*.fit", {1, 2}, {"1.fit", "2.fit"}),
        ("done", {3}, set()),
        ("fetch", {0}, {"raw.txt", "fetch.log"}),
    ],
)
def test_a_target_is_a_file_a_job_a_transformation_a_label_or_a_pattern_of_them(
    word: str, jobs: set[int], wanted: set[str]
) -> None:
    targets, problems = found(word)

    assert ([], jobs, wanted) == (problems, targets.jobs, targets.wanted)


def test_several_targets_are_wanted_together() -> None:
    targets, problems = found("1.fit", "done", "raw.txt", "done")

    assert [] == problems
    assert Targets(
        ("1.fit", "done", "raw.txt"), frozenset({0, 1, 3}), frozenset({3}), frozenset({"1.fit", "raw.txt"})
    ) == (targets)


def test_a_name_that_is_exactly_that_wins_over_what_it_is_a_pattern_of() -> None:
    tasks = [made("a", "x[1]"), made("b", "x1")]

    targets, _ = found("x[1]", names=Names(tasks, {"x[1]": 0, "x1": 1}))

    assert {"x[1]"} == targets.wanted


def test_a_name_of_two_things_is_refused_with_a_way_to_write_each() -> None:
    tasks = [made("a", "it's"), made("b", "x", name="it's"), made("c", "y", name="it's", label="a")]
    names = Names(tasks, {"it's": 0, "x": 1, "y": 2})

    _, (first, second) = found("it's", "a", names=names)

    assert (
        '--until "it\'s" could be file "it\'s" (made by job \'a\') or transformation "it\'s" (of 2 jobs)'
        == first.message
    )
    assert "--until 'a' could be job 'a' or label 'a' (of job 'c')" == second.message
    meant = [found(word, names=names)[0].jobs for word in shlex.split(first.hint)[2::3]]
    assert [{0}, {1, 2}] == meant, "what the hint says works"


def test_a_name_of_two_things_that_are_the_same_is_no_question() -> None:
    targets, problems = found("x", names=Names([made("a", "x", name="x", label="x")], {"x": 0}))

    assert ([], {0}, {"x"}) == (problems, targets.jobs, targets.wanted)


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        (
            "1.fti",
            "--until '1.fti': no file that a job makes, no job, transformation or label is called that",
            "did you mean file '1.fit' (made by job 'b') or file '2.fit' (made by job 'c')?",
        ),
        (
            "Fit",
            "--until 'Fit': no file that a job makes, no job, transformation or label is called that",
            "did you mean transformation 'fit' (of 2 jobs)?",
        ),
        ("file:fit", "--until 'file:fit': no file is called that", "did you mean transformation 'fit' (of 2 jobs)"),
        ("label:don", "--until 'label:don': no label is called that", "did you mean label 'done' (of job 'd')?"),
        ("job:p_fit_x", "--until 'job:p_fit_x': no job is called that", "did you mean job 'p_fit_"),
        ("sub.yml", "--until 'sub.yml': no job makes the file 'sub.yml': it is an input", "transformations of"),
        ("*.csv", "--until '*.csv': no file that a job makes, no job, transformation or label has such a name", "tra"),
        (
            "",
            "--until '': no file that a job makes, no job, transformation or label is called that",
            "transformations of this workflow are 'fetch', 'fit', 'notify'",
        ),
    ],
)  # fmt: skip
def test_an_unknown_target_is_refused_with_names_like_it_and_where_they_come_from(
    word: str, message: str, hint: str
) -> None:
    _, (problem,) = found(word)

    assert message == problem.message
    assert problem.hint.startswith(hint), problem.hint


# --- what is planned ----------------------------------------------------------


def pipeline() -> list[Entry]:
    """Fetch, two fits, a plot of both, and a report beside."""
    return [
        between("fetch", "in", "raw"),
        between("fit1", "raw", "1.fit", nodeLabel="fit n=1"),
        between("fit2", "raw", "2.fit"),
        task("plot", "1.fit 2.fit", "plot.png"),
        task("report", "raw", "report.txt"),
    ]


def test_only_what_a_file_needs_is_planned_and_the_file_is_delivered(bench: Bench) -> None:
    bench.has("in")

    planned = bench.plan(*pipeline(), until=["1.fit"])

    assert ["fetch", "fit1"] == ran(planned)
    assert ["1.fit"] == delivered(planned)
    assert dict.fromkeys(("fit2", "plot", "report"), "not needed for '1.fit'") == left_out(planned)
    assert 3 == planned.planned.summary.left_out


def test_all_that_a_named_job_makes_is_delivered_and_what_jobs_before_it_make_as_the_document_says(
    bench: Bench,
) -> None:
    bench.has("in")
    tasks = [task("a", "in", "x"), between("b", "x", "y log"), between("c", "y", "z"), task("d", "z", "end")]

    planned = bench.plan(*tasks, until=["c"])

    assert ["a", "b", "c"] == ran(planned)
    assert ["x", "z"] == delivered(planned)
    assert ["x"] == [each.lfn for job in planned.jobs for each in job.registrations]


def test_a_job_that_a_target_waits_for_is_needed_though_no_file_says_so(bench: Bench) -> None:
    bench.has("in")
    before = {"jobDependencies": [{"id": "setup", "children": ["a"]}, {"id": "a", "children": ["after"]}]}

    planned = bench.plan(task("setup"), task("a", "in", "x"), task("after"), workflow=before, until=["a"])

    assert ["a", "setup"] == ran(planned)


def test_results_that_exist_are_used_for_a_target(bench: Bench) -> None:
    bench.has("in", "raw", "2.fit", "report.txt")

    planned = bench.plan(*pipeline(), until=["1.fit", "2.fit"])

    assert ["fit1"] == ran(planned)
    assert ["1.fit", "2.fit"] == delivered(planned), "one is made, and one comes from where it is"
    reasons = left_out(planned)
    assert "the replica catalog has '2.fit'" == reasons["fit2"]
    assert "not needed for '1.fit', '2.fit'" == reasons["report"]


def test_a_result_of_a_job_before_the_target_is_not_what_the_plan_is_made_for(bench: Bench) -> None:
    bench.has("in", "y")
    tasks = [task("a", "in", "x"), task("b", "x", "y"), task("c", "y", "z")]

    assert ["a", "c"] == ran(bench.plan(*tasks)), "x is a result too"
    planned = bench.plan(*tasks, until=["z"])
    assert (["c"], ["z"]) == (ran(planned), delivered(planned))


def test_a_named_job_runs_unless_all_that_it_makes_exists(bench: Bench) -> None:
    bench.has("in", "y", "z")
    tasks = [between("a", "in", "x y"), task("b", "y", "z"), task("quiet", "in")]
    before = {"jobDependencies": [{"id": "quiet", "children": ["b"]}]}

    assert ["a"] == ran(bench.plan(*tasks, until=["a"])), "x does not exist"
    assert [] == ran(bench.plan(*tasks, until=["b"]))
    assert [] == ran(bench.plan(*tasks, workflow=before, until=["b"])), "it only serves what exists"
    assert ["quiet"] == ran(bench.plan(*tasks, workflow=before, until=["b", "quiet"]))
    assert ["a", "b"] == ran(bench.plan(*tasks, until=["b"], force=True))


def test_without_an_output_site_the_file_stays_in_scratch(bench: Bench) -> None:
    bench.has("in")

    planned = bench.plan(*pipeline(), until=["1.fit"], output_sites=[])

    assert ["raw"] == [lfn for job in planned.jobs for lfn in job.removes if lfn in ("raw", "1.fit")]
    assert not any(job.removes_scratch for job in planned.jobs)


def test_an_unknown_target_is_refused_before_anything_is_checked_that_it_may_not_need(bench: Bench) -> None:
    with pytest.raises(PlanningError) as caught:
        bench.plan(*pipeline(), until=["3.fit", "nothing"])

    assert ["unknown-target", "unknown-target"] == [problem.kind for problem in caught.value.problems]


def test_what_no_target_needs_is_not_checked(bench: Bench) -> None:
    bench.has("in")
    hook = {"shell": [{"_on": "end", "cmd": "true"}]}
    others = [
        task("lacks", "nowhere", "x"),
        task("quote", arguments=["it's"]),
        {"type": "pegasusWorkflow", "file": "sub.yml", "id": "sub", "arguments": [], "uses": []},
        task("hooked", "in", hooks=hook),
        task("elsewhere", "in", tool="unknown"),
    ]

    planned = bench.plan(*pipeline(), *others, until=["plot.png"])

    assert ["fetch", "fit1", "fit2", "plot"] == ran(planned)
    assert [] == planned.planned.warnings


def test_the_targets_are_recorded_with_the_arguments_of_the_planner(bench: Bench) -> None:
    bench.has("in")

    planned = bench.plan(*pipeline(), until=["label:fit n=1", "2.fit"])

    words = shlex.split(planned.planned.braindump["planner_arguments"] or "")
    assert ["--until", "label:fit n=1", "--until", "2.fit"] == words[words.index("--until") :][:4]


# --- what holds for every workflow --------------------------------------------

Shape = list[tuple[set[int], bool, bool]]
"""Of each task: which earlier ones it reads from, whether its file is delivered, whether it exists."""


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    n = draw(st.integers(1, 12))
    return [
        (
            draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set(),
            draw(st.booleans()),
            draw(st.booleans()),
        )
        for i in range(n)
    ]


def tasks_of(shape: Shape) -> list[Entry]:
    return [
        {
            **task(f"t{i}", " ".join(f"f{parent}" for parent in sorted(parents))),
            "uses": [
                *({"lfn": f"f{parent}", "type": "input"} for parent in sorted(parents)),
                {"lfn": f"f{i}", "type": "output", "stageOut": is_delivered, "registerReplica": False},
            ],
        }
        for i, (parents, is_delivered, _) in enumerate(shape)
    ]


def needed_by_hand(shape: Shape, targets: set[int], reuses: bool) -> set[int]:
    """Return the tasks that must run, by following what is missing from the targets up."""
    exists = {i for i, (_, _, exists) in enumerate(shape) if exists} if reuses else set()
    needed: set[int] = set()
    missing = targets - exists
    while missing:
        needed |= missing
        missing = {parent for i in missing for parent in shape[i][0]} - exists - needed
    return needed


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shapes(), st.data(), st.booleans(), st.booleans())
def test_what_stays_is_exactly_what_the_targets_need(
    tmp_path_factory: pytest.TempPathFactory, shape: Shape, data: st.DataObject, reuses: bool, by_job: bool
) -> None:
    bench = Bench(tmp_path_factory.mktemp("w"))
    bench.has(*(f"f{i}" for i, (_, _, exists) in enumerate(shape) if exists))
    targets = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))

    planned = bench.plan(
        *tasks_of(shape), until=[f"{'t' if by_job else 'f'}{i}" for i in sorted(targets)], force=not reuses
    )

    graph = nx.DiGraph([(parent, i) for i, (parents, _, _) in enumerate(shape) for parent in parents])
    graph.add_nodes_from(range(len(shape)))
    cone = targets.union(*(nx.ancestors(graph, i) for i in targets))
    needed = needed_by_hand(shape, targets, reuses)
    assert sorted(f"t{i}" for i in needed) == ran(planned)
    assert needed <= cone and (reuses or needed == cone)
    results = {i for i in needed if shape[i][1]} | targets
    assert sorted(f"f{i}" for i in results) == delivered(planned)
    assert {f"t{i}" for i in range(len(shape)) if i not in needed} == left_out(planned).keys()


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shapes(), st.data())
def test_the_same_targets_in_any_order_give_the_same_jobs(
    tmp_path_factory: pytest.TempPathFactory, shape: Shape, data: st.DataObject
) -> None:
    words = data.draw(
        st.lists(st.integers(0, len(shape) - 1), min_size=1).map(lambda n: [f"f{i}" for i in n])
    )
    texts = []
    for given_words in (words, words, [*reversed(words)]):
        directory = tmp_path_factory.mktemp("w")
        bench = Bench(directory)
        bench.plan(*tasks_of(shape), until=given_words, relative_dir="run", force=True)
        text = (directory / "run" / "plan.jsonl").read_text()
        texts.append(re.sub(r',"crc":"\w{8}"', "", text.replace(str(directory), "")))

    assert texts[0] == texts[1] == texts[2]


def test_a_dry_run_says_the_same(bench: Bench) -> None:
    bench.has("in")
    options: PlanOptions = bench.options(*pipeline(), until=["1.fit"], output_sites=["local"])

    planned = dry_run(options)

    assert (2, 3) == (planned.summary.tasks, planned.summary.left_out)
