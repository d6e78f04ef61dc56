"""The table of styles, gateways and schedulers."""

from __future__ import annotations

import pytest

from markab.planner import site_executors
from markab.planner.site_executors import EXECUTORS, executor_of, requested_executor
from markab.spec.model import Grid, Site


def site(style: str = "", gateway: str = "", scheduler: str = "", name: str = "cluster") -> Site:
    profiles = {"pegasus": {"style": style}} if style else {}
    return Site(name, grids=[Grid(gateway, "host", scheduler)] if gateway else [], profiles=profiles)


@pytest.mark.parametrize(
    ("described", "executor"),
    [
        (site(name="local"), "local"),
        (site(), "htcondor"),
        (site("condor"), "htcondor"),
        (site("glite", "batch", "slurm"), "slurm"),
        (site("GLITE", "batch", "Slurm"), "slurm"),
        (site("glite", "batch", "unheard-of"), "batch"),
        (site("glite"), "batch"),
        (site("ssh", "batch", "slurm"), "ssh"),
        (site("", "cream", "lsf"), "cream"),
        (site("", "condor", "unknown"), "htcondor"),
        (site("", "batch", "pbs"), "pbs"),
        (site("unheard-of"), "htcondor"),
    ],
)
def test_style_gateway_and_scheduler_say_the_executor(described: Site, executor: str) -> None:
    assert executor == requested_executor(described)


@pytest.mark.parametrize(
    ("gateways", "executor"),
    [
        ("condor", "htcondor"),
        ("cream", "cream"),
        ("gt2 gt4 gt5", "globus"),
        ("batch pbs lsf sge", "slurm"),
        ("unheard-of", "htcondor"),
    ],
)
def test_every_type_of_gateway_says_the_style_where_none_is_set(gateways: str, executor: str) -> None:
    for gateway in gateways.split():
        assert executor == requested_executor(site("", gateway.upper(), "slurm")), gateway


@pytest.mark.parametrize(
    ("style", "executors"),
    [
        ("local", "local local"),
        ("condor", "htcondor htcondor"),
        ("condorc", "htcondor htcondor"),
        ("glideinwms", "htcondor htcondor"),
        ("glite", "pbs batch"),
        ("ssh", "ssh ssh"),
        ("bosco", "ssh ssh"),
        ("creamce", "cream cream"),
        ("globus", "globus globus"),
        ("panda", "panda panda"),
    ],
)
def test_every_style_has_its_executor(style: str, executors: str) -> None:
    found = [requested_executor(site(style, "batch", scheduler)) for scheduler in ("pbs", "unheard-of")]
    assert executors.split() == found


@pytest.mark.parametrize("scheduler", ["slurm", "pbs", "sge", "lsf", "cobalt", "moab", "flux"])
def test_every_scheduler_of_style_glite_has_its_executor(scheduler: str) -> None:
    assert scheduler == requested_executor(site("glite", "batch", scheduler))


def test_a_gateway_for_compute_jobs_comes_before_one_for_auxiliary_jobs() -> None:
    described = Site(
        "c",
        grids=[Grid("batch", "h", "pbs", "auxillary"), Grid("batch", "h", "slurm", "compute")],
        profiles={"pegasus": {"style": "glite"}},
    )

    assert "slurm" == requested_executor(described)


def test_jobs_of_a_site_run_on_this_machine_unless_its_executor_exists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(site_executors, "AVAILABLE", frozenset({"local", "slurm"}))
    for style, scheduler in EXECUTORS:
        described = site(style, "batch", scheduler or "other")
        expected = "slurm" if requested_executor(described) == "slurm" else "local"
        assert expected == executor_of(described)
