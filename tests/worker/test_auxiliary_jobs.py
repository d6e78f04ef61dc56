"""The jobs that Markab does itself."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sqlite3
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from markab.errors import TransferUnavailable
from markab.worker import auxiliary_jobs, scratch_directory
from markab.worker.attempt_spec import make_spec
from markab.worker.auxiliary_jobs import run_auxiliary_job

UUID = "u-1"


class Killed(BaseException):
    """The process is killed here: nothing handles that."""


def spec(top: Path, **job: Any) -> dict[str, Any]:
    job = {"id": job["kind"], "site": "local", **job}
    return make_spec(
        job=job,
        attempt=1,
        scratch=str(top / "scratch"),
        work=str(top / "work"),
        uuid=UUID,
        workflow="flow",
        submit_dir=str(top),
        catalog=str(top / "replicas.db"),
        transfer_attempts=1,
    )


def made_scratch(top: Path) -> Path:
    assert run_auxiliary_job(spec(top, kind="create_dir"))["ok"]
    return top / "scratch"


def test_a_directory_is_made_once_or_twice(tmp_path: Path) -> None:
    host = os.uname().nodename
    assert (made_scratch(tmp_path) / ".markab").read_text() == f"{UUID}\n{tmp_path}\n{host}\n"
    assert made_scratch(tmp_path).is_dir()


def test_the_scratch_of_another_run_is_taken_over_only_when_its_plan_is_gone(tmp_path: Path) -> None:
    """Also that of a run that has succeeded: without an output site its results are there."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "plan.jsonl").touch()
    (other / "status.json").write_text('{"outcome": "success"}')
    assert run_auxiliary_job({**spec(tmp_path, kind="create_dir"), "uuid": "u-2", "submit_dir": str(other)})[
        "ok"
    ]

    refused = run_auxiliary_job(spec(tmp_path, kind="create_dir"))
    (other / "plan.jsonl").unlink()

    assert f"belongs to another run, in '{other}'" in refused["error"]["message"]
    assert run_auxiliary_job(spec(tmp_path, kind="create_dir"))["ok"]


def test_a_scratch_of_a_run_on_another_host_is_left_alone(tmp_path: Path) -> None:
    (made_scratch(tmp_path) / ".markab").write_text("u-2\n/gone\nelsewhere\n")

    assert (
        "belongs to another run" in run_auxiliary_job(spec(tmp_path, kind="create_dir"))["error"]["message"]
    )


def test_cleanup_removes_files_and_the_directories_that_they_leave_empty(tmp_path: Path) -> None:
    scratch = made_scratch(tmp_path)
    (scratch / "a/b").mkdir(parents=True)
    for name in ("a/b/1", "a/2", "keep"):
        (scratch / name).write_text("x")
    job = spec(tmp_path, kind="cleanup", removes=["a/b/1", "a/2", "gone", "no/such"])

    assert run_auxiliary_job(job)["removed"] == 2
    assert sorted(path.name for path in scratch.iterdir()) == [".markab", "keep"]
    assert run_auxiliary_job(job)["removed"] == 0


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_scratch_that_is_not_as_it_was_keeps_nothing_and_is_no_other_error_for_that(
    tmp_path: Path, is_gone: bool
) -> None:
    scratch = made_scratch(tmp_path)
    shutil.rmtree(scratch)
    if not is_gone:
        scratch.touch()
    job = spec(tmp_path, kind="cleanup", removes=["a"])
    store = str(tmp_path / "store")
    keeping = {**job, "job": {**job["job"], "keeps": ["a"]}, "store": store, "checksums": {"a": "ab" * 32}}

    kept, plain = run_auxiliary_job(keeping), run_auxiliary_job(job)

    assert (kept["ok"], kept.get("error")) == (plain["ok"], plain.get("error"))
    assert plain["ok"] == is_gone


def test_cleanup_never_leaves_the_scratch_directory(tmp_path: Path) -> None:
    scratch = made_scratch(tmp_path)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/precious").write_text("x")
    (scratch / "door").symlink_to(tmp_path / "outside")
    (scratch / "link").symlink_to(tmp_path / "outside/precious")
    record = run_auxiliary_job(spec(tmp_path, kind="cleanup", removes=["door/precious", "link"]))

    assert record["error"]["kind"] == "storage" and record["removed"] == 1
    assert not run_auxiliary_job(spec(tmp_path, kind="cleanup", removes=["../outside/precious"]))["ok"]
    assert (tmp_path / "outside/precious").exists()
    assert not (scratch / "link").is_symlink()


def test_the_whole_scratch_goes_only_if_it_is_this_runs(tmp_path: Path) -> None:
    scratch = made_scratch(tmp_path)
    (tmp_path / "outside").mkdir()
    (scratch / "door").symlink_to(tmp_path / "outside")
    (scratch / "d").mkdir()
    (scratch / "d/f").write_text("x")
    job = spec(tmp_path, kind="cleanup", removes_scratch=True)
    for other in ("another run\n", None):
        (scratch / ".markab").unlink()
        if other:
            (scratch / ".markab").write_text(other)
        record = run_auxiliary_job(job)
        assert not record["ok"] and "is not removed" in record["error"]["message"]
        assert (scratch / "d/f").exists()
    (scratch / ".markab").write_text(UUID + "\n")

    assert run_auxiliary_job(job)["removed"] == 5
    assert not scratch.exists() and (tmp_path / "outside").exists()
    assert run_auxiliary_job(job)["ok"]


def test_a_removal_of_the_scratch_that_was_killed_at_any_change_is_done_by_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = spec(tmp_path, kind="cleanup", removes_scratch=True)
    changes = {name: getattr(os, name) for name in ("unlink", "rmdir")}
    is_struck, last = True, 0
    while is_struck:
        scratch = made_scratch(tmp_path)
        (scratch / "d").mkdir()
        (scratch / "d/f").write_text("x")
        calls = itertools.count()
        last, is_struck = last + 1, False

        def change(name: str, *words: Any, at: int = last, calls: Any = calls, **options: Any) -> None:
            nonlocal is_struck
            if next(calls) + 1 == at:
                is_struck = True
                raise Killed
            changes[name](*words, **options)

        with monkeypatch.context() as patched:
            for name in changes:
                patched.setattr(os, name, partial(change, name))
            with suppress(Killed):
                run_auxiliary_job(job)
        assert run_auxiliary_job(job)["ok"] and not scratch.exists()
    assert last > 4


def test_an_error_of_the_system_is_in_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / "scratch"))

    monkeypatch.setitem(auxiliary_jobs._JOBS, "create_dir", refuse)
    record = run_auxiliary_job(spec(tmp_path, kind="create_dir"))

    assert not record["ok"] and record["error"]["kind"] == "storage"
    assert f"job 'create_dir' failed at '{tmp_path}/scratch': Read-only" in record["error"]["message"]
    assert record["start"] <= record["end"]


def test_a_cleanup_that_is_cancelled_removes_nothing_and_is_no_error_of_the_disk(tmp_path: Path) -> None:
    (made_scratch(tmp_path) / "f").touch()
    stop = threading.Event()
    stop.set()

    record = run_auxiliary_job(spec(tmp_path, kind="cleanup", removes=["f"]), stop)

    assert not record["ok"] and record["error"]["kind"] == "cancelled"
    assert (tmp_path / "scratch" / "f").exists()


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (None, "transfer", "not now"),
        (OSError(errno.ENOSPC, "No space left on device"), "storage", "cannot make the scratch directory"),
    ],
)
def test_a_scratch_that_cannot_be_made_is_an_error_of_the_disk_only_if_the_system_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: OSError | None, kind: str, words: str
) -> None:
    class Broken:
        def mkdir(self, url: str, *, stop: object, site: str) -> None:
            raise TransferUnavailable("not now") from cause

    monkeypatch.setattr(scratch_directory, "handler_for", lambda url: Broken())
    record = run_auxiliary_job(spec(tmp_path, kind="create_dir"))

    assert record["error"]["kind"] == kind and words in record["error"]["message"]


def test_transfers_check_what_the_engine_knows(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    item = {
        "lfn": "data",
        "sources": [{"site": "local", "url": str(tmp_path / "data")}],
        "destinations": [{"site": "out", "url": str(tmp_path / "out/data")}],
    }
    job = spec(tmp_path, kind="stage_out", transfers=[item])
    wrong = dict(job, checksums={"data": "0" * 64})

    record = run_auxiliary_job(wrong)
    assert record["error"]["kind"] == "checksum" and "transfers" not in record
    assert record["checked"] == {"count": 1, "failed": 1, "duration_s": 0.0}
    assert not (tmp_path / "out/data").exists()
    unchecked = run_auxiliary_job(dict(wrong, integrity="none"))
    assert unchecked["ok"] and "checked" not in unchecked
    unknown = run_auxiliary_job(job)
    assert unknown["transfers"][0]["bytes"] == 1 and "checked" not in unknown
    right = run_auxiliary_job(dict(job, checksums={"data": unknown["transfers"][0]["sha256"]}))
    assert right["checked"] == {"count": 1, "failed": 0, "duration_s": 0.0}


def test_registering_twice_and_from_many_threads_gives_one_row_each(tmp_path: Path) -> None:
    rows = [
        {"lfn": f"f{n}", "pfn": f"/out/f{n}", "site": "out", "metadata": {"kind": "x"}} for n in range(20)
    ]
    job = dict(spec(tmp_path, kind="register", registrations=rows), checksums={"f0": "abc"})
    records: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: records.append(run_auxiliary_job(job))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(record["ok"] for record in records), records
    with sqlite3.connect(tmp_path / "replicas.db") as connection:
        assert connection.execute("SELECT count(*) FROM rc_lfn").fetchone() == (20,)
        assert connection.execute("SELECT count(*) FROM rc_pfn").fetchone() == (20,)
        meta = "SELECT key, value FROM rc_lfn JOIN rc_meta USING (lfn_id) WHERE lfn = 'f0' ORDER BY key"
        expected = [("checksum.type", "sha256"), ("checksum.value", "abc"), ("kind", "x")]
        assert connection.execute(meta).fetchall() == expected


def test_a_file_that_is_no_catalog_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "replicas.db").write_text("this is no database, but a text that is long enough" * 20)
    record = run_auxiliary_job(
        spec(tmp_path, kind="register", registrations=[{"lfn": "f", "pfn": "p", "site": "s"}])
    )
    assert record["error"]["kind"] == "storage" and "replicas.db" in record["error"]["message"]


def test_an_optional_file_that_was_not_made_is_no_error_but_another_is(tmp_path: Path) -> None:
    scratch = made_scratch(tmp_path)
    (scratch / "there").write_text("x")

    def item(lfn: str, optional: bool) -> dict[str, Any]:
        return {
            "lfn": lfn,
            "sources": [{"site": "local", "url": str(scratch / lfn)}],
            "destinations": [{"site": "local", "url": str(tmp_path / "out" / lfn)}],
            "optional": optional,
        }

    record = run_auxiliary_job(
        spec(tmp_path, kind="stage_out", transfers=[item("there", True), item("never", True)])
    )
    assert record["ok"], record
    assert [moved["lfn"] for moved in record["transfers"]] == ["there"]
    assert (tmp_path / "out/there").read_text() == "x"

    record = run_auxiliary_job(
        spec(tmp_path, kind="stage_out", transfers=[item("never", True), item("must", False)])
    )
    assert not record["ok"] and "/must'" in record["error"]["message"] and "also" not in record


def item(source: Path, destination: Path, **keys: Any) -> dict[str, Any]:
    return {
        "lfn": source.name,
        "sources": [{"site": "local", "url": str(source)}],
        "destinations": [{"site": "local", "url": str(destination)}],
        **keys,
    }


def test_a_job_that_leaves_something_out_does_the_rest_and_does_not_succeed(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    job = spec(tmp_path, kind="stage_out", transfers=[item(tmp_path / "data", tmp_path / "out/data")])
    incomplete = dict(job, incomplete="1 file not delivered")

    record = run_auxiliary_job(incomplete)
    assert record["error"] == {"kind": "incomplete", "message": "1 file not delivered"}
    assert [moved["lfn"] for moved in record["transfers"]] == ["data"]

    (tmp_path / "out/data").unlink()
    (tmp_path / "data").unlink()
    record = run_auxiliary_job(incomplete)
    assert [record["error"]["kind"], *(error["kind"] for error in record["also"])] == [
        "refused",
        "incomplete",
    ]


def test_what_an_earlier_attempt_moved_is_moved_again_only_if_it_is_not_there_as_it_was(
    tmp_path: Path,
) -> None:
    made = {name: tmp_path / name for name in ("same", "gone", "longer", "changed", "new")}
    for path in made.values():
        path.write_text("content")
    job = spec(
        tmp_path,
        kind="stage_in",
        transfers=[item(path, tmp_path / "out" / name) for name, path in made.items()],
    )
    first = run_auxiliary_job(job)["transfers"]
    again = dict(
        job,
        attempt=2,
        arrived={moved["lfn"]: moved["bytes"] for moved in first if moved["lfn"] != "new"},
        checksums={moved["lfn"]: moved["sha256"] for moved in first},
    )
    (tmp_path / "out/gone").unlink()
    (tmp_path / "out/longer").write_text("content content")
    (tmp_path / "out/changed").write_text("CONTENT")

    record = run_auxiliary_job(again)

    found = {moved["lfn"] for moved in record["transfers"] if moved.get("found")}
    assert record["ok"] and found == {"same"} and len(record["transfers"]) == 5
    assert {path.read_text() for path in (tmp_path / "out").iterdir()} == {"content"}
    for path in made.values():
        path.unlink()
    assert all(
        moved["found"]
        for moved in run_auxiliary_job({**again, "arrived": {**again["arrived"], "new": 7}})["transfers"]
    )


def test_without_integrity_checking_the_size_decides_what_is_moved_again(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("content")
    (tmp_path / "copy").write_text("CONTENT")
    job = spec(tmp_path, kind="stage_in", transfers=[item(tmp_path / "data", tmp_path / "copy")])
    job.update(attempt=2, arrived={"data": 7}, checksums={"data": "0" * 64}, integrity="none")

    assert run_auxiliary_job(job)["transfers"][0]["found"]
    assert "found" not in run_auxiliary_job(dict(job, arrived={"data": 8}))["transfers"][0]


def test_a_checkpoint_that_is_in_place_is_never_overwritten_by_a_later_attempt(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("version 0")
    job = spec(
        tmp_path, kind="stage_in", transfers=[item(tmp_path / "state", tmp_path / "copy", checkpoint=True)]
    )
    assert run_auxiliary_job(job)["ok"]
    (tmp_path / "copy").write_text("version 10")

    record = run_auxiliary_job(dict(job, attempt=2, checksums={"state": "0" * 64}))

    assert record["ok"] and "sha256" not in record["transfers"][0]
    assert (tmp_path / "copy").read_text() == "version 10"
    (tmp_path / "copy").unlink()
    assert run_auxiliary_job(dict(job, attempt=2))["ok"] and (tmp_path / "copy").read_text() == "version 0"


def test_an_error_that_may_go_away_is_named_before_those_that_will_not(tmp_path: Path) -> None:
    """The first error decides whether the job is tried again."""
    (tmp_path / "data").write_text("x")
    transfers = [
        item(tmp_path / "gone", tmp_path / "out/gone"),
        item(tmp_path / "data", tmp_path / "out/data", sha256="0" * 64),
    ]

    record = run_auxiliary_job(spec(tmp_path, kind="stage_in", transfers=transfers))

    assert [record["error"]["kind"], *(error["kind"] for error in record["also"])] == ["checksum", "refused"]
