"""The command lines that run a task in a container: recorded, word by word."""

from __future__ import annotations

from typing import Any

import pytest

from markab.transfers.container_tool import ContainerTool
from markab.worker.container_command import (
    ContainerRun,
    container_command,
    container_name,
    container_names,
    environ_inside,
)

UUID = "0b6e2f1c-1111-4222-8333-944455556666"


def run(program: str, image: str = "img", **keys: Any) -> ContainerRun:
    return ContainerRun(
        ContainerTool(f"/usr/bin/{program}", program),
        image,
        keys.pop("directory", "/work/job.1"),
        keys.pop("environ", {"A": "it's; $B"}),
        "markab-x",
        f"{UUID}/job/1",
        **keys,
    )


def box(type_: str, **keys: Any) -> dict[str, Any]:
    return {"name": "box", "type": type_, "image": "box", **keys}


def test_docker_runs_a_task_as_its_user_in_the_directory_of_the_job() -> None:
    container = box("docker", mounts=["/data:/data:ro"], arguments=["--shm-size=2g"])

    words, environ = container_command(
        container, run("docker", uid=7, gid=8), ["./tool", "-n", "a b; rm -rf /"]
    )

    assert words == [
        *("/usr/bin/docker", "run", "--rm", "--name", "markab-x", "--label", f"markab.attempt={UUID}/job/1"),
        *("--pull", "never", "--log-driver", "none", "--user", "7:8"),
        *("--mount", 'type=bind,"source=/work/job.1",target=/scratch', "--volume", "/data:/data:ro"),
        *("--env", "A=it's; $B", "--env", "HOME=/scratch", "--shm-size=2g"),
        *("--workdir", "/scratch", "--entrypoint", "./tool", "img", "-n", "a b; rm -rf /"),
    ]
    assert environ == {}


def test_a_container_with_a_bound_on_memory_stays_to_be_asked_and_the_bound_grows_with_the_job() -> None:
    def words(*arguments: str, memory_mb: int = 0) -> list[str]:
        container = box("docker", arguments=list(arguments))
        return container_command(container, run("podman", memory_mb=memory_mb), ["t"])[0]

    assert "--rm" in words("--shm-size=2g", memory_mb=512)
    for arguments, grown in (
        (["--memory=64m"], ["--memory=512m"]),
        (["--memory", "65536k", "--memory-swap", "1g"], ["--memory", "512m", "--memory-swap", "1g"]),
        (["-m", "64M"], ["-m", "512m"]),
        (["-m64m"], ["-m512m"]),
        (["--memory=1g"], ["--memory=1g"]),
        (["--memory=much", "--memory-swap=-1"], ["--memory=much", "--memory-swap=-1"]),
    ):
        found = words(*arguments, memory_mb=512)
        at = found.index(grown[0])
        assert "--rm" not in found and found[at : at + len(grown)] == grown
        assert all(word in words(*arguments) for word in arguments), (
            "a job that asks for no memory changes nothing"
        )


def test_podman_without_root_keeps_the_id_of_the_user() -> None:
    def words(**keys: Any) -> list[str]:
        return container_command(box("docker"), run("podman", **keys), ["t"])[0]

    assert "keep-id" in words(uid=7)
    assert "keep-id" not in words(uid=0)


@pytest.mark.parametrize(
    ("type_", "program", "switch"),
    [
        ("docker", "docker", ["--gpus", "all"]),
        ("docker", "podman", ["--device", "nvidia.com/gpu=all"]),
        ("singularity", "apptainer", ["--nv"]),
    ],
)
def test_gpus_are_in_the_container_when_the_job_requests_them(
    type_: str, program: str, switch: list[str]
) -> None:
    with_gpus, _ = container_command(box(type_), run(program, gpus=2), ["t"])
    without, _ = container_command(box(type_), run(program), ["t"])

    assert [word for word in with_gpus if word not in without] == switch


def test_apptainer_gets_variables_by_names_of_its_own() -> None:
    container = box("singularity", mounts=["/cvmfs:/cvmfs"], launcher=["srun", "-n", "1"])

    words, environ = container_command(container, run("apptainer", "/scratch/box.sif"), ["/bin/tool", "x"])

    assert words == [
        *("srun", "-n", "1", "/usr/bin/apptainer", "exec", "--no-home"),
        *("--bind", "/work/job.1:/srv", "--pwd", "/srv", "--bind", "/cvmfs:/cvmfs"),
        *("/scratch/box.sif", "/bin/tool", "x"),
    ]
    assert environ == {"APPTAINERENV_A": "it's; $B"}
    assert container_command(container, run("singularity"), ["t"])[1] == {"SINGULARITYENV_A": "it's; $B"}


def test_shifter_names_the_image_in_its_registry() -> None:
    words, environ = container_command(box("shifter"), run("shifter", "lab/tool:1"), ["tool", "x"])

    assert words == [
        *("/usr/bin/shifter", "--image=docker:lab/tool:1", "--volume=/work/job.1:/srv", "--env=A=it's; $B"),
        *("--workdir=/srv", "--", "tool", "x"),
    ]
    assert environ == {}


def test_the_path_of_a_directory_cannot_become_another_mount() -> None:
    words, _ = container_command(box("docker"), run("docker", directory='/w,target=/etc,"x'), ["t"])
    assert 'type=bind,"source=/w,target=/etc,""x",target=/scratch' in words

    with pytest.raises(ValueError, match="':' and ',' have a meaning in a mount"):
        container_command(box("singularity"), run("apptainer", directory="/w:/etc"), ["t"])


def test_names_of_containers_are_plain_and_differ_for_each_attempt_and_task() -> None:
    def spec(job: str, attempt: int = 1, *tasks: str) -> dict[str, Any]:
        made = [{"id": task, "container": box("docker")} for task in tasks]
        return {"uuid": UUID, "attempt": attempt, "job": {"id": job, "tasks": made}}

    names = [
        container_name(spec("a b"), "t"),
        container_name(spec("a;b"), "t"),
        container_name(spec("a b", 2), "t"),
        container_name(spec("a b"), "u"),
    ]
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"markab-{UUID}-a-b-") for name in names)
    assert container_names(spec("j", 1, "t", "u")) == [
        container_name(spec("j"), "t"),
        container_name(spec("j"), "u"),
    ]


def test_directories_in_the_environment_are_those_in_the_container() -> None:
    own = {"PWD": "/work/job.1", "_PEGASUS_INITIAL_DIR": "/scratch/run", "A": "b"}
    assert environ_inside(box("docker"), own) == {
        "PWD": "/scratch",
        "_PEGASUS_INITIAL_DIR": "/scratch",
        "A": "b",
    }
    assert environ_inside(box("shifter"), own)["PWD"] == "/srv"
