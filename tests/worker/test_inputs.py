"""Inputs that cannot be placed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from markab.transfers.batch import move_all
from markab.transfers.checksum import Verified
from markab.transfers.run_passwords import write_passwords
from markab.worker import inputs
from markab.worker.attempt_spec import make_spec
from markab.worker.invocation import next_series
from markab.worker.prepare import prepare


def spec(top: Path, *lfns: str, **more: Any) -> dict[str, Any]:
    task = {"id": "ID1", "transformation": "t", "executable": "/bin/true"}
    items = [{"lfn": lfn} for lfn in lfns]
    for lfn in lfns:
        (top / "scratch" / lfn).parent.mkdir(parents=True, exist_ok=True)
        (top / "scratch" / lfn).write_text(lfn)
    (top / "work").mkdir(exist_ok=True)
    return make_spec(
        job={"id": "j", "kind": "compute", "site": "s", "tasks": [task], "inputs": items, **more},
        attempt=1,
        scratch=str(top / "scratch"),
        work=str(top / "work"),
        uuid="u",
        workflow="w",
    )


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOSPC, "storage"), (errno.EDQUOT, "storage"), (errno.EIO, "storage")]
)
def test_an_input_that_cannot_be_placed_fails_the_attempt_before_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: str
) -> None:
    def refuse(*_: object) -> str:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(inputs, "place_input", refuse)
    prepared = prepare(spec(tmp_path, "d/in"), Verified(), {})

    (error,) = prepared.errors
    assert error.kind == kind
    assert f"cannot place input 'd/in' at '{tmp_path}/work/j.1/d/in': {os.strerror(code)}" in str(error)
    assert next_series(prepared) == []


def test_an_input_in_a_directory_that_cannot_be_made_fails_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.mkdir

    def mkdir(path: str, *args: Any, **named: Any) -> None:
        if path == "d":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, *args, **named)

    monkeypatch.setattr(os, "mkdir", mkdir)
    prepared = prepare(spec(tmp_path, "d/in"), Verified(), {})

    assert ["storage"] == [error.kind for error in prepared.errors]
    assert next_series(prepared) == []


@pytest.mark.parametrize(
    ("code", "words"), [(errno.EIO, "cannot be read to verify it"), (errno.EACCES, "cannot be verified")]
)
def test_an_input_that_cannot_be_read_to_verify_it_fails_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def refuse(*_: object) -> str:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Verified, "checksum_of_open", refuse)
    prepared = prepare({**spec(tmp_path, "in"), "checksums": {"in": "0" * 64}}, Verified(), {})

    (error,) = prepared.errors
    assert (error.kind, words in str(error)) == ("missing-input", True)
    assert error.hint == f"ls -l '{tmp_path}/scratch/in'"
    assert next_series(prepared) == []


def test_an_input_is_fetched_with_the_password_of_its_run(tmp_path: Path) -> None:
    write_passwords(str(tmp_path / "passwords.json"), {"far://bob@h": "pw"})
    made = spec(tmp_path, "in")
    made["passwords"] = str(tmp_path / "passwords.json")
    made["job"]["inputs"][0]["sources"] = [{"site": "far", "url": "far://bob@h/in"}]
    asked: list[Any] = []

    def fetch(transfers: list[Any], *rest: Any, **named: Any) -> list[Any]:
        asked.extend(place["url"] for one in transfers for place in one["sources"])
        return move_all(transfers, *rest, **named)

    prepared = prepare(made, Verified(), {}, fetch=fetch)

    assert asked == ["far://bob:pw@h/in"]
    assert prepared.errors


def test_names_with_dots_are_placed_like_others(tmp_path: Path) -> None:
    lfns = ("a..b", "..a", "d..d/x", "...")
    prepared = prepare(spec(tmp_path, *lfns), Verified(), {})

    assert not prepared.errors
    assert lfns == tuple((Path(prepared.cwd) / lfn).read_text() for lfn in lfns)


@pytest.mark.parametrize("lfn", ["../in", "a/../../in", "a/.."])
def test_a_name_that_leaves_its_directory_fails_the_attempt(tmp_path: Path, lfn: str) -> None:
    made = spec(tmp_path, "in")
    made["job"]["inputs"] = [{"lfn": lfn}]

    (error,) = prepare(made, Verified(), {}).errors

    assert f"file name '{lfn}' leaves its directory" in str(error)
