"""What jobs ask of Kubernetes and AWS Batch, from profiles and containers to the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab.errors import PlanningError
from markab.planner import cloud_keys, site_executors
from markab.spec.profile_keys import KEYS, Effect

IMAGE = {"kubernetes.image": "ghcr.io/ada/science:3", "kubernetes.claim": "shared"}
AWS = {"aws.batch.job_queue": "main", "aws.batch.job_definition": "science:3"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def cloud(bench: Bench, style: str, pegasus: Entry | None = None, container: str = "", **more: Any) -> None:
    """Add a site `cloud`, where the one program of the tests is installed."""
    path = str(bench.path / "volume")
    directory = {
        "type": "sharedScratch",
        "path": path,
        "fileServers": [{"url": f"file://{path}", "operation": "all"}],
    }
    profiles = {"pegasus": {"style": style, **(pegasus or {})}, **more.pop("profiles", {})}
    bench.sites.append({"name": "cloud", "directories": [directory], "profiles": profiles, **more})
    at = {"name": "cloud", "type": "installed", "pfn": "/usr/bin/tool"}
    bench.transformations[0]["sites"].append(at | ({"container": container} if container else {}))


def kubernetes(bench: Bench, container: str = "", **profiles: str) -> None:
    given = {key.replace("__", "."): text for key, text in profiles.items()}
    cloud(bench, "kubernetes", container=container, profiles={"markab": given})


def planned(bench: Bench, *tasks: Entry, **options: Any) -> MadePlan:
    return bench.plan(*(tasks or (task("a"),)), **{"sites": ["cloud"], **options})


def problems(bench: Bench, *tasks: Entry, **options: Any) -> list[str]:
    with pytest.raises(PlanningError) as caught:
        planned(bench, *tasks, **options)
    return [one.message for one in caught.value.problems]


def add_container(bench: Bench, name: str, image: str, **keys: Any) -> None:
    bench.containers.append({"name": name, "type": "docker", "image": image, **keys})


def test_profiles_of_a_kubernetes_site_become_the_request_of_its_jobs(bench: Bench) -> None:
    kubernetes(bench, **IMAGE, kubernetes__namespace="science", kubernetes__account="runner")

    made = planned(bench)

    assert made.header.sites["cloud"].executor == "kubernetes"
    request = made["tool_a"].batch
    assert request is not None and request.attributes == {
        **IMAGE,
        "kubernetes.namespace": "science",
        "kubernetes.account": "runner",
        "kubernetes.mount": str(bench.path / "volume"),
    }


def test_a_transformation_asks_for_another_image_than_its_site(bench: Bench) -> None:
    kubernetes(bench, **IMAGE)
    bench.transformations[0]["profiles"] = {"markab": {"kubernetes.image": "other"}}

    made = planned(bench)

    assert made["tool_a"].batch.attributes["kubernetes.image"] == "other"  # type: ignore[union-attr]


def test_the_contact_of_a_kubernetes_site_is_a_context_of_the_kubeconfig(bench: Bench) -> None:
    gateway = {"type": "batch", "contact": "gke-science", "scheduler": "unknown", "jobtype": "compute"}
    cloud(bench, "kubernetes", profiles={"markab": IMAGE}, grids=[gateway])

    assert planned(bench).header.sites["cloud"].contact == "gke-science"


def test_the_image_of_a_container_is_that_of_the_pod_and_nothing_is_staged(bench: Bench) -> None:
    kubernetes(bench, container="tools", kubernetes__claim="shared")
    add_container(bench, "tools", "docker://ghcr.io/ada/tools:1")

    job = planned(bench)["tool_a"]

    assert job.batch.attributes["kubernetes.image"] == "ghcr.io/ada/tools:1"  # type: ignore[union-attr]
    assert job.tasks[0].container is None and not job.inputs
    assert job.tasks[0].executable == "/usr/bin/tool"


def test_an_image_that_is_a_file_cannot_be_that_of_a_pod(bench: Bench) -> None:
    kubernetes(bench, container="tools", kubernetes__claim="shared")
    (bench.path / "tools.tar").write_bytes(b"")
    add_container(bench, "tools", f"file://{bench.path}/tools.tar")

    (problem,) = problems(bench)

    assert "pulls images from a registry" in problem


def test_everything_that_a_kubernetes_site_lacks_is_said_at_once(bench: Bench) -> None:
    kubernetes(bench, kubernetes__mount="/elsewhere")

    found = problems(bench, task("a"), task("b"))

    assert len(found) == 3
    assert "nothing says which image its jobs run in" in found[0]
    assert "neither of the profiles markab.kubernetes.claim and markab.kubernetes.hostpath" in found[1]
    assert "is '/elsewhere', and its scratch directory" in found[2]


@pytest.mark.parametrize(("mount", "ok"), [("/", False), (".", False), ("", True), ("..", True)])
def test_the_volume_is_mounted_above_the_scratch_directory(bench: Bench, mount: str, ok: bool) -> None:
    volume = str(bench.path / "volume")
    text = {"..": str(bench.path), "": volume}.get(mount, mount)
    kubernetes(bench, **IMAGE, kubernetes__mount=text)

    if ok:
        assert planned(bench)["tool_a"].batch.attributes["kubernetes.mount"] == text  # type: ignore[union-attr]
    else:
        assert len(problems(bench)) == 1


def test_profiles_or_properties_of_aws_batch_become_the_request_of_its_jobs(bench: Bench) -> None:
    cloud(bench, "aws-batch", {"aws.batch.job_definition": "science:3"})
    properties = {"pegasus.aws.batch.job_queue": "main", "pegasus.aws.region": "eu-west-1"}

    made = planned(bench, properties=properties)

    site = made.header.sites["cloud"]
    assert (site.executor, site.contact) == ("aws-batch", "eu-west-1")
    request = made["tool_a"].batch
    assert request is not None and request.queue == "main"
    assert request.attributes == {"aws.batch.job_definition": "science:3"}


def test_a_region_of_the_site_wins_over_that_of_the_properties(bench: Bench) -> None:
    cloud(bench, "aws-batch", {**AWS, "aws.region": "us-east-2"})

    made = planned(bench, properties={"pegasus.aws.region": "eu-west-1"})

    assert made.header.sites["cloud"].contact == "us-east-2"


def test_the_queue_of_batch_systems_is_a_job_queue_too(bench: Bench) -> None:
    cloud(bench, "aws-batch", {"aws.batch.job_definition": "science:3", "queue": "spot"})

    assert planned(bench)["tool_a"].batch.queue == "spot"  # type: ignore[union-attr]


def test_everything_that_an_aws_batch_site_lacks_is_said_at_once(bench: Bench) -> None:
    cloud(bench, "aws-batch")

    found = problems(bench)

    assert ["nothing names a job queue" in found[0], "nothing names a job definition" in found[1]] == [
        True
    ] * 2


def test_a_container_needs_a_job_definition_of_its_own_at_aws_batch(bench: Bench) -> None:
    cloud(bench, "aws-batch", AWS, container="tools")
    add_container(bench, "tools", "docker://ghcr.io/ada/tools:1")

    (problem,) = problems(bench)
    assert "a job definition has the image" in problem

    bench.containers[0]["profiles"] = {"pegasus": {"aws.batch.job_definition": "tools:1"}}
    job = planned(bench)["tool_a"]
    assert job.batch.attributes == {"aws.batch.job_definition": "tools:1"}  # type: ignore[union-attr]
    assert job.tasks[0].container is None


def test_a_package_that_is_missing_is_said_when_planning(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud(bench, "aws-batch", AWS)
    monkeypatch.setitem(site_executors.LIBRARIES, "aws-batch", ("no_such_package", "aws"))

    (problem,) = problems(bench)

    assert "asks for AWS Batch, and the package 'no_such_package' is not installed" in problem


def test_a_staging_site_that_containers_do_not_see_is_refused(bench: Bench) -> None:
    kubernetes(bench, **IMAGE)

    (problem,) = problems(
        bench, staging_sites={"cloud": "local"}, properties={"pegasus.data.configuration": "nonsharedfs"}
    )

    assert "see only what their containers mount" in problem


def test_tasks_with_different_images_cannot_be_one_job(bench: Bench) -> None:
    kubernetes(bench, **IMAGE)
    label = {"pegasus": {"label": "one"}}
    (tool,) = bench.transformations
    bench.transformations.append(
        {**tool, "name": "other", "profiles": {"markab": {"kubernetes.image": "other"}}}
    )
    tasks = [task("a", profiles=label), task("b", tool="other", profiles=label)]

    (problem,) = problems(bench, *tasks, cluster=["label"])

    assert "differ in markab.kubernetes.image, and a job runs in one container" in problem


def test_profiles_that_mean_nothing_there_are_said_to_do_nothing(bench: Bench) -> None:
    kubernetes(bench, **IMAGE)
    asked = {"pegasus": {"queue": "long", "project": "p", "cores": "2"}, "condor": {"requirements": "X"}}

    made = planned(bench, task("a", profiles=asked))

    (warning,) = [one.message for one in made.planned.warnings if "Kubernetes" in one.message]
    assert "pegasus.queue" in warning and "pegasus.project" in warning and "condor.requirements" in warning
    assert "kubernetes.image" not in warning


def test_profiles_of_a_cloud_are_said_to_do_nothing_elsewhere(bench: Bench) -> None:
    made = bench.plan(
        task("a", profiles={"markab": {"kubernetes.image": "x"}, "pegasus": {"aws.region": "y"}})
    )

    (warning,) = [one.message for one in made.planned.warnings if "do nothing" in one.message]
    assert "markab.kubernetes.image" in warning and "pegasus.aws.region" in warning


def test_every_profile_of_a_cloud_is_known() -> None:
    known = {(namespace, key) for namespace in ("pegasus", "markab") for key in KEYS[namespace]}
    ours = {one for one in known if cloud_keys.is_cloud_key(*one)}

    assert {("markab", key) for key in cloud_keys.KUBERNETES_KEYS} <= ours
    assert {("pegasus", cloud_keys.QUEUE), ("pegasus", cloud_keys.DEFINITION)} <= ours
    assert all(KEYS[namespace][key] is Effect.BATCH for namespace, key in ours)
