"""Containers in a plan: the image is an input, staged once; each task says how it is run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from kit.fake_podman import FakePodman
from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab.errors import PlanningError
from markab.plan.model import Kind


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench whose program is in a container."""
    FakePodman(tmp_path / "podman", monkeypatch)
    (tmp_path / "tool.tar").write_bytes(b"an image")
    made = Bench(tmp_path)
    made.transformations[0]["sites"][0] |= {"container": "box", "pfn": "/in/the/image"}
    return made


def planned(bench: Bench, *tasks: Entry, properties: str = "", **container: Any) -> MadePlan:
    (bench.path / "pegasus.properties").write_text(properties)
    box = {"name": "box", "type": "docker", "image": f"file://{bench.path}/tool.tar", **container}
    catalog = {"transformationCatalog": {"containers": [box], "transformations": []}}
    return bench.plan(*tasks, workflow=catalog)


def problems(bench: Bench, **container: Any) -> list[str]:
    with pytest.raises(PlanningError) as caught:
        planned(bench, task("a"), **container)
    return [problem.message for problem in caught.value.problems]


def test_an_image_is_staged_once_for_all_jobs_and_linked(bench: Bench) -> None:
    sha256 = hashlib.sha256(b"an image").hexdigest()
    made = planned(bench, task("a", makes="x"), task("b", reads="x"), checksum={"sha256": sha256})

    transfers = [one for job in made.jobs for one in job.transfers if one.lfn == "box"]
    assert [(one.sha256, one.link, len(one.sources)) for one in transfers] == [(sha256, True, 1)]
    for job in ("tool_a", "tool_b"):
        [image] = [one for one in made[job].inputs if one.image]
        assert (image.lfn, image.sha256, image.sources) == ("box", sha256, [])
        assert made[job].tasks[0].executable == "/in/the/image"
    assert "stage_in_local_local_0_0" in made.ancestors("tool_b")


def test_the_image_is_removed_and_unloaded_after_its_last_job(bench: Bench) -> None:
    made = planned(bench, task("a", makes="x"), task("b", reads="x"))

    [cleanup] = [job for job in made.jobs if job.unloads]
    assert ("box" in cleanup.removes, cleanup.unloads) == (True, {"box": ""})
    assert {"tool_a", "tool_b"} <= made.ancestors(cleanup.id)


def test_an_image_of_a_registry_is_pulled_by_a_job_of_its_own_also_with_bypass(bench: Bench) -> None:
    bench.has("in")
    made = planned(
        bench,
        task("a", reads="in"),
        image="docker:///lab/tool:1",
        bypass=True,
        properties="pegasus.transfer.bypass.input.staging = true\n",
    )

    [pull] = [job for job in made.jobs if any(one.lfn == "box" for one in job.transfers)]
    assert [one.lfn for one in pull.transfers] == ["box"]
    assert [place.url for place in pull.transfers[0].sources] == ["docker:///lab/tool:1"]


def test_an_image_that_bypasses_the_staging_site_is_fetched_by_the_job(bench: Bench) -> None:
    made = planned(bench, task("a"), image="https://data.invalid/tool.tar", bypass=True)

    [image] = [one for one in made["tool_a"].inputs if one.image]
    assert [place.url for place in image.sources] == ["https://data.invalid/tool.tar"]
    assert made.names(Kind.STAGE_IN) == []


def test_profiles_and_mounts_are_in_the_task(bench: Bench) -> None:
    pegasus = {
        "container.arguments": "--shm-size=2g -e A='b c'",
        "container.launcher": "srun",
        "container.launcher.arguments": "-n 1",
        "container.program": "podman",
    }
    mount = f"{bench.path}:/data:ro"
    made = planned(bench, task("a"), mounts=[mount], profiles={"pegasus": pegasus, "env": {"IN": "box"}})

    found = made["tool_a"].tasks[0]
    assert found.container is not None
    assert found.container.arguments == ["--shm-size=2g", "-e", "A=b c"]
    assert found.container.launcher == ["srun", "-n", "1"]
    assert (found.container.mounts, found.container.program) == ([mount], "podman")
    assert found.env["IN"] == "box"


def test_a_directory_as_an_image_is_used_where_it_is(bench: Bench) -> None:
    (bench.path / "rootfs").mkdir()
    made = bench_plan_singularity(bench, f"{bench.path}/rootfs")

    container = made["tool_a"].tasks[0].container
    assert container is not None
    assert (container.image, container.is_staged) == (f"{bench.path}/rootfs", False)
    assert made["tool_a"].inputs == []


def bench_plan_singularity(bench: Bench, image: str) -> MadePlan:
    program = bench.path / "podman" / "bin" / "apptainer"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return planned(bench, task("a"), type="singularity", image=image)


def test_an_image_of_singularity_keeps_the_end_of_its_name(bench: Bench) -> None:
    (bench.path / "tool.img").write_bytes(b"")
    made = bench_plan_singularity(bench, f"{bench.path}/tool.img")
    assert [one.lfn for one in made["tool_a"].inputs] == ["box.img"]
    assert not any(job.unloads for job in made.jobs)


def test_with_sharedfs_inputs_are_no_links_which_a_container_cannot_follow(bench: Bench) -> None:
    bench.has("in")
    properties = "pegasus.data.configuration = sharedfs\npegasus.transfer.links = true\n"
    bench.sites.append(
        {
            "name": "condorpool",
            "directories": [
                {
                    "type": "sharedScratch",
                    "path": f"{bench.path}/pool",
                    "fileServers": [{"url": f"file://{bench.path}/pool", "operation": "all"}],
                }
            ],
        }
    )
    made = planned(bench, task("a", reads="in"), properties=properties)
    links = {one.lfn: one.link for job in made.jobs for one in job.transfers}
    assert links["in"] is False


def test_what_is_wrong_with_a_container_is_told_at_once(bench: Bench) -> None:
    found = problems(
        bench,
        image=f"file://{bench.path}/none.tar",
        mounts=[f"{bench.path}/none:/data"],
        profiles={"pegasus": {"container.arguments": "--privileged", "container.program": "qemu"}},
    )

    assert [
        "the program 'qemu' cannot start container 'box' (needed by task 'a')",
        f"mount '{bench.path}/none:/data' of container 'box': there is no '{bench.path}/none' (needed by task 'a')",
        "the arguments of container 'box' have the option '--privileged' (needed by task 'a')",
    ] == found
    assert [
        f"the image of container 'box' is at '{bench.path}/none.tar', and there is no such file (needed by task 'a')"
    ] == problems(bench, image=f"file://{bench.path}/none.tar")


def test_a_mount_behind_a_link_is_what_it_is(bench: Bench) -> None:
    (bench.path / "link").symlink_to("/proc")
    [message] = problems(bench, mounts=[f"{bench.path}/link:/data:ro"])
    assert "has the source '/proc', by which a program could change the machine" in message


def test_an_image_and_a_file_of_one_name_are_told_apart(bench: Bench) -> None:
    bench.has("box")
    with pytest.raises(
        PlanningError, match="image 'box' is staged under the name of an input file"
    ) as caught:
        planned(bench, task("a", reads="box"))
    assert "rename the file or the container" in caught.value.problems[0].hint


def test_an_image_that_a_job_builds_is_an_input_of_those_that_run_in_it(bench: Bench) -> None:
    bench.transformations.append({"name": "build", "sites": [dict(bench.transformations[0]["sites"][0])]})
    del bench.transformations[1]["sites"][0]["container"]
    bench.transformations[1]["sites"][0]["pfn"] = str(bench.path / "bin" / "tool")
    made = planned(
        bench, task("b", makes="box.tar", tool="build"), task("a", reads="box.tar"), image="lfn://box.tar"
    )

    [image] = made["tool_a"].inputs
    assert (image.lfn, image.image) == ("box.tar", True)
    assert made.parents("tool_a") >= {"build_b"}
    container = made["tool_a"].tasks[0].container
    assert container is not None
    assert (container.image, container.is_staged) == ("box.tar", True)
    [cleanup] = [job for job in made.jobs if job.unloads]
    assert cleanup.unloads == {"box.tar": ""}


def test_a_task_has_to_read_the_image_that_a_job_builds(bench: Bench) -> None:
    [message] = problems(bench, image="lfn://box.tar")
    assert message == (
        "the container of task 'a' has the image 'box.tar', a file of the workflow that the task does not read"
    )


def test_with_reuse_by_content_the_image_and_its_arguments_count(bench: Bench) -> None:
    def content(reads: str = "", **container: Any) -> Any:
        properties = f"markab.reuse.policy = content\nmarkab.reuse.index = {bench.path}/r.db\n"
        properties += f"markab.reuse.store = {bench.path}/store\n"
        made = planned(bench, task("a", makes="x"), properties=properties, **container)
        return made["tool_a"].tasks[0].content

    first = content()
    assert first.known == {"box": hashlib.sha256(b"an image").hexdigest()}
    more = content(profiles={"pegasus": {"container.arguments": "--init"}})
    assert more.recipe != first.recipe
    assert content(mounts=[f"{bench.path}:/data:ro"]) is None
    (bench.path / "tool.tar").write_bytes(b"another image")
    other = content()
    assert (other.recipe, other.known != first.known) == (first.recipe, True)


def test_an_image_of_another_site_goes_through_the_staging_site_also_with_bypass(bench: Bench) -> None:
    made = planned(bench, task("a"), bypass=True)
    [image] = [one for one in made["tool_a"].inputs if one.image]
    assert image.sources == []


def test_a_credential_that_the_container_does_not_have_is_refused(bench: Bench) -> None:
    (bench.path / "proxy").write_text("secret")
    (bench.path / "proxy").chmod(0o600)
    with pytest.raises(PlanningError, match="is a file of this machine, and not in the container"):
        planned(bench, task("a", profiles={"pegasus": {"X509_USER_PROXY": "proxy"}}))
