"""A run never goes on unrecorded: what happens while its database cannot be written, and after all its processes are killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection, select

from integration.full_disk import small_disk
from integration.tools import (
    POWERLESS,
    Gate,
    command,
    environment,
    job_line,
    journal,
    markab,
    plan,
    write_workflow,
)
from kit.waiting import wait_until
from markab.engine.control import engine_pid
from markab.errors import StorageError
from markab.journal.progress import read_progress
from markab.operations.status import read_status
from markab.provenance import schema
from markab.provenance.database import connected
from markab.provenance.database_location import Target, file_target
from markab.provenance.projection import Projector
from markab.provenance.run_database import open_database
from provenance.postgres_server import PASSWORD, Server, install, stoppable_server

pytestmark = pytest.mark.integration

MARKAB = (sys.executable, "-m", "markab")
DATABASE = "w-0.stampede.db"
NOTHING_NEW = "nothing new is started until that works"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg")
    if not install():
        pytest.skip("there is no PostgreSQL server, and none can be installed")
    with stoppable_server() as server:
        yield server


@pytest.fixture
def url(server: Server) -> Iterator[URL]:
    yield server.url
    with on_server(server) as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")


def on_server(server: Server) -> Any:
    return connected(Target(server.url.set(drivername="postgresql+psycopg")))


# -- a run, and looking at it --------------------------------------------------------------------------


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with Gate(tmp_path / "gate") as made:
        yield made


def planned(tmp_path: Path, *words: str | Path, jobs: int = 40, program: str = "true") -> Path:
    workflow = write_workflow(tmp_path, [job_line(f"j{n}", *program.split(" ", 1)) for n in range(jobs)])
    return plan(workflow, "--relative-dir", "run", "--dir", tmp_path, *words, cwd=tmp_path)


def set_url(run: Path, url: URL | str, **more: str) -> None:
    """Say where the database of a planned run is."""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    (file,) = run.glob("pegasus.*.properties")
    file.write_text(file.read_text() + f"\npegasus.catalog.workflow.url = {text}\n")


def start(run: Path, *before: str) -> None:
    command(*before, *MARKAB, "run", "--detach", "--cores", "2", run, cwd=run)


def state(run: Path) -> dict[str, Any]:
    return read_status(run).to_json()


def is_in_state(run: Path, *states: str) -> bool:
    return state(run)["dags"]["root"]["state"] in states


def wait_for_jobs(run: Path, count: int) -> None:
    wait_until(lambda: events(run, "end") >= count)


def events(run: Path, name: str) -> int:
    try:
        return (run / "journal.jsonl").read_bytes().count(b'"event":"%s"' % name.encode())
    except FileNotFoundError:
        return 0


def wait_for_end(run: Path, gate: Gate | None = None) -> None:
    if gate is not None:
        gate.let(1000)
    wait_until(lambda: not is_in_state(run, "Running"), 120)
    assert is_in_state(run, "Success"), (run / "run.log").read_text()


def check_held(run: Path, *words: str, gate: Gate | None = None) -> None:
    """Wait until `markab status` says that the run is held, and why; then see that nothing new is started."""
    words = (*words, NOTHING_NEW)  # on a slow machine the first note is that there was no answer yet
    if gate is not None:
        gate.let(1)  # so that there is something to record
    wait_until(lambda: all(word in state(run).get("note", "") for word in words), what=words)
    assert is_in_state(run, "Running")
    if gate is not None:
        gate.let(2)  # those that run
    wait_until(lambda: events(run, "start") == events(run, "end"))
    before = journal(run)
    wait_for_turns(run)
    assert journal(run) == before, "something happened, and could not be recorded"
    said = (run / "run.log").read_text()
    for word in words:
        assert word in said
    assert "nothing new is started: the run cannot be recorded" in markab("status", "-l", run, cwd=run).stdout


def wait_for_turns(run: Path) -> None:
    """Wait until the engine has written its status twice: between the two it could have started jobs."""

    def written_s() -> float:
        progress = read_progress(run / "status.json")
        return progress.time if progress else 0.0

    for _ in range(2):
        last_s = written_s()
        wait_until(lambda: written_s() > last_s)  # noqa: B023


def plain(value: Any) -> Any:
    return float(value) if isinstance(value, (Decimal, bool, int)) else value


def rows(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything in a database, but what depends on when it was made and where it is."""
    left_out = {"db_url", "version_timestamp"}
    found = {}
    for table in schema.metadata.sorted_tables:
        if not table.name.startswith("master_"):
            columns = [column for column in table.columns if column.name not in left_out]
            found[table.name] = sorted(
                (tuple(map(plain, row)) for row in connection.execute(select(*columns))), key=repr
            )
    return found


def made_anew(target: Target, tmp_path: Path) -> Target:
    """Return an empty database of the same kind: kinds differ in how they round."""
    if target.file is not None:
        file = tmp_path / "from-scratch.db"
        file.unlink(missing_ok=True)
        return file_target(file)
    with connected(target) as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS scratch")
        connection.exec_driver_sql("CREATE DATABASE scratch")
    return Target(target.url.set(database="scratch"))


def check_rows(run: Path, tmp_path: Path) -> None:
    """Ask for statistics once; then the database has what one made of plan and journal has."""
    markab("statistics", run, cwd=run)
    with open_database(run) as database:
        found = rows(database.connection)
        scratch = made_anew(database.target, tmp_path)
    Projector(run, scratch).update()
    with connected(scratch) as connection:
        expected = rows(connection)
    assert len(expected["job_instance"]) == events(run, "start")
    assert found.keys() == expected.keys()
    for table, content in expected.items():
        assert found[table] == content, table


# -- databases that cannot be written -------------------------------------------------------------------


def has_rows(run: Path) -> bool:
    """Say whether a first pass is done."""
    try:
        with closing(sqlite3.connect(f"file:{run / DATABASE}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("SELECT count(*) FROM job_instance").fetchone()[0])
    except sqlite3.Error:
        return False


def start_until_recorded(run: Path, gate: Gate, *before: str) -> None:
    """Start a run; return once jobs have ended, others run, and a first pass is done."""
    gate.let(8)
    start(run, *before)
    wait_for_jobs(run, 8)
    wait_until(lambda: has_rows(run))


def make_read_only(run: Path) -> None:
    (run / DATABASE).chmod(0o444)


def make_writable(run: Path) -> None:
    (run / DATABASE).chmod(0o644)


def set_version(run: Path, version: int) -> None:
    connection = sqlite3.connect(run / DATABASE, timeout=30)
    with connection:
        connection.execute("UPDATE dbversion SET version_number = ?", (version,))
    connection.close()


def put_a_directory(run: Path) -> None:
    while not (run / DATABASE).is_dir():
        (run / DATABASE).unlink(missing_ok=True)
        with suppress(FileExistsError):  # the follower was quicker
            (run / DATABASE).mkdir()


ACCIDENTS = [
    (make_read_only, make_writable, ["readonly database", "can be read and written"]),
    (put_a_directory, lambda run: (run / DATABASE).rmdir(), ["unable to open database file"]),
    (
        lambda run: set_version(run, 99),
        lambda run: set_version(run, 14),
        ["version 99", "or delete this one"],
    ),
]


@pytest.mark.parametrize(("damage", "repair", "words"), ACCIDENTS)
def test_a_run_stops_starting_jobs_when_its_database_goes_and_goes_on_when_it_is_back(
    tmp_path: Path,
    gate: Gate,
    damage: Callable[[Path], None],
    repair: Callable[[Path], None],
    words: Sequence[str],
) -> None:
    run = planned(tmp_path, program=gate.program)
    start_until_recorded(run, gate, *POWERLESS)
    damage(run)
    check_held(run, str(run / DATABASE), *words, gate=gate)
    repair(run)
    wait_for_end(run, gate)
    check_rows(run, tmp_path)


def test_a_database_that_stays_locked_is_reported_as_locked(tmp_path: Path, gate: Gate) -> None:
    run = planned(tmp_path, program=gate.program)
    start_until_recorded(run, gate)
    other = sqlite3.connect(run / DATABASE, timeout=30, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    check_held(run, "is being written to by another program", gate=gate)
    other.close()
    wait_for_end(run, gate)
    check_rows(run, tmp_path)


def test_a_database_on_a_disk_that_is_full_holds_the_run_until_there_is_room(
    tmp_path: Path, gate: Gate
) -> None:
    run = planned(tmp_path, program=gate.program)
    with small_disk(tmp_path / "disk", "1m") as disk:
        set_url(run, f"sqlite:///{disk.path}/all.db")
        done = disk.command(*MARKAB, "run", "--detach", "--cores", "2", run, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        gate.let(8)
        wait_for_jobs(run, 8)
        wait_until((disk.seen / "all.db").exists)
        disk.fill()
        check_held(run, "all.db", "its disk is full", "free some space", gate=gate)
        disk.make_room()
        wait_for_end(run, gate)
        done = disk.command(*MARKAB, "statistics", run, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (tmp_path / "copy.db").write_bytes((disk.seen / "all.db").read_bytes())
    set_url(run, f"sqlite:///{tmp_path}/copy.db")
    check_rows(run, tmp_path)


@pytest.mark.parametrize("ask", [(), ("--quiet",)])
def test_a_run_that_begins_with_an_unusable_database_starts_nothing_and_says_so_at_once(
    tmp_path: Path, ask: Sequence[str]
) -> None:
    run = planned(tmp_path, jobs=2)
    (run / DATABASE).mkdir()
    engine = subprocess.Popen(
        [*MARKAB, "run", *ask, run],
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stderr is not None
    warnings = (line for line in engine.stderr if line.startswith("warning: "))
    first = next(warnings)
    # on a slow machine the first reason is that there was no answer yet
    says_so = NOTHING_NEW in first and (DATABASE in first or any(DATABASE in line for line in warnings))
    engine.send_signal(signal.SIGINT)
    assert says_so, first
    said, complaints = engine.communicate(timeout=60)
    assert engine.returncode == 130
    assert "interrupted, 0 of 4 jobs succeeded\n  continue: markab run" in said
    assert "the missing records are in the journal" in complaints
    assert events(run, "start") == 0

    (run / DATABASE).rmdir()
    markab("run", run, cwd=run)
    check_rows(run, tmp_path)


@pytest.mark.parametrize("ask", ["halt", "remove"])
def test_a_run_that_is_held_ends_when_it_is_asked_to(tmp_path: Path, ask: str) -> None:
    run = planned(tmp_path, jobs=2)
    (run / DATABASE).mkdir()
    start(run)
    check_held(run, DATABASE)
    markab(ask, run, cwd=run)
    wait_until(lambda: is_in_state(run, "Halted", "Removed"))
    assert events(run, "start") == 0


BY_SCRIPT = """
from pathlib import Path
from Pegasus.api import *
wf = Workflow("w").add_jobs(Job("true"))
wf.plan(dir=".", relative_dir="run", sites=["condorpool"], **{"pegasus.catalog.workflow.url": "mysql://db/runs"})
wf.run()
"""


@pytest.mark.parametrize("how", ["markab run", "pegasus-run", "plan --submit", "Workflow.run"])
def test_however_a_run_is_started_it_starts_nothing_unrecorded(tmp_path: Path, how: str) -> None:
    run, engine = tmp_path / "run", None
    property = ("-D", "pegasus.catalog.workflow.url=mysql://db/runs")
    if how == "Workflow.run":
        command(sys.executable, "-c", BY_SCRIPT, cwd=tmp_path)
    elif how == "plan --submit":
        workflow = write_workflow(tmp_path, [job_line("j", "true")])
        words = ["plan", "--submit", *property, "--relative-dir", "run", "--dir", tmp_path, workflow]
        with open(tmp_path / "said", "w") as said:
            engine = subprocess.Popen([*MARKAB, *words], env=environment(), stdout=said, stderr=said)
    else:
        planned(tmp_path, *property, jobs=1)
        command(*([*MARKAB, "run", "--detach"] if how == "markab run" else [how]), run, cwd=run)
    wait_until((run / "journal.jsonl").exists)
    note = "names an unsupported database 'mysql'"
    seen = wait_until(lambda: note in (seen := state(run)).get("note", "") and seen)
    assert NOTHING_NEW in seen["note"]
    markab("halt", run, cwd=run)
    wait_until(lambda: is_in_state(run, "Halted"))
    assert events(run, "start") == 0
    assert engine is None or engine.wait(10) == 15


def test_a_home_that_cannot_be_written_stops_no_run_and_is_shown_by_status(
    tmp_path: Path, gate: Gate
) -> None:
    (tmp_path / "home/.pegasus").write_text("a file where the directory should be")
    run = planned(tmp_path, program=gate.program)
    start(run)
    gate.let(4)
    seen = wait_until(lambda: (seen := state(run)).get("warnings") and seen)
    assert "the list of all your runs was not updated" in seen["warnings"][0] and "note" not in seen
    assert "warning: the list of all your runs" in markab("status", run, cwd=run).stdout
    wait_for_jobs(run, 4)
    gate.let(4)
    wait_for_jobs(run, 8)
    markab("remove", run, cwd=run)


# -- a server -------------------------------------------------------------------------------------------


def has_rows_there(server: Server) -> bool:
    """Return whether a first pass is done."""
    with suppress(StorageError), on_server(server) as connection:
        return bool(connection.exec_driver_sql("SELECT count(*) FROM job_instance").scalar())
    return False


def test_a_server_that_stops_holds_the_run_and_the_run_goes_on_when_it_is_back(
    tmp_path: Path, server: Server, url: URL, gate: Gate
) -> None:
    run = planned(tmp_path, program=gate.program)
    set_url(run, url)
    gate.let(8)
    start(run)
    wait_for_jobs(run, 8)
    server.stop()
    try:
        check_held(
            run,
            f"postgresql://ada@/postgres?host={server.directory}".split("?")[0],
            "check that the server runs",
            gate=gate,
        )
        assert PASSWORD not in (run / "run.log").read_text()
        assert PASSWORD not in (run / "status.json").read_text()
    finally:
        server.start()
    wait_for_end(run, gate)
    check_rows(run, tmp_path)


def test_a_wrong_password_can_be_corrected_while_the_run_waits(
    tmp_path: Path, server: Server, url: URL
) -> None:
    run = planned(tmp_path, jobs=4)
    set_url(run, url.set(password="falsch"))
    start(run)
    check_held(run, "password", "are correct")
    assert events(run, "start") == 0
    assert "falsch" not in (run / "run.log").read_text()
    set_url(run, url)
    wait_for_end(run)
    check_rows(run, tmp_path)


def test_a_table_that_is_locked_on_a_server_holds_the_run(
    tmp_path: Path, server: Server, url: URL, gate: Gate
) -> None:
    run = planned(tmp_path, program=gate.program)
    set_url(run, url)
    gate.let(8)
    start(run)
    wait_for_jobs(run, 8)
    wait_until(lambda: has_rows_there(server))
    with on_server(server) as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("LOCK TABLE job_instance IN ACCESS EXCLUSIVE MODE")
        check_held(run, "being written to by another program", gate=gate)
        connection.exec_driver_sql("ROLLBACK")
    wait_for_end(run, gate)
    check_rows(run, tmp_path)


# -- all processes are killed -----------------------------------------------------------------------------


def followers(run: Path) -> list[int]:
    """Return the processes that keep the database of a run current."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(b"markab.provenance.follower" in word for word in words) and os.fsencode(run) in words:
                found.append(int(entry))
    return found


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


@pytest.mark.parametrize("where", ["file", "server"])
def test_a_follower_that_is_killed_is_followed_by_another_and_no_row_is_lost(
    tmp_path: Path, where: str, gate: Gate, request: pytest.FixtureRequest
) -> None:
    run = planned(tmp_path, program=gate.program)
    if where == "server":
        set_url(run, request.getfixturevalue("url"))
    start(run)
    chance = random.Random(where)
    killed: set[int] = set()
    for _ in range(3):
        (pid,) = wait_until(lambda: [pid for pid in followers(run) if pid not in killed])
        before, more = events(run, "end"), chance.randint(1, 6)
        gate.let(more)
        wait_for_jobs(run, before + more)
        kill(pid)
        killed.add(pid)
    seen = wait_until(lambda: (seen := state(run)).get("warnings") and seen)
    assert "was killed by signal 9" in seen["warnings"][0]
    wait_for_end(run, gate)
    check_rows(run, tmp_path)


@pytest.mark.parametrize("where", ["file", "server"])
def test_an_engine_and_its_follower_that_are_killed_leave_a_database_that_can_be_caught_up(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    run = planned(tmp_path, jobs=800)
    if where == "server":
        set_url(run, request.getfixturevalue("url"))
    chance = random.Random(where)
    for _ in range(4):
        before = events(run, "end")
        start(run)
        wait_for_jobs(run, before + chance.randint(1, 120))
        engine = engine_pid(run)
        assert engine is not None, "it was too quick to be killed"
        for pid in chance.choice([[engine], [engine, *followers(run)], [*followers(run), engine]]):
            kill(pid)
        wait_until(lambda: not is_in_state(run, "Running"))
        check_rows(run, tmp_path)
    start(run)
    wait_for_end(run)
    check_rows(run, tmp_path)


def test_a_server_process_that_is_killed_in_the_middle_of_a_pass_has_entered_nothing_of_it(
    tmp_path: Path, server: Server, url: URL
) -> None:
    run = planned(tmp_path, jobs=1500, program="sleep 0.01")
    set_url(run, url)
    start(run)
    killed: set[int] = set()
    wait_until(lambda: kill_a_backend(server, killed) == 3 or events(run, "run-end"), 120)
    assert not events(run, "run-end"), "it was too quick to be disturbed"
    wait_for_end(run)
    check_rows(run, tmp_path)


IN_A_PASS = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'markab' AND backend_xid IS NOT NULL "
    "AND pid <> pg_backend_pid()"
)


def kill_a_backend(server: Server, killed: set[int]) -> int:
    """Kill a process of the server that has written and not committed; the server then starts all anew.

    Returns how many were killed so far.
    """
    with suppress(StorageError), on_server(server) as connection:  # it may be starting anew
        for pid in set(connection.exec_driver_sql(IN_A_PASS).scalars()) - killed:
            kill(pid)
            killed.add(pid)
    return len(killed)
