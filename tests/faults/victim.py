"""A small workflow that is planned, run and disturbed, and all that must be true of it once it has ended."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

from integration.tools import environment, job_line, script
from kit.databases import contents
from kit.waiting import wait_until
from markab.operations.planning import plan
from markab.operations.statistics import read_statistics
from markab.operations.status import read_status
from markab.planner.options import PlanOptions
from markab.provenance.update import RunUpdater

FAULTY_IO = Path(__file__).parent / "faulty_io"
DATA = ("condorio", "nonsharedfs", "sharedfs")
SURVIVORS_S = 20.0
"""A process may outlive its engine by so much: the last pass of the follower."""

STEP = """#!/bin/sh
# Writes to $2 what follows from its name $1 and its inputs; `right` fails at its first try.
name=$1; out=$2; shift 2
alive="$WITNESS/alive-$name"
if ! mkdir "$alive" 2>/dev/null; then  # of one that was killed, or does it still run?
  grep -q "^State:.[RSDT]" "/proc/$(cat "$alive/pid")/status" 2>/dev/null && echo "$name" >> "$WITNESS/twice"
fi
echo $$ > "$alive/pid"
if [ "$name" = right ] && mkdir "$WITNESS/tried" 2>/dev/null; then rm -r "$alive"; exit 1; fi
sleep 0.0$((1 + $$ % 3))
{ echo "$name"; cat "$@" /dev/null; } | sha256sum > "$out" || exit 1
rm -r "$alive"
"""

JOBS: dict[str, tuple[str, list[str]]] = {
    "first": ("first.txt", ["in.a"]),
    "left": ("left.txt", ["first.txt", "in.b"]),
    "right": ("below/right.txt", ["first.txt"]),
    "join": ("join.txt", ["left.txt", "below/right.txt"]),
    "alone": ("alone.txt", ["in.b"]),
}
INPUTS = {"in.a": "content of a\n", "in.b": "content of b\n" * 1000}


def expected_results() -> dict[str, bytes]:
    """Return what an undisturbed run delivers."""
    made = dict(INPUTS)
    for name, (output, inputs) in JOBS.items():
        text = f"{name}\n" + "".join(made[lfn] for lfn in inputs)
        made[output] = f"{hashlib.sha256(text.encode()).hexdigest()}  -\n"
    return {output: made[output].encode() for output, _ in JOBS.values()}


def files_below(directory: Path) -> dict[str, bytes]:
    """Return the content of all files."""
    found = (Path(folder) / name for folder, _, names in os.walk(directory) for name in names)
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def snapshot(directory: Path) -> dict[str, object]:
    """Return everything about a directory that a run must not change."""
    found: dict[str, object] = {}
    for folder, folders, names in os.walk(directory):
        for name in (*folders, *names):
            path = Path(folder) / name
            status = path.lstat()
            kept = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
            found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, kept)
    return found


class Victim:
    """One run and its surroundings, each in a directory of its own below `directory`.

    `outside` is the user's, with the inputs; `submit`, `scratch`, `results`, `home` and `tmp` are what a
    run may write to. Every process that descends from a command has the marker in its environment.
    """

    def __init__(self, directory: Path, data: str = DATA[0], **places: Path) -> None:
        self.directory, self.data = directory, data
        self.marker = f"{directory}"
        self.outside, self.home, self.tmp = (directory / name for name in ("outside", "home", "tmp"))
        self.submit, self.scratch, self.results = (
            places.get(name, directory / name) for name in ("submit", "scratch", "results")
        )
        self.witness = directory / "witness"
        for path in (self.outside / "precious", self.home, self.tmp, self.witness):
            path.mkdir(parents=True, exist_ok=True)
        (self.outside / "precious" / "thesis.txt").write_text("years of work\n")
        (self.outside / "first.txt").write_text("a file of the same name as one of the run\n")
        for lfn, text in INPUTS.items():
            (self.outside / lfn).write_text(text)
        self.workflow = self._write_documents()
        self.before = snapshot(self.outside)
        self.submit_dir = self.submit

    def _write_documents(self) -> Path:
        step = script(self.outside / "step.sh", STEP)
        profiles = {"dagman": {"retry": "60"}, "env": {"WITNESS": str(self.witness)}}
        jobs = [
            job_line(name, "step", " ".join([name, output, *inputs]), inputs=inputs, outputs=[output], profiles=profiles)
            for name, (output, inputs) in JOBS.items()
        ]  # fmt: skip
        pfns = {lfn: [{"site": "local", "pfn": str(self.outside / lfn)}] for lfn in INPUTS}
        directories = {"sharedScratch": self.scratch, "localStorage": self.results}
        document = {
            "pegasus": "5.0.4",
            "name": "w",
            "siteCatalog": {"sites": [{"name": "local", "directories": [
                {"type": kind, "path": str(path), "fileServers": [{"url": f"file://{path}", "operation": "all"}]}
                for kind, path in directories.items()
            ]}]},
            "replicaCatalog": {"replicas": [{"lfn": lfn, "pfns": where} for lfn, where in pfns.items()]},
            "transformationCatalog": {"transformations": [
                {"name": "step", "sites": [{"name": "local", "type": "stageable", "pfn": str(step)}]}
            ]},
            "jobs": jobs,
        }  # fmt: skip
        path = self.outside / "workflow.yml"
        path.write_text(json.dumps(document))
        return path

    # -- commands ---------------------------------------------------------------------

    def plan_here(self) -> None:
        """Plan in this process, which is quick."""
        options = PlanOptions(
            workflow=self.workflow,
            directory=self.outside,
            dir=self.submit,
            sites=["local"],
            output_sites=["local"],
            properties={"pegasus.data.configuration": self.data},
        )  # fmt: skip
        planned = plan(options)
        assert planned.submit_dir is not None
        self.submit_dir = planned.submit_dir

    def start(
        self, *words: str | Path, fault: str = "", at: int = 0, action: str = ""
    ) -> subprocess.Popen[str]:
        """Start `markab …`, with a fault in one of its processes."""
        self.struck_file.unlink(missing_ok=True)
        more = {"HOME": str(self.home), "TMPDIR": str(self.tmp), "MARKAB_FAULT_MARKER": self.marker}
        if fault:
            path = f"{FAULTY_IO}{os.pathsep}{environment()['PYTHONPATH']}"
            more |= {"PYTHONPATH": path, "MARKAB_FAULT": f"{fault} {at} {action}"}
            more |= {"MARKAB_FAULT_STRUCK": str(self.struck_file), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "markab", *map(str, words)],
            cwd=self.outside,
            env=environment(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, **fault: Any) -> tuple[int, str]:
        """`markab run` to its end; a run that hangs is an error."""
        return self.call("run", self.submit_dir, **fault)

    def call(self, *words: str | Path, **fault: Any) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it printed."""
        with self.start(*words, **fault) as process:
            try:
                text, _ = process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"{words} hangs after {fault}") from None
        check_text(text)
        return process.returncode, text

    @property
    def struck_file(self) -> Path:
        return self.directory / "struck"

    @property
    def struck(self) -> str:
        """The I/O call that the last command was struck at, if it was."""
        return self.struck_file.read_text() if self.struck_file.exists() else ""

    # -- looking ----------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """Return the command lines of all that descends from the commands."""
        wanted = f"MARKAB_FAULT_MARKER={self.marker}\0".encode()
        found = {}
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and wanted in Path(f"/proc/{entry}/environ").read_bytes() + b"\0":
                    found[int(entry)] = (
                        Path(f"/proc/{entry}/cmdline").read_text("utf-8", "replace").replace("\0", " ")
                    )
            except OSError:
                continue
        return found

    def settle(self) -> None:
        """Wait until no process is left, and take back what killed jobs could not give back."""
        wait_until(lambda: not self.processes(), SURVIVORS_S, what="processes outlive the engine")
        for lock in self.witness.glob("alive-*"):
            shutil.rmtree(lock)

    def records(self) -> list[dict[str, Any]]:
        """Return the whole records of the journal; each has its checksum."""
        path = self.submit_dir / "journal.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        found = []
        for line in lines:
            checksum, _, body = line.rstrip(b"\n").partition(b" ")
            if line.endswith(b"\n"):
                assert int(checksum, 16) == zlib.crc32(body)
                found.append(json.loads(body))
        return found

    def phase(self) -> str:
        """Return how far the run has come."""
        events = self.records()
        if not events:
            return "before the first record"
        if events[-1]["event"] == "run-end":
            return "after the last record"
        open_jobs = {r["job"]: r["id"] for r in events if r["event"] == "start"}
        for record in events:
            if record["event"] == "end":
                open_jobs.pop(record["job"], None)
        if any(name.startswith(("clean", "register")) for name in open_jobs.values()):
            return "while cleaning up or registering"
        if any(name.startswith(("stage", "create")) for name in open_jobs.values()):
            return "while moving files"
        return "while tasks run" if open_jobs else "between jobs"

    # -- judging ----------------------------------------------------------------------

    def check_complete(self) -> None:
        """All that must be true once the run has succeeded, whatever happened before."""
        self.settle()
        assert files_below(self.results) == expected_results()
        assert snapshot(self.outside) == self.before, "something outside of the run was changed"
        assert not (self.witness / "twice").exists(), "two attempts of one job ran at the same time"
        assert files_below(self.scratch) == {}, "the scratch directory was not cleaned up"
        assert os.listdir(self.tmp) == []
        jobs = self.check_journal()
        self.check_reports(jobs)
        self.check_database()

    def check_journal(self) -> int:
        """Each job succeeded once, not counting what was taken back, and each attempt began and ended at most once.

        Return the number of jobs.
        """
        records = self.records()
        starts = Counter((r["job"], r["attempt"]) for r in records if r["event"] == "start")
        ends = Counter((r["job"], r["attempt"]) for r in records if r["event"] == "end")
        succeeded = Counter(r["job"] for r in records if r["event"] == "end" and r["record"]["ok"])
        succeeded.subtract(r["job"] for r in records if r["event"] == "undone")
        assert set(starts.values()) == set(ends.values()) == set(succeeded.values()) == {1}
        assert set(starts) == set(ends)
        assert {job for job, _ in starts} == set(succeeded)
        assert records[-1]["event"] == "run-end" and records[-1]["outcome"] == "success"
        return len(succeeded)

    def check_reports(self, jobs: int) -> None:
        """Status, its file and the statistics say what the journal says."""
        attempts = sum(record["event"] == "start" for record in self.records())
        assert json.loads((self.submit_dir / "status.json").read_bytes())["succeeded"] == jobs
        status = read_status(self.submit_dir)
        assert status.state == "Success" and status.succeeded == jobs, status
        summary = read_statistics(self.submit_dir).summary.jobs
        assert (summary.succeeded, summary.failed, summary.unfinished) == (jobs, 0, 0)
        assert summary.total + summary.retries == attempts, summary

    def check_database(self) -> None:
        """The database is current, and what the follower wrote bit by bit is what one pass writes."""
        update(self.submit_dir)
        database = self.submit_dir / "w-0.stampede.db"
        written = contents(database)
        log = (self.submit_dir / "jobstate.log").read_bytes()
        for path in (database, self.submit_dir / "jobstate.log"):
            path.unlink()
        update(self.submit_dir)
        assert contents(database) == written
        assert (self.submit_dir / "jobstate.log").read_bytes() == log
        # An attempt whose program ended well, and whose outputs did not, is one after the other.
        states = Counter(
            state
            for row in written["jobstate"]
            for state in ("JOB_SUCCESS", "POST_SCRIPT_FAILED")
            if state in row
        )
        succeeded = states["JOB_SUCCESS"] - states["POST_SCRIPT_FAILED"]
        events = Counter(r["event"] for r in self.records())
        assert succeeded - events["undone"] == len(
            {r["job"] for r in self.records() if r["event"] == "start"}
        )


def check_text(text: str) -> None:
    """What a command printed is for its user."""
    assert "Traceback" not in text and "a bug in Markab" not in text, text


def update(submit_dir: Path) -> None:
    """Update what is derived from a journal, in this process."""
    found = RunUpdater(submit_dir).update()
    assert not found.error, found.error
