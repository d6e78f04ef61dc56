"""Memory that ran out in a container is told, if the program that started it says so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kit.fake_podman import FakePodman
from markab.transfers.container_tool import ContainerTool
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared
from markab.worker.container_removal import out_of_memory_in
from markab.worker.finish import _judge_memory_of_containers

BOX = {"name": "box", "type": "docker", "image": "box", "arguments": ["--memory=64m"]}


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePodman:
    return FakePodman(tmp_path / "podman", monkeypatch)


def errors_of(podman: FakePodman, status: int, bounded: list[str]) -> list[str]:
    tool = ContainerTool(str(podman.directory / "bin" / "podman"), "podman")
    prepared: Any = SimpleNamespace(
        invocations=[{"task": "t", "status": status}],
        job={"tasks": [{"id": "t", "container": BOX}]},
        bounded_containers=bounded,
        containers={"box": SimpleNamespace(tool=tool)},
        errors=[],
    )
    _judge_memory_of_containers(cast(Prepared, prepared))
    return [error.kind for error in prepared.errors]


def test_a_task_that_was_killed_where_memory_ran_out_lacked_memory(podman: FakePodman) -> None:
    podman.says("true")

    assert errors_of(podman, 137 << 8, ["markab-x"]) == [ErrorKind.MEMORY]
    assert errors_of(podman, 3 << 8, ["markab-x"]) == [], "it ended by itself"
    assert errors_of(podman, 137 << 8, []) == [], "its container has no bound"


@pytest.mark.parametrize("state", ["false", ""])
def test_what_the_program_does_not_say_is_not_said(podman: FakePodman, state: str) -> None:
    if state:
        podman.says(state)

    assert errors_of(podman, 137 << 8, ["markab-x"]) == []
    assert not out_of_memory_in([], "podman")
