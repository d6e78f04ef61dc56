"""What a job puts in place of directories and files of the scratch leads no transfer, cleanup or attempt out of it."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from markab.transfers import base
from markab.transfers.base import Moved, Scheme, register_scheme
from markab.transfers.checksum import Verified
from markab.transfers.local import Local
from markab.worker.attempt_spec import make_spec
from markab.worker.auxiliary_jobs import run_auxiliary_job
from markab.worker.finish import finish
from markab.worker.invocation import next_series, record_end
from markab.worker.prepare import prepare

Record = dict[str, Any]

RIGHT, PRECIOUS = "of the run", "precious"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A scratch, one of another site of the run, a directory of the user's, one with inputs, and one for results."""
    for name in ("scratch", "other", "users", "data", "results"):
        (tmp_path / name).mkdir()
    for name in ("f", "precious"):
        (tmp_path / "users" / name).write_text(PRECIOUS)
    (tmp_path / "data/f").write_text(RIGHT)
    assert run_auxiliary_job(spec(tmp_path, "create_dir"))["ok"]
    return tmp_path


def spec(top: Path, kind: str, **job: Any) -> dict[str, Any]:
    job = {"id": kind, "kind": kind, "site": "local", **job}
    return make_spec(
        job, 1, "u", "w", work=str(top / "work"), scratch=str(top / "scratch"), transfer_attempts=1
    )


def move(top: Path, kind: str, source: Path, destination: Path, **more: Any) -> Record:
    ends = [[{"site": "local", "url": str(path)}] for path in (source, destination)]
    transfer = {"lfn": "d/f", "sources": ends[0], "destinations": ends[1], **more}
    return run_auxiliary_job(spec(top, kind, transfers=[transfer]))


def stage_in(top: Path) -> Record:
    return move(top, "stage_in", top / "data/f", top / "scratch/d/f")


def stage_in_by_link(top: Path) -> Record:
    return move(top, "stage_in", top / "data/f", top / "scratch/d/f", link=True)


def stage_out(top: Path) -> Record:
    return move(top, "stage_out", top / "scratch/d/f", top / "results/d/f")


def stage_inter_to(top: Path) -> Record:
    (top / "other/d").mkdir()
    (top / "other/d/f").write_text(RIGHT)
    return move(top, "stage_inter", top / "other/d/f", top / "scratch/d/f")


def stage_inter_from(top: Path) -> Record:
    os.rename(top / "scratch", top / "spare")
    os.rename(top / "other", top / "scratch")
    os.rename(top / "spare", top / "other")
    return move(top, "stage_inter", top / "other/d/f", top / "scratch/d/f")


def cleanup(top: Path) -> Record:
    return run_auxiliary_job(spec(top, "cleanup", removes=["d/f"]))


def read_input(top: Path, data: str = "condorio", *, link: bool = False) -> Record:
    return attempt(top, data=data, inputs=[{"lfn": "d/f", "link": link}])


def make_output(top: Path) -> Record:
    return attempt(top, outputs=[{"lfn": "d/f"}])


def make_output_in_scratch(top: Path) -> Record:
    return attempt(top, data="sharedfs", outputs=[{"lfn": "d/f"}])


def attempt(top: Path, **job: Any) -> Record:
    tasks = [{"id": "t", "transformation": "t", "executable": "/bin/true"}]
    prepared = prepare(spec(top, "compute", tasks=tasks, **job), Verified(), os.environ)
    for process in next_series(prepared):
        if prepared.has_directory and job.get("outputs"):
            (Path(prepared.cwd) / "d/f").write_text(RIGHT)
        record_end(
            prepared, process, 1, 0, os.wait4(os.spawnv(os.P_NOWAIT, "/bin/true", ["true"]), 0)[2], 0.1
        )
    return finish(prepared, None, None)


OPERATIONS: list[Callable[[Path], Record]] = [
    stage_in,
    stage_in_by_link,
    stage_out,
    stage_inter_to,
    stage_inter_from,
    cleanup,
    read_input,
    make_output,
    make_output_in_scratch,
]


def link_out(path: Path) -> None:
    path.symlink_to(path.parents[1] / "users")


def linked_twice(path: Path) -> None:
    """A link that stays in the scratch, to one that does not."""
    path.symlink_to("second")
    (path.parent / "second").symlink_to("../users")


def make_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def state(top: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (top / "users").iterdir()}


@pytest.mark.parametrize("put", [link_out, linked_twice, os.mkfifo, make_socket, Path.touch])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_directory_that_was_replaced_is_an_error_that_names_it(
    top: Path, operation: Callable[[Path], Record], put: Callable[[Path], None]
) -> None:
    before = state(top)
    put(top / "scratch/d")
    record = operation(top)

    assert state(top) == before
    assert not [path for path in (top / "results").rglob("*") if path.is_file()]
    if operation is not cleanup or put in (link_out, linked_twice):
        assert not record["ok"]
        moved = "other/d" if operation is stage_inter_from else "scratch/d"
        assert f"'{top / moved}' is a" in record["error"]["message"], record
        assert f"rm -r '{top / moved}'" in record["error"]["hint"]


def file_link_out(path: Path) -> None:
    path.symlink_to(path.parents[2] / "users/precious")


@pytest.mark.parametrize("put", [file_link_out, os.mkfifo, make_socket, Path.mkdir])
@pytest.mark.parametrize("operation", [stage_out, stage_inter_from])
def test_a_file_that_was_replaced_is_not_delivered(
    top: Path, operation: Callable[[Path], Record], put: Callable[[Path], None]
) -> None:
    (top / "scratch/d").mkdir()
    put(top / "scratch/d/f")
    record = operation(top)

    assert not record["ok"] and "d/f' is a" in record["error"]["message"]
    assert not (top / "results/d/f").exists()


@pytest.mark.parametrize("operation", [stage_in, stage_in_by_link, make_output, stage_inter_to])
def test_a_link_in_place_of_a_file_is_replaced_and_its_target_stays(
    top: Path, operation: Callable[[Path], Record]
) -> None:
    (top / "scratch/d").mkdir()
    file_link_out(top / "scratch/d/f")

    assert operation(top)["ok"]
    assert (top / "scratch/d/f").read_text() == RIGHT and state(top)["precious"] == PRECIOUS


@pytest.mark.parametrize("operation", [stage_in, read_input, make_output, make_output_in_scratch])
def test_the_scratch_itself_may_not_be_a_link(top: Path, operation: Callable[[Path], Record]) -> None:
    os.rename(top / "scratch", top / "moved")
    (top / "scratch").symlink_to("users")
    before = state(top)

    record = operation(top)
    assert not record["ok"] and f"'{top / 'scratch'}' is a symbolic link to 'users'" in str(record)
    assert not run_auxiliary_job(spec(top, "create_dir"))["ok"]
    assert state(top) == before


@pytest.mark.parametrize("operation", [stage_out, read_input, cleanup])
def test_a_link_to_another_directory_of_the_scratch_is_followed(
    top: Path, operation: Callable[[Path], Record]
) -> None:
    (top / "scratch/second").mkdir()
    (top / "scratch/second/f").write_text(RIGHT)
    (top / "scratch/d").symlink_to("second")

    assert operation(top)["ok"]
    assert (top / "scratch/second/f").exists() == (operation is not cleanup)
    assert (top / "results/d/f").exists() == (operation is stage_out)


@pytest.mark.parametrize("data", ["condorio", "sharedfs"])
def test_inputs_that_were_staged_as_links_are_read(top: Path, data: str) -> None:
    assert stage_in_by_link(top)["ok"] and (top / "scratch/d/f").is_symlink()

    assert read_input(top, data, link=True)["ok"]


@pytest.mark.parametrize(("to", "is_read"), [("second", True), ("../other", False)])
def test_an_input_that_was_staged_as_a_link_is_read_behind_a_link_that_stays_in_the_scratch(
    top: Path, to: str, is_read: bool
) -> None:
    for name in ("scratch/second", "other"):
        (top / name).mkdir(exist_ok=True)
        (top / name / "f").symlink_to(top / "data/f")
    (top / "scratch/d").symlink_to(to)

    assert read_input(top, link=True)["ok"] == is_read


@pytest.mark.parametrize("data", ["condorio", "sharedfs"])
def test_a_link_in_place_of_what_a_job_made_is_not_read(top: Path, data: str) -> None:
    (top / "scratch/d").mkdir()
    (top / "scratch/d/f").symlink_to(top / "users/precious")

    record = read_input(top, data)
    assert record["error"]["kind"] == "missing-input" and "a symbolic link to" in record["error"]["message"]

    (top / "scratch/d/f").unlink()
    (top / "scratch/other").write_text(RIGHT)
    (top / "scratch/d/f").symlink_to("../other")
    assert read_input(top, data)["ok"], "it stays in the scratch"


@pytest.mark.parametrize("name", [".markab", ".markab.part"])
@pytest.mark.parametrize("put", ["link", "fifo"])
def test_the_marker_is_written_anew_whatever_has_its_name(top: Path, name: str, put: str) -> None:
    marker = top / "scratch" / name
    marker.unlink(missing_ok=True)
    (top / "scratch/.markab").unlink(missing_ok=True)
    marker.symlink_to(top / "users/precious") if put == "link" else os.mkfifo(marker)

    assert run_auxiliary_job(spec(top, "create_dir"))["ok"]
    assert (top / "scratch/.markab").read_text().startswith("u\n")
    assert state(top)["precious"] == PRECIOUS


@pytest.mark.parametrize("put", [os.mkfifo, make_socket])
def test_what_is_no_file_at_an_output_site_is_not_replaced(top: Path, put: Callable[[Path], None]) -> None:
    (top / "scratch/d").mkdir()
    (top / "scratch/d/f").write_text(RIGHT)
    (top / "results/d").mkdir()
    put(top / "results/d/f")

    error = stage_out(top)["error"]
    assert "it is not replaced" in error["message"] and error["hint"] == f"rm '{top}/results/d/f'"


def test_an_output_site_may_be_reached_by_a_link_of_the_users(top: Path) -> None:
    (top / "results").rmdir()
    (top / "results").symlink_to("users")
    (top / "scratch/d").mkdir()
    (top / "scratch/d/f").write_text(RIGHT)

    assert stage_out(top)["ok"] and (top / "users/d/f").read_text() == RIGHT


class Far(Scheme):
    """A server that has one file, and keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def get(self, url: str, path: str, **options: Any) -> Moved:
        Path(path).write_text(RIGHT)
        return Moved(len(RIGHT), hashlib.sha256(RIGHT.encode()).hexdigest())

    def put(self, path: str, url: str, **options: Any) -> Moved:
        self.kept.append(Path(path).read_text())
        return Moved(len(RIGHT))


def test_transfers_from_and_to_servers_stay_in_the_scratch_too(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Far()
    monkeypatch.setattr(base, "_registry", dict(base._registry))
    register_scheme("far", far)
    for put in (Path.mkdir, link_out):
        put(top / "scratch/d")
        for kind, ends in (
            ("stage_in", ["far://h/f", f"{top}/scratch/d/f"]),
            ("stage_out", [f"{top}/scratch/d/f", "far://h/f"]),
        ):
            sources, destinations = ([{"site": "s", "url": url}] for url in ends)
            transfer = {"lfn": "d/f", "sources": sources, "destinations": destinations}
            record = run_auxiliary_job(spec(top, kind, transfers=[transfer]))
            assert record["ok"] == (put is Path.mkdir), record
            assert record["ok"] or f"'{top}/scratch/d' is a symbolic link" in record["error"]["message"]
        if put is Path.mkdir:
            os.rename(top / "scratch/d", top / "scratch/was")
    assert far.kept == [RIGHT] and state(top)["f"] == PRECIOUS


def test_errors_have_the_usual_names_of_files(top: Path) -> None:
    (top / "scratch/d").mkdir()
    (top / "scratch/d/f").mkdir()

    for record in (stage_in(top), stage_out(top)):
        assert f"{top}/scratch/d/f" in record["error"]["message"] and "/proc/" not in str(record)


def test_something_else_in_place_of_a_file_is_no_file_of_that_size(tmp_path: Path) -> None:
    size = tmp_path.stat().st_size

    assert Local().exists(str(tmp_path)) and not Local().exists(str(tmp_path), size)
