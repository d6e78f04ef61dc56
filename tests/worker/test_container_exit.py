"""Exit codes of the program that starts a container, told apart from those of the task."""

from __future__ import annotations

import pytest

from markab.worker.container_exit import container_error

PODMAN = "Error: runc: runc create failed: unable to start container process: "


@pytest.mark.parametrize(
    ("code", "printed", "kind"),
    [
        (125, "Error: localhost/x:1: image not known\n", "container"),
        (125, "docker: Error response from daemon: Conflict.\n", "container"),
        (126, PODMAN + 'exec: "/etc/passwd": permission denied\n', "not-executable"),
        (127, PODMAN + 'exec: "/nope": stat /nope: no such file or directory\n', "no-program"),
        (125, "Error: creating container storage: no space left on device\n", "storage"),
        (1, "write failed: No space left on device\n", "storage"),
    ],
)
def test_errors_of_the_program_are_told_by_what_it_prints(code: int, printed: str, kind: str) -> None:
    error = container_error("t", "box", code, "output of the task\n" + printed)
    assert error is not None
    assert error.kind == kind


@pytest.mark.parametrize("code", [1, 3, 125, 126, 127, 137])
def test_codes_of_a_task_are_its_own(code: int) -> None:
    assert container_error("t", "box", code, "sh: nosuch: not found\n") is None
