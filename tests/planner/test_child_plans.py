"""Sub-workflows in a plan: what their jobs say of how they are planned, and where their files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, Entry, task
from markab.errors import PlanningError
from markab.plan.model import SUB_WORKFLOWS, Kind, Output
from markab.planner.options import PlanOptions
from markab.planner.parent_run import ParentRun
from markab.planner.planning import dry_run


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.has("inner.yml", "raw.txt")
    return bench


def sub(name: str, reads: str = "", makes: str = "", arguments: str = "", **keys: Any) -> Entry:
    entry = task(name, reads, makes, **{"type": "pegasusWorkflow", "file": "inner.yml", **keys})
    del entry["name"]
    entry["arguments"] = arguments.split()
    return entry


def test_a_sub_workflow_is_a_job_between_those_that_make_and_read_its_files(bench: Bench) -> None:
    made = bench.plan(
        task("a", "raw.txt", "in.txt"), sub("s", "in.txt", "out.txt"), task("z", "out.txt", "end")
    )

    job = made["pegasus-plan_s"]
    assert job.category == "subwf"
    assert (job.kind, job.site, job.staging) == (Kind.SUBWORKFLOW, SUB_WORKFLOWS, "local")
    assert job.child is not None and job.child.document == "inner.yml"
    assert {one.lfn for one in job.inputs} == {"in.txt", "inner.yml"}, (
        "the document is an input, named or not"
    )
    assert job.outputs == [Output("out.txt")]
    parents = {made.jobs[parent].id for parent in job.parents}
    assert parents == {"tool_a", "stage_in_local_local_1_0"}
    assert made.header.sites[SUB_WORKFLOWS].executor == SUB_WORKFLOWS
    assert made.header.run_directory.endswith("/pegasus/w/run0001")


def test_a_document_that_a_job_makes_is_waited_for(bench: Bench) -> None:
    made = bench.plan(task("a", "raw.txt", "made.yml"), sub("s", file="made.yml"))

    job = made["pegasus-plan_s"]
    ancestors, left = set(), list(job.parents)
    while left:
        parent = left.pop()
        ancestors.add(made.jobs[parent].id)
        left += made.jobs[parent].parents
    assert "tool_a" in ancestors


def test_what_the_task_leaves_open_is_taken_over_from_the_parent(bench: Bench) -> None:
    made = bench.plan(
        sub("open"),
        sub("own", arguments="--sites local --output-dir elsewhere --cluster horizontal --cleanup leaf"),
        sites=["condorpool"],
        output_dir=Path("results"),
        cleanup="none",
        force=True,
    )

    given = {name: (made[f"pegasus-plan_{name}"].child or None) for name in ("open", "own")}
    assert given["open"] is not None and given["own"] is not None
    words = " ".join(given["open"].arguments)
    assert (
        words
        == f"--sites condorpool --output-sites local --output-dir {bench.path}/results --cleanup none --force"
    )
    assert " ".join(given["own"].arguments) == (
        "--cluster horizontal --sites local --output-dir elsewhere --cleanup leaf --force"
    )


def test_force_replan_is_known_to_the_engine(bench: Bench) -> None:
    made = bench.plan(sub("s"), force_replan=True)

    child = made["pegasus-plan_s"].child
    assert child is not None and child.force_replan and child.arguments[-1] == "--force-replan"


def test_an_argument_that_does_nothing_is_said(bench: Bench) -> None:
    options = bench.options(sub("s", arguments="--output-sits local --dir there -vvv"))

    said = [one.message for one in dry_run(options).warnings if one.kind == "planner-arguments"]

    assert said == [
        "argument '--output-sits' of sub-workflow 's' is no option of the planner, and does nothing",
        "argument '--dir' of sub-workflow 's' does nothing: its directories are below those of its parent",
    ]


def test_a_directory_among_its_files_is_refused(bench: Bench) -> None:
    with pytest.raises(PlanningError, match="directory 'parts/' is a file of sub-workflow 's'"):
        bench.plan(task("a", "raw.txt", "parts/"), sub("s", "parts/"))


def planned_already(bench: Bench, path: Path, makes: str = "") -> PlanOptions:
    bench.replicas.append({"lfn": "ready", "pfns": [{"site": "local", "pfn": str(path)}]})
    return bench.options(sub("s", makes=makes, type="condorWorkflow", file="ready"))


@pytest.mark.parametrize("name", ["", "plan.jsonl"])
def test_one_that_is_planned_already_is_run_where_its_plan_is(bench: Bench, name: str) -> None:
    inner = bench.plan(task("a", "raw.txt", "x")).planned.submit_dir
    assert inner is not None
    bench.replicas.append({"lfn": "ready", "pfns": [{"site": "local", "pfn": str(inner / name)}]})

    made = bench.plan(sub("s", type="condorWorkflow", file="ready"))

    job = made["subdag_s"]
    assert job.child is not None and job.child.run == str(inner) and not job.inputs


def test_a_dag_of_htcondor_is_refused_when_planning(bench: Bench) -> None:
    dag = bench.path / "inner-0.dag"
    dag.write_text("JOB a a.sub\n")

    with pytest.raises(
        PlanningError, match=r"inner-0.dag' is a DAG of HTCondor: this version runs only plans"
    ):
        dry_run(planned_already(bench, dag))


def test_one_that_is_planned_already_can_hand_nothing_up(bench: Bench) -> None:
    inner = bench.plan(task("a", "raw.txt", "x")).planned.submit_dir
    assert inner is not None

    with pytest.raises(PlanningError, match="planned already, so it cannot hand 'x' up"):
        dry_run(planned_already(bench, inner, makes="x"))


# -- the plan of a sub-workflow ----------------------------------------------------


def parent(bench: Bench, *lfns: str) -> ParentRun:
    return ParentRun("root", {lfn: f"{bench.path}/above/{lfn}" for lfn in lfns})


@pytest.mark.parametrize("sites", [["local"], []], ids=["with an output site", "without"])
def test_what_the_parent_declares_goes_into_its_scratch_and_nowhere_else(
    bench: Bench, sites: list[str]
) -> None:
    up = task("a", "raw.txt", "up.txt")
    up["uses"][1] |= {"stageOut": False, "registerReplica": True}

    made = bench.plan(up, task("b", "raw.txt", "own.txt"), output_sites=sites, parent=parent(bench, "up.txt"))

    moved = [moved for job in made.jobs if job.kind is Kind.STAGE_OUT for moved in job.transfers]
    places = {one.lfn: [place.url for place in one.destinations] for one in moved}
    assert places.pop("up.txt") == [f"{bench.path}/above/up.txt"]
    assert [*places] == (["own.txt"] if sites else [])
    registered = [one.lfn for job in made.jobs if job.kind is Kind.REGISTER for one in job.registrations]
    assert "up.txt" not in registered
    assert made.planned.braindump["root_wf_uuid"] == "root"


def test_a_result_that_exists_is_handed_up_from_where_it_is(bench: Bench) -> None:
    bench.has("up.txt")

    made = bench.plan(task("a", "raw.txt", "up.txt"), parent=parent(bench, "up.txt"))

    assert not [job for job in made.jobs if job.kind is Kind.COMPUTE]
    (moved,) = [moved for job in made.jobs if job.kind is Kind.STAGE_OUT for moved in job.transfers]
    assert moved.destinations[0].url == f"{bench.path}/above/up.txt"


def test_an_output_that_no_job_makes_is_an_error(bench: Bench) -> None:
    with pytest.raises(PlanningError, match=r"declares 'up.txt' as an output of this one, and no job here"):
        bench.plan(task("a", "raw.txt", "x"), parent=parent(bench, "up.txt"))


def test_a_password_of_the_parent_is_one_of_the_child(bench: Bench) -> None:
    above = ParentRun("root", {}, passwords={"https://ada@data.example.org": "secret"})

    submit_dir = bench.plan(task("a", "raw.txt", "x"), parent=above).planned.submit_dir

    assert submit_dir is not None and "secret" in (submit_dir / "passwords.json").read_text()


def test_scripts_around_a_sub_workflow_are_said_to_do_nothing(bench: Bench) -> None:
    options = bench.options(sub("s", profiles={"dagman": {"PRE": "/bin/true"}}))

    said = [one.message for one in dry_run(options).warnings if "do nothing" in one.message]

    assert len(said) == 1 and "of sub-workflow 's' do nothing" in said[0]


def test_the_number_of_open_sub_workflows_can_be_limited(bench: Bench) -> None:
    options = bench.options(sub("s"), properties={"dagman.subwf.maxjobs": "2"})

    assert [one for one in dry_run(options).warnings if one.kind == "unused-limit"] == []


def test_a_sub_workflow_has_retries_only_if_the_user_says_so(bench: Bench) -> None:
    """The jobs in it have theirs: with more levels, the default of each would be multiplied."""
    own = {**sub("b"), "profiles": {"dagman": {"retry": "2"}}}

    def retries(**properties: str) -> dict[str, int]:
        made = bench.plan(sub("a"), own, properties=properties)
        return {job.tasks[0].id: job.retries for job in made.jobs if job.kind is Kind.SUBWORKFLOW}

    assert retries() == {"a": 0, "b": 2}
    assert retries(**{"dagman.retry": "5"}) == {"a": 5, "b": 2}
