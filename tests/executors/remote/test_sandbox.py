"""A sandbox: what is put into it, and what is accepted of what comes back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record, RunContext
from markab.executors.remote import sandbox as module
from markab.executors.remote.sandbox import COMMAND, Sandbox
from markab.plan.model import Input, Kind, Output, Place, PlannedJob, PlannedTask
from markab.transfers.checksum import Verified
from markab.transfers.run_passwords import read_passwords, write_passwords
from markab.worker.failure import AttemptFailed


class Bench:
    """A run, and one sandbox."""

    def __init__(self, top: Path) -> None:
        self.scratch, self.submit_dir = top / "scratch", top / "submit"
        self.scratch.mkdir()
        self.submit_dir.mkdir()
        self.context = RunContext("u", "flow", str(self.submit_dir), "full", 2, 1, "/replicas.db")
        self.sandbox = Sandbox(top / "box")
        self.path = self.sandbox.path
        self.verified = Verified()

    def attempt(self, script: str = "true", **more: Any) -> Attempt:
        tasks = [PlannedTask("ID1", "sh", "/bin/sh", f'-c "{script}"')]
        known = {"id": "job", "kind": Kind.COMPUTE, "site": "far", "tasks": tasks}
        return Attempt(
            AttemptId("u", 3, 2), PlannedJob(**known | more), self.context, str(self.scratch), "/work"
        )

    def stage(self, lfn: str, text: str, mode: int = 0o644) -> None:
        path = self.scratch / lfn
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def fill(self, attempt: Attempt) -> Any:
        self.sandbox.fill(attempt)
        return json.loads((self.path / "spec.json").read_text())

    def node(self) -> None:
        """Run the worker with nothing but the sandbox."""
        command = [sys.executable, "-I", *COMMAND]
        subprocess.run(command, cwd=self.path, env={"PATH": "/usr/bin:/bin"}, timeout=60)

    def collect(self, attempt: Attempt) -> Record | None:
        return self.sandbox.collect(attempt, self.verified)

    def returned(self, attempt: Attempt, **record: Any) -> Record:
        """Collect an invented record."""
        (self.path / "record.json").write_text(json.dumps({"ok": True, **record}))
        collected = self.collect(attempt)
        assert collected is not None
        return collected

    def write(self, lfn: str, text: str) -> dict[str, Any]:
        """Put a file where the node would, and return the entry of the record for it."""
        path = self.path / "scratch" / lfn
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return entry(lfn, text)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def entry(lfn: str, text: str) -> dict[str, Any]:
    return {"lfn": lfn, "size": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def messages(record: Record) -> list[str]:
    return [error["message"] for error in [record["error"], *record.get("also", [])]]


# -- on the way out --------------------------------------------------------------------------------


def test_it_is_sent_with_all_inputs_and_comes_back_with_all_outputs(bench: Bench) -> None:
    bench.stage("bin/tool", "#!/bin/sh\ncat deep/in > a/out; seq 3000\n", 0o755)
    bench.stage("deep/in", "x\n", 0o640)
    inputs = [Input("bin/tool", executable=True), Input("deep/in"), Input("state", optional=True)]
    attempt = bench.attempt("./bin/tool", inputs=inputs, outputs=[Output("a/out")])

    spec = bench.fill(attempt)
    assert (spec["scratch"], spec["work"], spec["attachments"]) == ("scratch", "work", "attachments")
    assert spec["catalog"] is None and spec["attempt"] == 2
    assert (bench.path / "scratch/bin/tool").stat().st_mode & 0o777 == 0o755
    assert (bench.path / "scratch/deep/in").stat().st_mode & 0o777 == 0o640
    bench.node()
    record = bench.collect(attempt)

    assert record is not None and record["ok"], record
    assert record["outputs"] == [entry("a/out", "x\n")]
    assert (bench.scratch / "a/out").read_text() == "x\n"
    assert record["stdout_file"] == "00/00/job.out.001"
    assert (bench.submit_dir / record["stdout_file"]).read_text().startswith("1\n2\n")
    bench.sandbox.remove()
    bench.sandbox.remove()
    assert not bench.path.exists() and (bench.scratch / "a/out").read_text() == "x\n"


def test_a_missing_input_is_left_out_and_reported_by_the_worker(bench: Bench) -> None:
    attempt = bench.attempt(inputs=[Input("gone"), Input("maybe", optional=True)])
    bench.fill(attempt)
    bench.node()
    record = bench.collect(attempt)

    assert record is not None and record["error"]["kind"] == "missing-input"
    assert "'gone'" in record["error"]["message"] and "also" not in record


def test_what_has_sources_elsewhere_is_left_for_the_worker_and_what_is_here_comes_along(bench: Bench) -> None:
    (bench.submit_dir / "raw data").write_text("1,2\n")
    here = Place("local", f"file://{bench.submit_dir}/raw%20data")
    there = Place("web", "https://example.org/far")
    attempt = bench.attempt(inputs=[Input("near", sources=[there, here]), Input("far", sources=[there])])

    near, far = bench.fill(attempt)["job"]["inputs"]
    assert "sources" not in near and (bench.path / "scratch/near").read_text() == "1,2\n"
    assert far["sources"] == [{"site": "web", "url": "https://example.org/far"}]
    assert not (bench.path / "scratch/far").exists()


def test_without_a_mounted_scratch_the_worker_moves_files_by_its_url(bench: Bench) -> None:
    attempt = bench.attempt(inputs=[Input("in")], outputs=[Output("out")])
    attempt = Attempt(attempt.id, attempt.job, bench.context, "", "/work", scratch_url="https://store/run")

    spec = bench.fill(attempt)
    assert (spec["scratch"], spec["scratch_url"]) == ("", "https://store/run")
    record = bench.returned(attempt, outputs=[entry("out", "1"), entry("other", "2")])
    assert record["ok"] and record["outputs"] == [entry("out", "1")]


def test_passwords_travel_in_a_private_file_and_only_where_the_worker_moves_files(bench: Bench) -> None:
    private = bench.submit_dir / "passwords.json"
    write_passwords(str(private), {"https://bob@store": "s3cret"})
    bench.context = dataclasses.replace(bench.context, passwords=str(private))
    bench.stage("in", "x\n")

    spec = bench.fill(bench.attempt(inputs=[Input("in")]))
    assert spec["passwords"] == "" and not (bench.path / "passwords.json").exists()

    far = Place("web", "https://bob@store/far")
    spec = bench.fill(bench.attempt(inputs=[Input("far", sources=[far])]))
    assert spec["job"]["inputs"][0]["sources"] == [{"site": "web", "url": "https://bob@store/far"}]
    assert "s3cret" not in (bench.path / "spec.json").read_text()
    assert spec["passwords"] == "passwords.json"
    assert (bench.path / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert bench.path.stat().st_mode & 0o777 == 0o700
    assert read_passwords(str(bench.path / "passwords.json")) == {"https://bob@store": "s3cret"}


@pytest.mark.parametrize(
    ("more", "words"),
    [({"data": "sharedfs"}, "is not mounted at site 'far'"), ({"kind": Kind.CLEANUP}, "Markab's own")],
)
def test_what_needs_the_submit_host_is_refused(bench: Bench, more: dict[str, Any], words: str) -> None:
    with pytest.raises(AttemptFailed, match=words):
        bench.fill(bench.attempt(**more))
    assert not bench.path.exists()


@pytest.mark.parametrize("lfn", ["../in", "dir"])
def test_nothing_is_left_half_made(bench: Bench, lfn: str) -> None:
    (bench.scratch / "dir").mkdir()
    bench.stage("first", "1")
    with pytest.raises(AttemptFailed):
        bench.fill(bench.attempt(inputs=[Input("first"), Input(lfn)]))

    assert sorted(os.listdir(bench.path.parent)) == ["scratch", "submit"]


def test_what_an_earlier_call_left_is_removed(bench: Bench) -> None:
    attempt = bench.attempt()
    bench.fill(attempt)
    (bench.path / "record.json").write_text('{"ok": true}')

    bench.fill(attempt)
    assert sorted(os.listdir(bench.path)) == ["attachments", "scratch", "spec.json", "work", "worker.zip"]
    assert bench.collect(attempt) is None


# -- the record ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"ok": tr',
        "[]",
        "\0" * 9,
        '{"ok": "yes"}',
        '{"ok": false}',
        '{"ok": true, "outputs": [{"size": 1}]}',
        '{"ok": true, "outputs": [{"lfn": "out", "sha256": "none"}]}',
        '{"ok": true, "outputs": 7}',
        '{"ok": true, "stdout_file": ["x"]}',
        '{"ok": true, "also": 1}',
        '{"ok": true, "invocations": [{"argv": "x"}]}',
        '{"ok": true, "transfers": [{"lfn": "in", "sha256": "12"}]}',
        "[" * 100_000,
    ],
)
def test_a_record_that_is_torn_or_none_makes_a_failed_attempt(bench: Bench, text: str) -> None:
    attempt = bench.attempt(outputs=[Output("out")])
    bench.fill(attempt)
    (bench.path / "record.json").write_text(text)
    record = bench.collect(attempt)

    assert record is not None and not record["ok"] and record["error"]["kind"] == "transfer"
    assert "the record that came back cannot be read" in record["error"]["message"]


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), os.mkfifo, os.mkdir])
def test_a_record_that_is_no_plain_file_is_not_read(bench: Bench, make: Callable[[Path], None]) -> None:
    attempt = bench.attempt()
    bench.fill(attempt)
    make(bench.path / "record.json")
    record = bench.collect(attempt)

    assert record is not None and record["error"]["kind"] == "transfer"


def test_a_record_that_is_too_long_is_not_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_RECORD_BYTES", 10)
    attempt = bench.attempt()
    bench.fill(attempt)

    assert "more than 10" in bench.returned(attempt, host="far")["error"]["message"]


def test_transfers_of_what_the_job_does_not_fetch_are_ignored(bench: Bench) -> None:
    """Otherwise a node could set the checksum of another job's file."""
    fetched = Input("far", sources=[Place("web", "https://example.org/far")])
    attempt = bench.attempt(inputs=[fetched, Input("in")])
    bench.fill(attempt)
    record = bench.returned(attempt, transfers=[{"lfn": lfn} for lfn in ("far", "in", "other")])

    assert record["transfers"] == [{"lfn": "far"}]


# -- outputs ---------------------------------------------------------------------------------------


def test_outputs_that_the_job_does_not_declare_are_ignored(bench: Bench) -> None:
    attempt = bench.attempt(outputs=[Output("out")])
    bench.fill(attempt)
    entries = [bench.write(lfn, "1") for lfn in ("out", "other")]
    record = bench.returned(attempt, outputs=[*entries, entry("../evil", "1")])

    assert record["ok"] and record["outputs"] == entries[:1]
    assert os.listdir(bench.scratch) == ["out"]


def test_an_output_that_did_not_come_back_as_recorded_fails_the_attempt(bench: Bench) -> None:
    names = ("good", "gone", "short", "changed", "unsaid", "unhashed")
    attempt = bench.attempt(outputs=[Output(lfn) for lfn in names])
    bench.fill(attempt)
    entries = {lfn: bench.write(lfn, "text") for lfn in names}
    (bench.path / "scratch/gone").unlink()
    (bench.path / "scratch/short").write_text("te")
    (bench.path / "scratch/changed").write_text("tixt")
    del entries["unsaid"], entries["unhashed"]["sha256"]
    record = bench.returned(attempt, outputs=list(entries.values()))

    assert not record["ok"] and record["error"]["kind"] == "transfer"
    assert [message.split("'")[1] for message in messages(record)] == list(names[1:])
    for message, words in zip(
        messages(record),
        ("No such file", "2 bytes, and 4", "sha256", "not have it", "no checksum"),
        strict=True,
    ):
        assert words in message
    assert os.listdir(bench.scratch) == [], "outputs of a failed attempt stay out of the scratch"
    assert "outputs" not in record


def test_without_integrity_no_checksum_is_required(bench: Bench) -> None:
    bench.context = RunContext("u", "flow", str(bench.submit_dir), "none", 2, 1, None)
    attempt = bench.attempt(outputs=[Output("out")])
    bench.fill(attempt)
    bench.write("out", "text")
    record = bench.returned(attempt, outputs=[{"lfn": "out", "size": 4}])

    assert record["ok"] and record["outputs"] == [{"lfn": "out", "size": 4}]


@pytest.mark.parametrize("where", ["scratch", "scratch/a", "scratch/a/out"])
def test_what_is_reached_by_a_symbolic_link_is_not_taken(bench: Bench, tmp_path: Path, where: str) -> None:
    attempt = bench.attempt(outputs=[Output("a/out")])
    bench.fill(attempt)
    made = bench.write("a/out", "secret")
    os.rename(bench.path / where, tmp_path / "elsewhere")
    (bench.path / where).symlink_to(tmp_path / "elsewhere")
    record = bench.returned(attempt, outputs=[made])

    assert not record["ok"] and "is not a" in record["error"]["message"]
    assert not (bench.scratch / "a/out").exists()


def test_a_special_file_is_not_taken(bench: Bench) -> None:
    attempt = bench.attempt(outputs=[Output("pipe"), Output("dir")])
    bench.fill(attempt)
    os.mkfifo(bench.path / "scratch/pipe")
    (bench.path / "scratch/dir").mkdir()
    record = bench.returned(attempt, outputs=[{"lfn": "pipe", "size": 0}, {"lfn": "dir", "size": 0}])

    assert ["is not a plain file" in message for message in messages(record)] == [True, True]


def test_the_mode_of_an_output_comes_along_but_no_special_bits(bench: Bench) -> None:
    attempt = bench.attempt(outputs=[Output("tool")])
    bench.fill(attempt)
    made = bench.write("tool", "1")
    (bench.path / "scratch/tool").chmod(0o6755)

    assert bench.returned(attempt, outputs=[made])["ok"]
    assert (bench.scratch / "tool").stat().st_mode & 0o7777 == 0o755


def test_an_output_on_the_same_file_system_is_not_copied(bench: Bench) -> None:
    attempt = bench.attempt(outputs=[Output("new/out")])
    bench.fill(attempt)
    made = bench.write("new/out", "1")
    inode = (bench.path / "scratch/new/out").stat().st_ino

    assert bench.returned(attempt, outputs=[made])["ok"]
    assert (bench.scratch / "new/out").stat().st_ino == inode
    assert bench.verified.known(str(bench.scratch / "new/out")) == made["sha256"]


def test_an_output_that_the_node_still_has_another_name_for_is_copied(bench: Bench, tmp_path: Path) -> None:
    attempt = bench.attempt(outputs=[Output("out")])
    bench.fill(attempt)
    made = bench.write("out", "1")
    os.link(bench.path / "scratch/out", tmp_path / "kept by the node")

    assert bench.returned(attempt, outputs=[made])["ok"]
    (tmp_path / "kept by the node").write_text("2")
    assert (bench.scratch / "out").read_text() == "1"


def test_collecting_again_gives_the_same(bench: Bench) -> None:
    """The engine was killed before it recorded what it had collected."""
    attempt = bench.attempt("seq 3000; echo 1 > out", outputs=[Output("out")])
    bench.fill(attempt)
    bench.node()
    first = bench.collect(attempt)

    assert first is not None and first["ok"], first
    assert bench.collect(attempt) == first
    assert (bench.scratch / "out").read_text() == "1\n"
    assert (bench.submit_dir / first["stdout_file"]).exists()
    assert os.listdir(bench.scratch) == ["out"]


def test_an_output_that_cannot_be_put_in_place_is_an_error_of_storage(bench: Bench) -> None:
    (bench.scratch / "out").mkdir()
    attempt = bench.attempt(outputs=[Output("out")])
    bench.fill(attempt)
    record = bench.returned(attempt, outputs=[bench.write("out", "1")])

    assert record["error"]["kind"] == "storage"
    assert f"{bench.scratch}/out" in record["error"]["message"]
    assert os.listdir(bench.scratch) == ["out"], "no temporary name is left"


def test_of_a_failed_attempt_only_the_checkpoint_comes_back(bench: Bench) -> None:
    attempt = bench.attempt(outputs=[Output("state", checkpoint=True), Output("out"), Output("never", True)])
    bench.fill(attempt)
    entries = [bench.write("state", "half"), bench.write("out", "1")]
    error = {"kind": "exit", "message": "exit code 1"}
    record = bench.returned(attempt, ok=False, error=error, outputs=entries)

    assert record["outputs"] == [{**entries[0], "checkpoint": True}]
    assert record["error"] == error and "also" not in record
    assert os.listdir(bench.scratch) == ["state"]


# -- attachments -----------------------------------------------------------------------------------


def test_attachments_that_are_no_plain_files_stay_where_they_are(bench: Bench, tmp_path: Path) -> None:
    attempt = bench.attempt()
    bench.fill(attempt)
    (tmp_path / "secret").write_text("secret")
    (bench.path / "attachments/out").symlink_to(tmp_path / "secret")
    record = bench.returned(attempt, stdout_file="out", stderr_file="../../secret")

    assert "did not come back" in record["stdout"] and "did not come back" in record["stderr"]
    assert (tmp_path / "secret").read_text() == "secret"


def test_attachments_are_not_looked_for_through_a_symbolic_link(bench: Bench, tmp_path: Path) -> None:
    attempt = bench.attempt()
    bench.fill(attempt)
    (tmp_path / "secret").write_text("secret")
    (bench.path / "attachments").rmdir()
    (bench.path / "attachments").symlink_to(tmp_path)
    record = bench.returned(attempt, stdout_file="secret")

    assert "did not come back" in record["stdout"] and (tmp_path / "secret").exists()
