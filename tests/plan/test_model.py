"""What the structs of the plan say by themselves."""

from __future__ import annotations

import msgspec

from markab.plan.model import (
    FORMAT,
    Header,
    PlannedJob,
    PlannedTask,
    PlanSite,
    TaskContainer,
    local_directory,
)
from markab.plan.plan_file import JobOutline


def test_the_header_says_which_sites_are_local() -> None:
    sites = {
        "local": PlanSite(),
        "pool": PlanSite("htcondor"),
        "here": PlanSite(scratch=local_directory("here", "/s")),
    }

    assert frozenset({"local", "here"}) == Header(FORMAT, "w", 0, sites=sites).local_sites


def test_fields_that_no_executor_uses_yet_are_left_out_of_the_plan() -> None:
    plain = msgspec.to_builtins(PlannedTask("a", "t", "/bin/true"))
    special = PlannedTask(
        "a", "t", "/bin/true", container=TaskContainer("box", "docker", "box"), environment="env"
    )

    assert {"id": "a", "transformation": "t", "executable": "/bin/true"} == plain
    assert {
        **plain,
        "container": {"name": "box", "type": "docker", "image": "box"},
        "environment": "env",
    } == msgspec.to_builtins(special)


def test_the_outline_of_a_job_has_the_defaults_of_the_job() -> None:
    whole = {field.name: field for field in msgspec.structs.fields(PlannedJob)}

    for field in msgspec.structs.fields(JobOutline):
        job_field = whole[field.name]
        assert field.type == job_field.type
        if not job_field.required:
            assert (field.default, field.default_factory) == (job_field.default, job_field.default_factory)
