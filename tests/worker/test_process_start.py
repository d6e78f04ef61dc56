"""Processes that cannot be started, and streams that cannot be connected."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from markab.transfers.checksum import Verified
from markab.worker.attempt import Prepared
from markab.worker.attempt_spec import make_spec
from markab.worker.failure import AttemptFailed
from markab.worker.invocation import Process, next_series, open_streams, record_failed_start
from markab.worker.prepare import prepare


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Prepared]:
    (tmp_path / "work").mkdir()
    (tmp_path / "scratch").mkdir()
    job = {"id": "j", "kind": "compute", "site": "s", "tasks": [{"id": "ID1", "executable": "/bin/true"}]}
    spec = make_spec(
        job=job,
        attempt=1,
        scratch=str(tmp_path / "scratch"),
        work=str(tmp_path / "work"),
        uuid="u",
        workflow="w",
    )
    made = prepare(spec, Verified(), {"KEPT": "yes"})
    yield made
    assert made.directory is not None
    made.directory.close()


def process(prepared: Prepared, **task: Any) -> Process:
    prepared.job["tasks"][0].update(task)
    found = next_series(prepared)
    assert found, prepared.errors
    return found[0]


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_streams_are_files_of_the_attempt_or_what_is_given(prepared: Prepared) -> None:
    (Path(prepared.cwd) / "in").write_text("read")
    connected = process(prepared, stdin="in", stdout="d/out")

    (stdin, stdout, stderr), opened = open_streams(connected, (100, 101, 102))

    assert opened == [stdin, stdout] and stderr == 102
    assert os.read(stdin, 9) == b"read"
    os.write(stdout, b"written")
    assert (Path(prepared.cwd) / "d/out").read_text() == "written"
    for fd in opened:
        os.close(fd)


def test_both_streams_in_one_file_share_their_place_in_it(prepared: Prepared) -> None:
    streams, opened = open_streams(process(prepared, stdout="log", stderr="log"), (100, 101, 102))

    assert streams == (100, opened[0], opened[0])
    os.close(opened[0])


@pytest.mark.parametrize(
    ("streams", "kind", "message"),
    [
        (
            {"stdin": "none"},
            "missing-input",
            "the stdin of task 'ID1' cannot be connected to '{cwd}/none': No such",
        ),
        (
            {"stdin": "fifo"},
            "missing-input",
            "the stdin of task 'ID1' cannot be connected to '{cwd}/fifo': Not a",
        ),
        ({"stdin": "in", "stdout": "folder"}, "storage", "the stdout of task 'ID1' cannot be connected"),
        ({"stdin": "in", "stdout": "out", "stderr": "link"}, "storage", "the stderr of task 'ID1' cannot be"),
    ],
)
def test_a_stream_that_cannot_be_connected_leaves_nothing_open_and_is_never_waited_for(
    prepared: Prepared, streams: dict[str, str], kind: str, message: str
) -> None:
    directory = Path(prepared.cwd)
    (directory / "in").touch()
    (directory / "folder").mkdir()
    (directory / "link").symlink_to("/dev/null")
    os.mkfifo(directory / "fifo")
    connected = process(prepared, **streams)
    before = open_descriptors()

    with pytest.raises(AttemptFailed) as caught:
        open_streams(connected, (100, 101, 102))

    assert caught.value.kind == kind and message.format(cwd=prepared.cwd) in str(caught.value)
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("content", "mode", "code", "kind", "message"),
    [
        (None, 0, errno.ENOENT, "no-program", "program '{path}' of task 'ID1' does not exist"),
        ("", 0o644, errno.EACCES, "not-executable", "program '{path}' of task 'ID1' is not executable"),
        (
            "echo",
            0o755,
            errno.ENOEXEC,
            "not-executable",
            "program '{path}' of task 'ID1' is neither a binary for this machine nor a script",
        ),
        (
            "#! /no/sh -e\n",
            0o755,
            errno.ENOENT,
            "no-program",
            "the interpreter '/no/sh' in the first line of '{path}' (task 'ID1') does not exist",
        ),
        (
            "#!/etc/passwd\n",
            0o755,
            errno.EACCES,
            "not-executable",
            "the interpreter '/etc/passwd' in the first line of '{path}' (task 'ID1') cannot be executed",
        ),
        (
            "\x7fELF",
            0o755,
            errno.ENOENT,
            "no-program",
            "the loader of program '{path}' (task 'ID1') is not on",
        ),
        (
            "#!/bin/sh\n",
            0o755,
            errno.EAGAIN,
            "internal",
            "task 'ID1' cannot be started: Resource temporarily",
        ),
    ],
)
def test_a_program_that_the_system_refuses_is_recorded_with_the_reason(
    prepared: Prepared,
    tmp_path: Path,
    content: str | None,
    mode: int,
    code: int,
    kind: str,
    message: str,
) -> None:
    path = tmp_path / "program"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    started = process(prepared, executable=str(path), arguments="a bc")

    record_failed_start(prepared, started, OSError(code, os.strerror(code)))

    (error,) = prepared.errors
    assert error.kind == kind
    assert message.format(path=path) in str(error)
    assert [one["status"] for one in prepared.invocations] == [-1]


def test_a_task_has_the_environment_of_its_engine_its_attempt_and_its_own(prepared: Prepared) -> None:
    started = process(
        prepared, env={"OWN": "x", "PEGASUS_SITE": "mine"}, arguments="$OWN $KEPT $PEGASUS_SITE"
    )

    assert started.argv == ["/bin/true", "x", "yes", "mine"]
    assert started.environ()["PWD"] == prepared.cwd
    assert started.environ()["MARKAB_ATTEMPT"] == "u/j/1"


@pytest.mark.parametrize(
    ("arguments", "message"), [("'a", "cannot be split into words"), ("a\0", "a NUL character")]
)
def test_arguments_that_are_no_words_fail_the_attempt(
    prepared: Prepared, arguments: str, message: str
) -> None:
    prepared.job["tasks"][0]["arguments"] = arguments

    assert next_series(prepared) == []
    (error,) = prepared.errors
    assert error.kind == "arguments" and message in str(error)
