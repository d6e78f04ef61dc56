"""The tools of `pegasus-wms`, on submit directories of ours: they read them, and count as ours do."""

from __future__ import annotations

import csv
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from integration.official_packages import VERSION, theirs, tools
from integration.tools import command, markab

pytestmark = pytest.mark.integration

CATALOGS = """pegasus: 5.0.4
name: {name}
replicaCatalog:
  replicas:
  - {{lfn: in.txt, pfns: [{{site: local, pfn: "{directory}/in.txt"}}]}}
transformationCatalog:
  transformations:
  - {{name: sh, sites: [{{name: local, pfn: /bin/sh, type: installed}}]}}
jobs:
"""
RUNS = ("diamond", "failing", "many")
SECTIONS = ("summary", "summary-time", "workflow", "jobs", "breakdown", "integrity", "time", "time-per-host")


def job(id_: str, command: str, inputs: list[str], outputs: list[str], more: str = "") -> str:
    uses = [f"{{lfn: {lfn}, type: input}}" for lfn in inputs]
    uses += [f"{{lfn: {lfn}, type: output, stageOut: true, registerReplica: true}}" for lfn in outputs]
    return f"- {{type: job, name: sh, id: {id_}, arguments: [-c, '{command}'], uses: [{', '.join(uses)}]{more}}}\n"


def jobs(name: str) -> str:
    if name == "diamond":
        return (
            job("a", '"cat in.txt > b1; cat in.txt > b2; echo made"', ["in.txt"], ["b1", "b2"])
            + job("b", '"cat b1 > c1; echo words >&2"', ["b1"], ["c1"])
            + job("c", '"cat b2 > c2"', ["b2"], ["c2"])
            + job("d", '"cat c1 c2 > d"', ["c1", "c2"], ["d"])
        )
    if name == "failing":
        retry = ", profiles: {dagman: {RETRY: 1}}"
        return (
            job("a", '"echo said; echo bad >&2; exit 3"', ["in.txt"], ["b"], retry)
            + job("b", '"cat b > c"', ["b"], ["c"])
            + job("c", '"cat in.txt > e"', ["in.txt"], ["e"])
        )
    return "".join(job(f"j{n}", f'"echo {n} > f{n}"', ["in.txt"], [f"f{n}"]) for n in range(500))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name in RUNS:
        directory = tmp_path_factory.mktemp(name)
        (directory / "in.txt").write_text("words\n")
        (directory / "workflow.yml").write_text(CATALOGS.format(name=name, directory=directory) + jobs(name))
        plan = ("plan", "--sites", "local", "--output-dir", "out", "--relative-dir", "run", "workflow.yml")
        markab(*plan, cwd=directory)
        ended = markab("run", "run", cwd=directory, check=False)
        assert (ended.returncode == 0) == (name != "failing"), ended.stderr
        made[name] = directory / "run"
    return made


def rows(file: Path) -> list[list[object]]:
    """The rows of a CSV file, without comments and headers; fractions, which both round, as numbers."""
    found = [row for row in csv.reader(file.read_text().splitlines()) if len(row) > 1]
    names = ("Workflow_Id", "Type", "stat_type")
    rows = sorted(row for row in found if row[0] not in names and not row[0].startswith(("#", " ")))
    return [[_number(cell) for cell in row] for row in rows]


def _number(cell: str) -> object:
    is_fraction = re.fullmatch(r"\d+\.\d+%?", cell)
    return pytest.approx(float(cell.rstrip("%")), abs=0.002) if is_fraction else cell


@pytest.mark.parametrize("name", RUNS)
def test_their_statistics_are_ours(runs: dict[str, Path], name: str, tmp_path: Path) -> None:
    run = runs[name]
    words = ("-s", "all", "-f", "csv", "-o")
    done = theirs("pegasus-statistics", *words, tmp_path / "theirs", run, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    command("pegasus-statistics", *words, tmp_path / "ours", run, cwd=tmp_path)

    for section in SECTIONS:
        expected = rows(tmp_path / "theirs" / f"{section}.csv")
        ours = rows(tmp_path / "ours" / f"{section}.csv")
        assert [[getattr(cell, "expected", cell) for cell in row] for row in ours] == expected, section
        assert expected


def test_their_analyzer_names_what_failed_and_what_it_printed(runs: dict[str, Path], tmp_path: Path) -> None:
    run = runs["failing"]
    done = theirs("pegasus-analyzer", run, cwd=tmp_path)
    own = command("pegasus-analyzer", run, cwd=tmp_path, check=False)

    assert (done.returncode, own.returncode) == (2, 2), done.stdout + done.stderr
    for said in ("said", "bad", "exitcode    : 3", "Workflow Status    : failure"):
        assert said in done.stdout and said in own.stdout
    counts = [re.findall(r"# jobs (succeeded|failed) *: *(\d+)", one.stdout) for one in (done, own)]
    assert counts[0] == counts[1]

    well = theirs("pegasus-analyzer", runs["many"], cwd=tmp_path)
    assert well.returncode == 0 and "Workflow Status    : success" in well.stdout


def test_their_administration_of_databases_knows_the_version(runs: dict[str, Path], tmp_path: Path) -> None:
    for name in RUNS:
        done = theirs("pegasus-db-admin", "version", "-s", runs[name], "-t", "workflow", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr

    version(runs["diamond"], "x")
    try:
        words = ("version", "-s", runs["diamond"], "-t", "workflow")
        assert theirs("pegasus-db-admin", *words, cwd=tmp_path).returncode, "they do read it"
    finally:
        version(runs["diamond"], "14")


def version(run: Path, text: str) -> None:
    with closing(sqlite3.connect(run / "diamond-0.stampede.db")) as database, database:
        database.execute("UPDATE dbversion SET version = ?", (text,))


def test_their_braindump_is_read(runs: dict[str, Path]) -> None:
    code = "import sys, Pegasus.braindump as b; print(b.load(open(sys.argv[1])).dax_label)"
    python, _ = tools()
    shown = subprocess.run(
        [python, "-c", code, runs["diamond"] / "braindump.yml"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "diamond\n"


def test_the_version_is_the_one_asked_for() -> None:
    python, _ = tools()
    code = "import importlib.metadata as m; print(m.version('pegasus-wms'))"
    shown = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == f"{VERSION}\n"
