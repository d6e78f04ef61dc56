"""A changed bit in a file is caught before the file is used, and reported with both checksums."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.tools import job_line, journal, markab, plan, script, write_workflow

pytestmark = pytest.mark.integration

DATA = ("condorio", "nonsharedfs", "sharedfs")

FLIP = """#!/usr/bin/env python3
# Flips one bit of the file named by the first argument; size and times stay as they were.
import os, sys
status = os.stat(sys.argv[1])
os.chmod(sys.argv[1], 0o600)
with open(sys.argv[1], "r+b") as file:
    file.seek(status.st_size // 2)
    byte = file.read(1)[0]
    file.seek(-1, os.SEEK_CUR)
    file.write(bytes([byte ^ 4]))
os.chmod(sys.argv[1], status.st_mode & 0o7777)
os.utime(sys.argv[1], ns=(status.st_atime_ns, status.st_mtime_ns))
"""

READ = """#!/bin/sh
# Reads `middle`, writes `result`, and leaves a trace of having been started.
echo started >> "$1"
cat middle > result
"""

MIDDLE = b"one line\n" * 1000


def flipped(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entry(name: str, path: Path) -> dict[str, Any]:
    return {"name": name, "sites": [{"name": "local", "type": "installed", "pfn": str(path)}]}


def planned(here: Path, data: str, *flags: str, checksum: str | None = None) -> Path:
    """Plan: `make` writes middle from `raw`, `flip` changes a bit of it in the scratch, `read` reads it."""
    (here / "raw").write_bytes(MIDDLE)
    scratch = here / "wf-scratch" / "run"
    catalog: dict[str, Any] = {"lfn": "raw", "pfns": [{"site": "local", "pfn": str(here / "raw")}]}
    if checksum is not None:
        catalog["checksum"] = {"sha256": checksum}
    workflow = write_workflow(
        here,
        [
            job_line("make", "cp", "raw middle", inputs=["raw"], outputs=["middle"]),
            job_line("flip", "flip", str(scratch / "middle")),
            job_line("read", "read", str(here / "trace"), inputs=["middle"], outputs=["result"]),
        ],
        jobDependencies=[{"id": "make", "children": ["flip"]}, {"id": "flip", "children": ["read"]}],
        replicaCatalog={"replicas": [catalog]},
        transformationCatalog={
            "transformations": [
                entry("flip", script(here / "flip", FLIP)),
                entry("read", script(here / "read", READ)),
            ]
        },
    )
    return plan(
        workflow,
        *("--relative-dir", "run", "--dir", here / "runs", "--output-dir", here / "results"),
        *("--sites", "local", "-D", f"pegasus.data.configuration={data}", "-D", "dagman.retry=0"),
        *flags,
        cwd=here,
    )


def said(done: subprocess.CompletedProcess[str], here: Path) -> str:
    """Return what a command wrote to stderr, without the test's directory."""
    return done.stderr.replace(str(here), "HERE").replace(f"/{getpass.getuser()}/", "/USER/").strip()


def started(submit_dir: Path) -> list[str]:
    """Return the ids of the jobs of which an attempt was made, without the planner's own."""
    ids = [r["id"] for r in journal(submit_dir) if r["event"] == "start"]
    return [name for name in ids if name.partition("_")[0] in ("cp", "flip", "read")]


@pytest.mark.parametrize("data", DATA)
def test_a_flipped_bit_is_caught_before_the_file_is_read(data: str, tmp_path: Path) -> None:
    submit_dir = planned(tmp_path, data)

    done = markab("run", "-q", submit_dir, cwd=tmp_path, check=False)

    assert 14 == done.returncode
    assert (
        "read_read failed (attempt 1)\n"
        "  input 'middle' of job 'read_read' is not what was recorded: "
        "'HERE/wf-scratch/run/middle' is not the file that was recorded: "
        f"its sha256 is {sha256(flipped(MIDDLE))}, expected {sha256(MIDDLE)}\n"
        "    hint: put the right file back and run again, or plan and run the workflow anew\n"
        "  command: HERE/read HERE/trace"
    ) == said(done, tmp_path)
    assert not (tmp_path / "trace").exists(), "the consumer ran"
    assert not (tmp_path / "results" / "result").exists()

    (tmp_path / "wf-scratch" / "run" / "middle").write_bytes(MIDDLE)
    markab("run", submit_dir, cwd=tmp_path)

    assert ["cp_make", "flip_flip", "read_read", "read_read"] == started(submit_dir)
    assert MIDDLE == (tmp_path / "results" / "result").read_bytes()


def flip_by_hand(path: Path) -> None:
    status = os.stat(path)
    path.write_bytes(flipped(path.read_bytes()))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("data", DATA)
def test_a_flipped_bit_is_never_delivered(data: str, tmp_path: Path) -> None:
    submit_dir = planned(tmp_path, data)
    script(tmp_path / "flip", "#!/bin/sh\nexit 1\n")
    (tmp_path / "results").touch()  # in the way of the output directory
    markab("run", "-q", submit_dir, cwd=tmp_path, check=False)
    (tmp_path / "results").unlink()
    middle = tmp_path / "wf-scratch" / "run" / "middle"
    flip_by_hand(middle)

    done = markab("run", "-q", submit_dir, cwd=tmp_path, check=False)

    assert 14 == done.returncode
    assert (
        "stage_out_local_local_0_0 failed (attempt 2)\n"
        "  'HERE/wf-scratch/run/middle' is not the file that was recorded: "
        f"its sha256 is {sha256(flipped(MIDDLE))}, expected {sha256(MIDDLE)}\n"
    ) in said(done, tmp_path)
    assert [] == os.listdir(tmp_path / "results")

    middle.write_bytes(MIDDLE)
    script(tmp_path / "flip", "#!/bin/sh\n")
    markab("run", submit_dir, cwd=tmp_path)
    assert MIDDLE == (tmp_path / "results" / "middle").read_bytes()


@pytest.mark.parametrize("data", DATA)
def test_a_raw_input_that_is_not_what_the_catalog_says_is_caught(data: str, tmp_path: Path) -> None:
    wrong = sha256(b"something else")
    submit_dir = planned(tmp_path, data, checksum=wrong)

    done = markab("run", "-q", submit_dir, cwd=tmp_path, check=False)

    assert 14 == done.returncode
    assert (
        "stage_in_local_local_0_0 failed (attempt 1)\n"
        f"  'HERE/raw' is not the file that was recorded: its sha256 is {sha256(MIDDLE)}, expected {wrong}\n"
        "    hint: sha256sum 'HERE/raw'; if the file is right, `markab run --refresh RUN` takes it anew; but correct its checksum in the replica catalog, should it have one there, and plan again"
    ) == said(done, tmp_path)
    assert [] == started(submit_dir)
    assert not (tmp_path / "wf-scratch" / "run" / "raw").exists()
    assert not (tmp_path / "results").exists() or [] == os.listdir(tmp_path / "results")


@pytest.mark.parametrize("data", DATA)
def test_a_raw_input_that_is_what_the_catalog_says_passes(data: str, tmp_path: Path) -> None:
    submit_dir = planned(tmp_path, data, checksum=sha256(MIDDLE).upper())
    script(tmp_path / "flip", "#!/bin/sh\n")

    markab("run", submit_dir, cwd=tmp_path)

    assert MIDDLE == (tmp_path / "results" / "result").read_bytes()


@pytest.mark.parametrize("data", DATA)
def test_without_integrity_checking_nothing_is_checked(data: str, tmp_path: Path) -> None:
    submit_dir = planned(
        tmp_path, data, "-D", "pegasus.integrity.checking=none", checksum=sha256(b"something else")
    )

    markab("run", submit_dir, cwd=tmp_path)

    assert flipped(MIDDLE) == (tmp_path / "results" / "result").read_bytes()
    records = [r["record"] for r in journal(submit_dir) if r["event"] == "end"]
    assert [] == [record for record in records if "checked" in record]
    assert [] == [made for record in records for made in record.get("outputs", ()) if "sha256" in made]


@pytest.mark.parametrize("data", DATA)
def test_checks_are_counted_and_checksums_recorded(data: str, tmp_path: Path) -> None:
    submit_dir = planned(tmp_path, data)
    script(tmp_path / "flip", "#!/bin/sh\n")

    markab("run", submit_dir, cwd=tmp_path)

    made = {
        output["lfn"]: output["sha256"]
        for r in journal(submit_dir)
        if r["event"] == "end"
        for output in r["record"].get("outputs", ())
    }
    assert {"middle": sha256(MIDDLE), "result": sha256(MIDDLE)} == made
    ids = [json.loads(line)["id"] for line in (submit_dir / "plan.jsonl").read_text().splitlines()[1:]]
    checked = {
        ids[r["job"]]: r["record"]["checked"]["count"]
        for r in journal(submit_dir)
        if r["event"] == "end" and "checked" in r["record"]
    }
    moved = {name: count for name, count in checked.items() if name.startswith("stage_")}
    assert list(moved.values()) == [1, 1], "raw on its way in, result on its way out"
    assert sum(checked.values()) == 4, "and `make` checks raw, `read` checks middle"
