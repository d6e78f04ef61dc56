"""The table of styles, gateways and schedulers."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.tools import script
from markab.planner import site_executors
from markab.planner.site_executors import (
    BATCH_SYSTEMS,
    EXECUTORS,
    HTCONDOR,
    PROGRAMS,
    TITLES,
    contact_of,
    executor_of,
    missing_submit_program,
    requested_executor,
)
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
        (site("ssh", "batch", "slurm"), "slurm"),
        (site("", "sge", "unknown"), "sge"),
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
        ("ssh", "pbs ssh"),
        ("bosco", "pbs ssh"),
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


@pytest.fixture
def all_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let every executor exist, on a machine without any of their programs; return a directory that is on PATH."""
    monkeypatch.setattr(site_executors, "AVAILABLE", frozenset(EXECUTORS.values()))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CONDOR_CONFIG", raising=False)
    return tmp_path


@pytest.mark.parametrize("described", [site(), site("condor"), site("glideinwms"), site("unheard-of")])
def test_a_site_is_one_of_htcondor_by_convention_only_where_that_is_installed(
    described: Site, all_exist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert executor_of(described) == "local" and not missing_submit_program(described)
    script(all_exist / "condor_submit", "#!/bin/sh\n")
    assert executor_of(described) == "htcondor" and not missing_submit_program(described)
    (all_exist / "condor_submit").unlink()
    monkeypatch.setenv("CONDOR_CONFIG", "/pool/client.config")
    assert executor_of(described) == "htcondor" and not missing_submit_program(described)


@pytest.mark.parametrize(
    ("described", "program"),
    [
        (site("glite", "batch", "slurm"), "sbatch"),
        (site("glite", "batch", "pbs"), "qsub"),
        (site("", "lsf"), "bsub"),
        (site("glite", "batch", "flux"), "flux"),
        (site("ssh", "batch", "slurm"), "ssh"),
        (site("condorc", "condor"), "condor_submit"),
    ],
)
def test_what_a_site_says_itself_holds_also_where_its_program_is_missing(
    described: Site, program: str, all_exist: Path
) -> None:
    assert executor_of(described) == requested_executor(described)
    assert missing_submit_program(described) == program
    script(all_exist / program, "#!/bin/sh\n")
    assert missing_submit_program(described) == ""


@pytest.mark.parametrize(
    ("described", "contact"),
    [
        (site("glite", "batch", "slurm"), ""),
        (site("", "batch", "slurm"), ""),
        (site("ssh", "batch", "slurm"), "host"),
        (site("bosco", "batch", "sge"), "host"),
        (site("", "condor"), "host"),
        (site("condor", "condor"), ""),
        (site("ssh"), ""),
        (Site("c", grids=[Grid("batch", "localhost", "slurm")], profiles={"pegasus": {"style": "ssh"}}), ""),
    ],
)
def test_the_contact_of_a_gateway_counts_where_jobs_go_through_it(described: Site, contact: str) -> None:
    assert contact_of(described) == contact


def test_every_executor_with_a_program_has_a_title() -> None:
    assert set(PROGRAMS) == BATCH_SYSTEMS | {HTCONDOR} and set(PROGRAMS) <= set(TITLES)
