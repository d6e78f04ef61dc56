"""Which program starts containers on a machine."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from markab.errors import TransferRefused
from markab.transfers.base import Cancelled
from markab.transfers.container_tool import ContainerTool, ToolFailed, find_tool


def program(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_docker_comes_before_podman_if_its_daemon_answers(bin_dir: Path) -> None:
    program(bin_dir, "podman", "echo podman version 4")
    program(bin_dir, "docker", 'case $1 in info) echo id;; *) echo "Docker version 20";; esac')
    assert find_tool("docker").name == "docker"


def test_podman_is_used_if_the_daemon_of_docker_does_not_answer(bin_dir: Path) -> None:
    program(bin_dir, "podman", "echo podman version 4")
    program(bin_dir, "docker", 'case $1 in info) exit 1;; *) echo "Docker version 20";; esac')
    assert find_tool("docker").name == "podman"
    assert find_tool("docker", "docker").name == "docker"


def test_a_docker_that_is_a_wrapper_of_podman_is_podman(bin_dir: Path) -> None:
    program(bin_dir, "docker", "echo podman version 4")
    found = find_tool("docker")
    assert (found.name, found.path) == ("podman", str(bin_dir / "docker"))


def test_a_missing_program_is_named_with_a_remedy(bin_dir: Path) -> None:
    with pytest.raises(TransferRefused, match="no program apptainer or singularity is on PATH") as caught:
        find_tool("singularity")
    assert "install apptainer" in caught.value.hint


def test_a_command_that_fails_has_its_last_line(bin_dir: Path) -> None:
    program(bin_dir, "podman", "echo first >&2; echo 'Error: last' >&2; exit 125")
    with pytest.raises(ToolFailed, match="`podman load` ended with exit code 125: Error: last"):
        ContainerTool(str(bin_dir / "podman"), "podman").run(["load"])


def test_a_command_is_ended_when_it_is_cancelled(bin_dir: Path) -> None:
    program(bin_dir, "podman", "exec /bin/sleep 100")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        ContainerTool(str(bin_dir / "podman"), "podman").run(["pull"], stop)
