"""Containers that HTCondor starts: the image of the catalog becomes a command, and Markab starts none itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integration.tools import script
from kit.planned_workflow import Bench, MadePlan, task
from markab.errors import PlanningError
from markab.plan.model import Kind
from markab.planner import site_executors
from markab.planner.site_executors import EXECUTORS


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench whose program is in a container, and that has HTCondor."""
    monkeypatch.setattr(site_executors, "AVAILABLE", frozenset(EXECUTORS.values()))
    (tmp_path / "programs").mkdir()
    script(tmp_path / "programs" / "condor_submit", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    return Bench(tmp_path)


def planned(
    bench: Bench, condor: dict[str, str], pegasus: dict[str, str] | None = None, **box: Any
) -> MadePlan:
    path = str(bench.path / "pool")
    servers = [{"url": f"file://{path}", "operation": "all"}]
    profiles = {"pegasus": {"style": "condor", **(pegasus or {})}, "condor": condor}
    directory = {"type": "sharedScratch", "path": path, "fileServers": servers}
    bench.sites.append({"name": "pool", "directories": [directory], "profiles": profiles})
    at = {"name": "pool", "type": "installed", "pfn": "/bin/true"}
    bench.transformations[0]["sites"].append(at | ({"container": "box"} if box else {}))
    containers = [{"name": "box", "type": "docker", **box}] if box else []
    catalog = {"transformationCatalog": {"containers": containers, "transformations": []}}
    return bench.plan(task("a", makes="x"), sites=["pool"], workflow=catalog)


@pytest.mark.parametrize(
    ("universe", "type_", "image", "command"),
    [
        ("container", "docker", "docker:///rynge/montage:latest", "docker://rynge/montage:latest"),
        ("container", "singularity", "docker://alpine:3", "docker://alpine:3"),
        ("container", "singularity", "library://lab/box:1", "library://lab/box:1"),
        ("container", "singularity", "file:///images/box.sif", "/images/box.sif"),
        ("container", "singularity", "https://h.org/box.sif", "https://h.org/box.sif"),
        ("docker", "docker", "docker://alpine:3", "alpine:3"),
    ],
)
def test_the_image_of_the_catalog_is_named_to_htcondor_and_nothing_of_it_is_staged(
    bench: Bench, universe: str, type_: str, image: str, command: str
) -> None:
    made = planned(bench, {"universe": universe}, type=type_, image=image)

    job = made["tool_a"]
    assert job.batch is not None
    assert job.batch.attributes == {"universe": universe, f"{universe}_image": command}
    assert (job.tasks[0].container, job.inputs, job.tasks[0].executable) == (None, [], "/bin/true")
    assert not made.names(Kind.STAGE_IN) and not made.planned.warnings


def test_an_image_that_a_profile_names_goes_first_and_asks_for_its_universe(bench: Bench) -> None:
    made = planned(bench, {"container_image": "/cvmfs/own"}, type="docker", image="docker://alpine:3")

    job = made["tool_a"]
    assert job.batch is not None and job.batch.attributes == {"container_image": "/cvmfs/own"}
    assert job.tasks[0].container is None


def test_without_the_universe_markab_starts_the_container(bench: Bench) -> None:
    made = planned(bench, {}, type="docker", image="docker://alpine:3")

    assert made["tool_a"].tasks[0].container is not None


@pytest.mark.parametrize(
    ("universe", "box"),
    [
        ("container", {"type": "docker", "image": "file:///images/box.tar"}),
        ("container", {"type": "shifter", "image": "shifter:///alpine:3"}),
        ("docker", {"type": "singularity", "image": "library://lab/box:1"}),
    ],
)
def test_an_image_that_htcondor_cannot_use_is_refused(
    bench: Bench, universe: str, box: dict[str, str]
) -> None:
    with pytest.raises(PlanningError, match="HTCondor cannot use the image") as caught:
        planned(bench, {"universe": universe}, **box)
    assert f"condor.{universe}_image" in caught.value.problems[0].hint


def test_mounts_are_refused_and_profiles_of_markabs_own_containers_named(bench: Bench) -> None:
    box = {"type": "docker", "image": "docker://alpine:3", "mounts": ["/data:/data:ro"]}
    with pytest.raises(PlanningError, match=r"mounts of container 'box'.*cannot be asked for"):
        planned(bench, {"universe": "container"}, **box)
    pegasus = {"container.arguments": "--network none"}
    bench.sites.clear()
    bench.transformations[0]["sites"].pop()
    made = planned(bench, {"universe": "container"}, pegasus, type="docker", image="docker://alpine:3")

    assert "pegasus.container.arguments do nothing for container 'box'" in made.planned.warnings[0].message


@pytest.mark.parametrize("universe", ["container", "docker"])
def test_a_universe_of_containers_without_an_image_is_refused(bench: Bench, universe: str) -> None:
    with pytest.raises(PlanningError, match=f"universe '{universe}' is asked for, and no image"):
        planned(bench, {"universe": universe})
