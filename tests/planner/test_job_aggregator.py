"""How the tasks of a cluster are run, and what the cluster holds for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, Entry, task
from markab.errors import DocumentError, PlanningError
from markab.plan.model import PlannedJob

PROPERTY = "pegasus.clusterer.job.aggregator"
ONE_CLUSTER = {"pegasus.clusters.num": "1"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.has("in")
    return bench


def tasks(**pegasus: str) -> list[Entry]:
    profiles = {"pegasus": {key.replace("__", "."): value for key, value in pegasus.items()}}
    return [task(f"w{n}", "in", f"y{n}", profiles=profiles) for n in range(3)]


def cluster(bench: Bench, entries: list[Entry], **properties: str) -> PlannedJob:
    planned = bench.plan(*entries, cluster=["horizontal"], properties={**ONE_CLUSTER, **properties})
    (found,) = (job for job in planned.jobs if len(job.tasks) > 1)
    return found


def test_tasks_run_one_after_the_other_until_one_fails_if_nothing_is_said(bench: Bench) -> None:
    job = cluster(bench, tasks(cores="3"))

    assert (job.tasks_at_once, job.keep_going, job.cores) == (False, False, 3)


def test_mpiexec_runs_tasks_at_once_on_the_cores_that_they_ask_for(bench: Bench) -> None:
    entries = tasks(
        cores="4", memory="900", pmc_request_cpus="2", pmc_request_memory="300", pmc_priority="-7"
    )
    job = cluster(bench, entries, **{PROPERTY: "mpiexec"})

    assert (job.tasks_at_once, job.keep_going, job.cores, job.memory_mb) == (True, True, 4, 900)
    assert [(one.cores, one.memory_mb, one.priority) for one in job.tasks] == [(2, 300, -7)] * 3


def test_a_task_of_mpiexec_takes_one_core_if_nothing_is_said(bench: Bench) -> None:
    job = cluster(bench, tasks(cores="4"), **{PROPERTY: "mpiexec"})

    assert [(one.cores, one.memory_mb) for one in job.tasks] == [(1, 0)] * 3


def test_the_arguments_of_mpiexec_say_what_the_cluster_holds(bench: Bench) -> None:
    arguments = "--host-cpus 8 --host-memory=2000 -v --max-wall-time 5"
    job = cluster(bench, tasks(), **{PROPERTY: "mpiexec", f"{PROPERTY}.arguments": arguments})

    assert (job.cores, job.memory_mb, job.max_wall_s) == (8, 2000, 300)


def test_a_cluster_holds_enough_for_its_largest_task(bench: Bench) -> None:
    entries = tasks(pmc_request_cpus="6", pmc_request_memory="700")
    job = cluster(bench, entries, **{PROPERTY: "mpiexec", f"{PROPERTY}.arguments": "--host-cpus 2"})

    assert (job.cores, job.memory_mb) == (6, 700)


@pytest.mark.parametrize("arguments", ["-n 2", "-n2 -f"])
def test_seqexec_runs_so_many_at_once_each_with_the_cores_it_asks_for(bench: Bench, arguments: str) -> None:
    job = cluster(bench, tasks(cores="3", memory="100"), **{f"{PROPERTY}.arguments": arguments})

    assert (job.tasks_at_once, job.cores, job.memory_mb) == (True, 6, 200)
    assert [(one.cores, one.memory_mb) for one in job.tasks] == [(3, 100)] * 3


@pytest.mark.parametrize("arguments", ["-n auto", "-nauto"])
def test_seqexec_auto_runs_as_many_as_the_cluster_has_cores(bench: Bench, arguments: str) -> None:
    job = cluster(bench, tasks(cores="3"), **{f"{PROPERTY}.arguments": arguments})

    assert (job.tasks_at_once, job.cores) == (True, 3)
    assert [one.cores for one in job.tasks] == [1] * 3


def test_the_others_run_after_a_failure_if_the_property_says_so_and_the_arguments_do_not(
    bench: Bench,
) -> None:
    goes_on = {f"{PROPERTY}.seqexec.firstjobfail": "false"}
    assert cluster(bench, tasks(), **goes_on).keep_going
    stops = cluster(bench, tasks(job__aggregator__arguments="-f"), **goes_on)
    assert not stops.keep_going


def test_a_profile_of_the_tasks_wins_over_the_property(bench: Bench) -> None:
    entries = tasks(job__aggregator="MPIexec", job__aggregator__arguments="--host-cpus 2")
    job = cluster(bench, entries, **{f"{PROPERTY}.arguments": "--host-cpus 9"})

    assert (job.tasks_at_once, job.cores) == (True, 2)


def test_an_aggregator_without_its_service_is_said_once(bench: Bench) -> None:
    planned = bench.plan(*tasks(), cluster=["horizontal"], properties={**ONE_CLUSTER, PROPERTY: "AWSBatch"})

    (warning,) = (one for one in planned.planned.warnings if "AWSBatch" in one.message)
    assert warning.message == (
        "the job aggregator 'AWSBatch' needs a service that this version does not use: "
        "the tasks of a cluster run one after the other"
    )


def test_an_argument_without_effect_is_said(bench: Bench) -> None:
    given = {**ONE_CLUSTER, PROPERTY: "mpiexec", f"{PROPERTY}.arguments": "--tries 3"}
    planned = bench.plan(*tasks(), cluster=["horizontal"], properties=given)

    assert "the argument '--tries' of the job aggregator 'mpiexec' does nothing" in [
        one.message for one in planned.planned.warnings
    ]


@pytest.mark.parametrize(
    ("pegasus", "said"),
    [
        ({"job__aggregator": "seqexe"}, "'seqexe'; it must be one of seqexec, mpiexec, AWSBatch, decaf"),
        ({"job__aggregator__arguments": "-n 0"}, "-n is '0'; it must be a whole number from 1"),
        ({"job__aggregator__arguments": "-n"}, "'-n' has no value"),
        ({"job__aggregator__arguments": "-n 'x"}, "No closing quotation"),
        (
            {"job__aggregator": "mpiexec", "pmc_request_cpus": "none"},
            "pmc_request_cpus is 'none'; it must be a whole number from 1",
        ),
    ],
)
def test_what_is_wrong_is_an_error_that_names_it(bench: Bench, pegasus: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanningError) as caught:
        cluster(bench, tasks(**pegasus))

    (problem,) = caught.value.problems
    assert said in problem.message


def test_a_wrong_property_is_an_error_before_planning(bench: Bench) -> None:
    with pytest.raises(DocumentError, match=f"{PROPERTY}'.*it must be one of seqexec"):
        cluster(bench, tasks(), **{PROPERTY: "x"})


def test_a_task_that_asks_for_more_than_its_cluster_was_given_is_a_warning(bench: Bench) -> None:
    arguments = {PROPERTY: "mpiexec", f"{PROPERTY}.arguments": "--host-cpus 8 --host-memory 500"}

    planned = bench.plan(
        *tasks(pmc_request_memory="700"), cluster=["horizontal"], properties={**ONE_CLUSTER, **arguments}
    )

    (warning,) = [one.message for one in planned.planned.warnings if "host-memory" in one.message]
    assert warning.startswith(
        "profile pegasus.pmc_request_memory = 700 of a task is more than --host-memory 500"
    )


def test_a_preference_that_is_unknown_is_an_error(bench: Bench) -> None:
    with pytest.raises(
        DocumentError, match=r"'pegasus.clusterer.preference' is 'x'.*it must be one of runtime"
    ):
        cluster(bench, tasks(), **{"pegasus.clusterer.preference": "x"})
