"""A disk that fails at the first, second, third … call never leaves anything half-done."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from markab.errors import StorageError, TransferUnavailable
from markab.transfers.checksum import Verified
from markab.transfers.error_kinds import ErrorKind
from markab.worker import inputs, outputs
from markab.worker.attempt_spec import make_spec
from markab.worker.captured_output import Capture
from markab.worker.failure import AttemptFailed
from markab.worker.finish import finish
from markab.worker.invocation import next_series, record_end
from markab.worker.prepare import prepare

OUTPUTS = {"a": "1" * 10, "d/b": "2" * 300_000, "c": "3"}


def spec(top: Path, **more: Any) -> dict[str, Any]:
    tasks = [{"id": "ID1", "transformation": "t", "executable": "/bin/true"}]
    job = {
        "id": "j",
        "kind": "compute",
        "site": "s",
        "tasks": tasks,
        "inputs": [{"lfn": "in"}, {"lfn": "big"}],
    }
    job["outputs"] = [{"lfn": lfn} for lfn in OUTPUTS]
    job.update(more)
    for name in ("scratch", "work", "submit"):
        (top / name).mkdir(exist_ok=True)
    (top / "scratch/in").write_text("in")
    (top / "scratch/big").write_text("x" * 300_000)
    return make_spec(
        job=job,
        attempt=1,
        scratch=str(top / "scratch"),
        work=str(top / "work"),
        uuid="u",
        workflow="w",
        attachments=str(top / "submit"),
        checksums={"in": hashlib.sha256(b"in").hexdigest()},
    )


class Faulty:
    """A function that fails once, at one of its calls."""

    def __init__(self, name: str, at: int, number: int) -> None:
        self.real, self.left, self.number = getattr(os, name), at, number

    def __call__(self, *args: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise OSError(self.number, os.strerror(self.number))
        return self.real(*args, **named)


def go(
    top: Path, made: dict[str, Any], faulty: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, bool]:
    """Make one attempt with a task played by this test; return its record, and whether the fault came."""
    capture = Capture(str(top))
    os.write(capture.fd, b"y" * 5000)
    fault = Faulty(faulty, at, errno.ENOSPC)
    with monkeypatch.context() as patched:
        patched.setattr(os, faulty, fault)
        prepared = prepare(made, Verified(), {})
        series = next_series(prepared)
    for process in series:
        for lfn, text in OUTPUTS.items():
            (Path(prepared.cwd) / lfn).write_text(text)
        record_end(prepared, process, 1, 0, resource.getrusage(resource.RUSAGE_CHILDREN), 0.1)
    with monkeypatch.context() as patched:
        patched.setattr(os, faulty, fault)
        record = finish(prepared, capture, None)
    capture.close()
    return record, fault.left <= 0


@pytest.mark.parametrize(
    ("name", "least", "harmless"),
    [
        ("open", 20, 4),
        ("mkdir", 4, 1),
        ("makedirs", 1, 1),
        ("rename", 3, 0),
        ("stat", 8, 2),
        ("write", 1, 0),
        ("pread", 1, 5),
        ("listdir", 1, 3),
    ],
)
def test_after_a_fault_outputs_are_whole_or_not_there(
    name: str, least: int, harmless: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At `least` so many calls are made; the attempt may succeed though one of so many `harmless` ones failed:
    the directory of the attempt is not emptied, or what was printed is not kept, and the record says that."""
    at, came, succeeded = 0, True, 0
    while came:
        at += 1
        top = tmp_path / str(at)
        top.mkdir()
        record, came = go(top, spec(top), name, at, monkeypatch)

        there = {lfn: top / "scratch" / lfn for lfn in OUTPUTS if (top / "scratch" / lfn).exists()}
        assert all(path.read_text() == OUTPUTS[lfn] for lfn, path in there.items())
        assert record["ok"] == ([one["lfn"] for one in record.get("outputs", ())] == list(OUTPUTS))
        assert set(there) == (set(OUTPUTS) if record["ok"] else set(there)), record
        succeeded += record["ok"] and came
        assert record["ok"] or record["error"]["kind"] in ("storage", "missing-input", "missing-output"), (
            record
        )
        left = {path.name for path in (top / "scratch").rglob("*") if path.is_file()} - {
            "in",
            "big",
            "a",
            "b",
            "c",
        }
        assert not left
        assert at < 60
    assert record["ok"]
    assert at - 1 >= least, "too few faults have struck"
    assert succeeded <= harmless, "a fault that matters was passed over"


def test_what_is_kept_on_a_full_disk_makes_room_for_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {**spec(tmp_path), "keep_failed": True}
    record, _ = go(tmp_path, made, "write", 1, monkeypatch)
    assert record["error"]["kind"] == "storage" and record["kept"] and Path(record["cwd"], "in").exists()

    there: list[bool] = []
    monkeypatch.setattr(
        "markab.worker.prepare.place_inputs", lambda *_: there.append(Path(record["cwd"]).exists())
    )
    prepare({**made, "attempt": 2}, Verified(), {})
    assert there == [False]


@pytest.mark.parametrize("name", ["open", "rename", "stat", "mkdir"])
def test_an_attempt_leaves_no_file_open_whatever_fails(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for at in range(1, 25):
        top = tmp_path / str(at)
        top.mkdir()
        go(top, spec(top), name, at, monkeypatch)
        assert len(os.listdir("/proc/self/fd")) == before, at


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransferUnavailable("not now"), "transfer"),
        (StorageError("full"), "storage"),
        (AttemptFailed(ErrorKind.MISSING_OUTPUT, "gone"), "missing-output"),
        (OSError(errno.EIO, "I/O error"), "storage"),
    ],
)
def test_outputs_that_are_not_put_in_place_fail_the_attempt_whatever_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(outputs, "_move_all", refuse)
    record, _ = go(tmp_path, spec(tmp_path), "stat", 0, monkeypatch)

    assert not record["ok"] and record["error"]["kind"] == kind
    assert "outputs" not in record


def test_a_job_in_the_scratch_directory_needs_one_that_is_mounted(tmp_path: Path) -> None:
    made = dict(spec(tmp_path, data="sharedfs", inputs=[]), scratch="", scratch_url="http://h/scratch")

    prepared = prepare(made, Verified(), {})

    (error,) = prepared.errors
    assert error.kind == "internal" and "which is not mounted at site 's'" in str(error)
    assert next_series(prepared) == []


def test_an_input_changed_in_place_is_noticed_even_if_its_length_stays(tmp_path: Path) -> None:
    made = spec(tmp_path, data="sharedfs", outputs=[])
    os.utime(tmp_path / "scratch/in", (1, 1))
    prepared = prepare(made, Verified(), {})
    (process,) = next_series(prepared)
    (tmp_path / "scratch/in").write_text("IN")
    record_end(prepared, process, 1, 0, resource.getrusage(resource.RUSAGE_CHILDREN), 0.1)

    assert finish(prepared, None, None)["error"]["kind"] == "input-changed"


def test_inputs_that_were_not_staged_are_fetched_from_their_sources(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("#!x")
    sha256 = hashlib.sha256(b"#!x").hexdigest()
    sources = [{"site": "local", "url": str(tmp_path / name)} for name in ("none", "there")]
    item = {"lfn": "d/tool", "sources": sources, "executable": True}
    made = dict(spec(tmp_path, inputs=[item]), checksums={"d/tool": sha256}, transfer_attempts=1)
    prepared = prepare(made, Verified(), {})

    assert not prepared.errors
    assert os.access(tmp_path / "work/j.1/d/tool", os.X_OK)

    made["checksums"] = {"d/tool": "0" * 64}
    (error,) = prepare(made, Verified(), {}).errors
    assert error.kind == "checksum"


def test_linking_an_input_does_not_make_it_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "ways", lambda *facts: ("link",))
    made, verified = spec(tmp_path), Verified()
    prepared = prepare(made, verified, {})

    assert os.path.samefile(tmp_path / "scratch/in", Path(prepared.cwd) / "in")
    assert verified.known(str(tmp_path / "scratch/in")) == made["checksums"]["in"]


def test_preparing_can_be_cancelled(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    (error,) = prepare(spec(tmp_path), Verified(), {}, stop).errors

    assert error.kind == "cancelled"
