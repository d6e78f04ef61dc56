"""Profiles: who wins, which spelling counts, and what they ask for."""

from __future__ import annotations

import pytest

from markab.errors import DocumentError, Problem
from markab.spec.model import Profiles
from markab.spec.profiles import Resources, merge_profiles, resources
from markab.spec.units import amount_mb


def test_the_transformation_wins_over_site_job_and_properties() -> None:
    def source(*keys: str, value: str) -> Profiles:
        return {"env": dict.fromkeys(keys, value)}

    merged = merge_profiles(
        transformation=source("A", value="transformation"),
        site=source("A", "B", value="site"),
        job=source("A", "B", "C", value="job"),
        properties=source("A", "B", "C", "D", value="properties"),
    )

    assert {"env": {"A": "transformation", "B": "site", "C": "job", "D": "properties"}} == merged


def test_other_spellings_of_a_key_are_the_same_key() -> None:
    merged = merge_profiles(
        {"pegasus": {"change_dir": "true"}, "dagman": {"retry": "3"}},
        {"pegasus": {"change.dir": "false"}},
        {
            "dagman": {"RETRY": "1", "abort_dag_on": "2"},
            "condor": {"+Foo": "x", "My.Bar": "y", "Request_CPUs": "2"},
        },
        {"pegasus": {"clusters_max_runtime": "5", "pmc_request_memory": "6"}},
    )

    assert {
        "pegasus": {"change.dir": "true", "clusters.maxruntime": "5", "pmc_request_memory": "6"},
        "dagman": {"RETRY": "3", "ABORT-DAG-ON": "2"},
        "condor": {"+Foo": "x", "My.Bar": "y", "request_cpus": "2"},
    } == merged


def test_only_the_job_chooses_its_site_and_executable() -> None:
    chosen = {"hints": {"execution_site": "a", "grid.jobtype": "compute"}}

    assert {"selector": {"grid.jobtype": "compute"}} == merge_profiles(chosen, chosen, {}, chosen)
    assert {"selector": {"execution.site": "b", "grid.jobtype": "compute"}} == merge_profiles(
        chosen, chosen, {"selector": {"execution.site": "b"}}, chosen
    )


def test_resources_come_with_their_units() -> None:
    assert Resources() == resources({})
    assert Resources(
        cores=4, memory_mb=2048, disk_mb=1000, gpus=1, runtime_s=90.0, checkpoint_s=120.0, max_wall_s=300.0,
        retries=0, priority=-5, category="big", success_messages=["all done"], failure_messages=["no such thing"],
    ) == resources(
        {
            "pegasus": {
                "cores": "4", "memory": "2 GB", "diskspace": "1000", "gpus": "1", "runtime": "90",
                "checkpoint.time": "2", "maxwalltime": "5",
                "exitcode.successmsg": "all+done", "exitcode.failuremsg": "no such+thing",
            },
            "dagman": {"RETRY": "0", "PRIORITY": "-5", "CATEGORY": "big"},
        }
    )  # fmt: skip


def test_condor_requests_win_over_those_of_pegasus() -> None:
    condor = {"request_cpus": "2", "request_memory": "3GB", "request_disk": "2048", "request_gpus": "1"}

    assert Resources(cores=2, memory_mb=3072, disk_mb=2, gpus=1) == resources({"condor": condor})
    assert 3072 == resources({"condor": condor, "pegasus": {"memory": "512"}}).memory_mb
    expression = {"request_memory": "ifThenElse(x, 1, 2)"}
    assert 512 == resources({"condor": expression, "pegasus": {"memory": "512"}}).memory_mb
    assert 0 == resources({"condor": {"request_memory": "ifThenElse(x, 1, 2)"}}).memory_mb


def test_a_value_that_is_no_amount_names_job_and_key() -> None:
    problems: list[Problem] = []

    found = resources(
        {"pegasus": {"memory": "lots", "cores": "0"}, "dagman": {"RETRY": "-1"}}, "ID7", problems
    )

    assert Resources() == found
    assert [
        ("profile pegasus.cores of job 'ID7' is '0'; it must be a whole number from 1", "change or remove pegasus.cores"),
        ("profile pegasus.memory of job 'ID7' is 'lots'; it must be an amount such as '2048' (MB) or '2 GB'", "change or remove pegasus.memory"),
        ("profile dagman.RETRY of job 'ID7' is '-1'; it must be a whole number from 0", "change or remove dagman.RETRY"),
    ] == [(problem.message, problem.hint) for problem in problems]  # fmt: skip
    with pytest.raises(
        DocumentError, match=r"profile pegasus.runtime is 'soon'; it must be a number of seconds"
    ):
        resources({"pegasus": {"runtime": "soon"}})


@pytest.mark.parametrize(
    ("text", "unit", "mb"),
    [("2048", "MB", 2048), ("2 GB", "MB", 2048), ("1g", "KB", 1024), ("1.5GiB", "MB", 1536), ("1", "KB", 1),
     ("1025", "KB", 2), ("1 TB", "MB", 1048576), ("1048577 B", "MB", 2), ("0", "MB", 0)],
)  # fmt: skip
def test_amounts(text: str, unit: str, mb: int) -> None:
    assert mb == amount_mb(text, unit)


@pytest.mark.parametrize("text", ["", "GB", "2 XB", "-1", "1 2", "2 GBs", "nan", "1e3", "2 BB"])
def test_no_amounts(text: str) -> None:
    with pytest.raises(ValueError):
        amount_mb(text, "MB")


def test_variables_with_which_no_program_can_be_started_are_problems() -> None:
    fits = {"A": "x" * (131_071 - len("A=")), "B": "y" * 131_000}
    problems: list[Problem] = []
    resources({"env": fits}, "a", problems)
    assert problems == []

    resources({"env": {"BIG": "é" * 65_534}}, "a", problems)
    assert ["environment variable 'BIG' of job 'a' is too long: 131,072 bytes of at most 131,071"] == [
        problem.message for problem in problems
    ]


def test_variables_that_are_too_long_together_are_a_problem() -> None:
    problems: list[Problem] = []
    resources({"env": {f"V{number}": "x" * 131_000 for number in range(49)}}, "a", problems)
    assert ["the environment of job 'a' is too long: 6,419,235 bytes of at most 6,291,456"] == [
        problem.message for problem in problems
    ]
