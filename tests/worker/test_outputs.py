"""Outputs of an attempt: which are found, and how they get into the scratch."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from markab.transfers import base
from markab.transfers.base import Moved, Scheme, register_scheme
from markab.transfers.beneath import Beneath
from markab.transfers.checksum import Verified
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared
from markab.worker.attempt_spec import make_spec
from markab.worker.failure import AttemptFailed
from markab.worker.finish import finish
from markab.worker.invocation import next_series, record_end
from markab.worker.outputs import output_bytes
from markab.worker.prepare import prepare

Write = Callable[[Path], object]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def ended(top: Path, write: Write, *lfns: str, verified: Verified | None = None, **more: Any) -> Prepared:
    """An attempt whose task wrote so and has ended; a `?` behind an lfn makes it a checkpoint."""
    outputs = [{"lfn": lfn.rstrip("?"), "checkpoint": lfn.endswith("?")} for lfn in lfns]
    tasks = [{"id": "t", "transformation": "t", "executable": "/bin/true"}]
    job = {"id": "j", "kind": "compute", "site": "s", "tasks": tasks, "outputs": outputs}
    (top / "scratch").mkdir(exist_ok=True)
    given = {"scratch": str(top / "scratch"), "transfer_attempts": 1, **more}
    made = make_spec(job, 1, "u", "w", work=str(top / "work"), **given)
    prepared = prepare(made, verified or Verified(), {})
    (process,) = next_series(prepared)
    write(Path(prepared.cwd))
    record_end(prepared, process, 1, 0, resource.getrusage(resource.RUSAGE_CHILDREN), 0.1)
    return prepared


def finished(top: Path, write: Write, *lfns: str, **more: Any) -> dict[str, Any]:
    return finish(ended(top, write, *lfns, **more), None, None)


def write_both(cwd: Path) -> None:
    (cwd / "a").write_text("one")
    (cwd / "b").write_text("three")


def test_an_output_that_is_a_link_to_another_gets_its_bytes_in_whatever_order_they_are_declared(
    tmp_path: Path,
) -> None:
    def write(cwd: Path) -> None:
        (cwd / "m").write_text("right")
        (cwd / "a").symlink_to("m")
        (cwd / "z").symlink_to("m")

    record = finished(tmp_path, write, "a", "m", "z")

    assert record["ok"] and "undeclared" not in record
    for name in ("a", "m", "z"):
        assert (tmp_path / "scratch" / name).read_text() == "right"
        assert not (tmp_path / "scratch" / name).is_symlink()


def test_compiled_modules_of_python_are_no_undeclared_files(tmp_path: Path) -> None:
    def write(cwd: Path) -> None:
        (cwd / "a").write_text("right")
        (cwd / "__pycache__").mkdir()

    assert "undeclared" not in finished(tmp_path, write, "a")


def test_the_target_of_a_linked_output_is_no_undeclared_file(tmp_path: Path) -> None:
    def write(cwd: Path) -> None:
        (cwd / "d").mkdir()
        (cwd / "d/target").write_text("right")
        (cwd / "a").symlink_to("d/target")
        (cwd / "more").write_text("")

    assert finished(tmp_path, write, "a")["undeclared"] == ["more"]


def test_to_another_file_system_an_output_is_copied_and_what_arrives_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_file_system(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    prepared = ended(tmp_path, write_both, "a", "b")
    monkeypatch.setattr(Beneath, "move", other_file_system)
    record = finish(prepared, None, None)

    assert record["ok"]
    assert [(made["lfn"], made["sha256"]) for made in record["outputs"]] == [
        ("a", sha256("one")),
        ("b", sha256("three")),
    ]
    assert (tmp_path / "scratch/b").read_text() == "three"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_an_output_that_cannot_be_moved_is_not_copied_after_another_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    prepared = ended(tmp_path, write_both, "a", "b")
    monkeypatch.setattr(Beneath, "move", refuse)
    record = finish(prepared, None, None)

    assert not record["ok"] and record["error"]["kind"] == "storage"
    assert f"cannot put output 'a' at '{tmp_path}/scratch/a'" in record["error"]["message"]
    assert not list((tmp_path / "scratch").glob("[ab]"))


def test_an_output_without_permission_to_read_is_hashed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = ended(tmp_path, write_both, "a")
    os.chmod(Path(prepared.cwd) / "a", 0)
    real = Beneath.open

    def as_any_user(self: Beneath, name: str, *more: int) -> int:
        if not self.status(name).st_mode & 0o400:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return real(self, name, *more)

    monkeypatch.setattr(Beneath, "open", as_any_user)
    record = finish(prepared, None, None)

    assert record["ok"] and record["outputs"][0]["sha256"] == sha256("one")


def test_what_was_hashed_need_not_be_read_again_where_it_was_put(tmp_path: Path) -> None:
    verified = Verified()

    assert finished(tmp_path, write_both, "a", verified=verified)["ok"]
    assert verified.known(str(tmp_path / "scratch/a")) == sha256("one")


def test_without_integrity_checks_nothing_is_hashed(tmp_path: Path) -> None:
    verified = Verified()
    record = finished(tmp_path, write_both, "a", verified=verified, integrity="none")

    assert record["ok"] and record["outputs"] == [{"lfn": "a", "size": 3}]
    assert verified.known(str(tmp_path / "scratch/a")) is None


def test_how_much_is_to_be_read_is_that_of_the_outputs_that_are_there(tmp_path: Path) -> None:
    assert output_bytes(ended(tmp_path, write_both, "gone", "a", "b")) == 8


def test_a_checkpoint_that_is_missing_is_no_error_and_another_output_is(tmp_path: Path) -> None:
    assert finished(tmp_path, write_both, "a", "state?")["ok"]

    record = finished(tmp_path, write_both, "gone", "state?")
    assert record["error"]["kind"] == "missing-output"
    assert record["error"]["message"] == "output 'gone' of job 'j' is missing"
    assert record["error"]["hint"].endswith("; it wrote 'a', 'b'")


def test_what_a_task_makes_that_was_never_started_is_not_said_to_be_missing_after_an_error(
    tmp_path: Path,
) -> None:
    prepared = ended(tmp_path, write_both, "gone", "later")
    prepared.job["tasks"] = [{"id": "t", "makes": ["gone"]}, {"id": "u", "makes": ["later"]}]
    prepared.errors.append(AttemptFailed(ErrorKind.EXIT, "task 't' ended with exit code 3"))
    record = finish(prepared, None, None)

    assert [error["message"] for error in record["also"]] == ["output 'gone' of job 'j' is missing"]


def test_what_no_task_made_is_missing_also_if_its_task_was_never_started(tmp_path: Path) -> None:
    prepared = ended(tmp_path, write_both, "later")
    prepared.job["tasks"] = [{"id": "t", "makes": []}, {"id": "u", "makes": ["later"]}]

    assert finish(prepared, None, None)["error"]["message"] == "output 'later' of job 'j' is missing"


def link_out(cwd: Path) -> None:
    (cwd / "a").symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda cwd: (cwd / "a").mkdir(), "is a directory, not a file"),
        (lambda cwd: os.mkfifo(cwd / "a"), "is no regular file"),
        (lambda cwd: (cwd / "a").symlink_to("nowhere"), "is missing"),
        (link_out, "is reached through a symbolic link out of the job's directory: it is '/etc/hostname'"),
    ],
)
def test_what_is_no_file_of_the_attempt_is_no_output(tmp_path: Path, write: Write, message: str) -> None:
    record = finished(tmp_path, write, "a")

    assert record["error"]["kind"] == "missing-output" and message in record["error"]["message"]
    assert not os.path.lexists(tmp_path / "scratch/a")


class Far(Scheme):
    """A server that refuses one file."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def put(self, path: str, url: str, **options: Any) -> Moved:
        if url.endswith("/b"):
            raise OSError(errno.EACCES, "not here")
        self.kept[url] = Path(path).read_text()
        return Moved(len(self.kept[url]))


def test_of_outputs_that_are_sent_only_those_that_arrived_are_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Far()
    monkeypatch.setattr(base, "_registry", dict(base._registry))
    register_scheme("far", far)

    record = finished(tmp_path, write_both, "a", "b", scratch="", scratch_url="far://h/s")

    assert far.kept == {"far://h/s/a": "one"}
    assert not record["ok"] and "'b'" in str(record["error"])
    assert [moved["lfn"] for moved in record["transfers"]] == ["a"]
    assert "b" not in [made["lfn"] for made in record.get("outputs", ())]


def test_an_output_that_became_a_link_out_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that the task left changed it after it was found."""
    far = Far()
    monkeypatch.setattr(base, "_registry", dict(base._registry))
    register_scheme("far", far)
    (tmp_path / "precious").write_text("precious")
    prepared = ended(tmp_path, write_both, "a", scratch="", scratch_url="far://h/s", integrity="none")
    real = base.handler_for

    def replaced(url: str) -> Scheme:
        made = Path(prepared.cwd) / "a"
        if not made.is_symlink():
            made.unlink()
            made.symlink_to(tmp_path / "precious")
        return real(url)

    monkeypatch.setattr("markab.transfers.batch.handler_for", replaced)
    record = finish(prepared, None, None)

    assert not record["ok"] and not far.kept


@pytest.mark.parametrize(
    ("stream", "printed", "kind"),
    [
        ("err", "Error: localhost/x:1: image not known\n", "container"),
        ("err", "it went wrong\n", "exit"),
        ("", "", "exit"),
    ],
)
def test_why_a_container_did_not_start_is_found_in_the_file_to_which_stderr_goes(
    tmp_path: Path, stream: str, printed: str, kind: str
) -> None:
    def write(cwd: Path) -> None:
        if stream:
            (cwd / stream).write_text(printed)

    prepared = ended(tmp_path, write)
    prepared.errors.append(AttemptFailed("exit", "task 't' ended with exit code 125"))
    prepared.invocations[0]["status"] = 125 << 8
    prepared.job["tasks"][0].update(stderr="err", container={"type": "docker", "name": "box"})

    assert finish(prepared, None, None)["error"]["kind"] == kind
