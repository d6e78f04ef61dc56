"""`pegasus-db-admin`: its commands on the databases of runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kit.databases import ask
from kit.made_run import began, compute, end, ended, make_run, start
from markab import operations
from markab.cli.db_admin import pegasus_db_admin

STORY = [began(), start(0), end(0), ended("success")]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    made = make_run(tmp_path / "run", [compute("a")], STORY)
    operations.attach_run(made)
    return made


def call(*words: object) -> Result:
    return CliRunner().invoke(pegasus_db_admin, [str(word) for word in words])


def test_the_list_of_all_runs_is_meant_without_a_name(home: Path) -> None:
    done = call("version")
    assert done.exit_code and "there is no database" in done.output

    place = f"Database version: '5.0.1' (sqlite:///{home}/.pegasus/workflow.db)\n"
    assert call("create").output == f"Pegasus database was successfully created.\n{place}"
    assert call("create").output == call("version").output == place


def test_a_database_goes_back_and_is_brought_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    call("create", url)
    assert call("check", url).exit_code == 0 and call("check", "-V", "4.9.0", url).exit_code == 1

    assert f"Database version: '4.9.3' ({url})" in call("downgrade", url).output
    checked = call("check", "-e", url)
    assert (checked.exit_code, checked.stdout) == (1, "11\n")
    assert checked.stderr == f"Database is NOT compatible with version: 5.0.1 ({url})\n"
    assert "'4.8.3'" in call("downgrade", url).output
    assert "has the oldest version that is known" in call("downgrade", url).output
    wrong = call("downgrade", "-V", "5.0.1", url)
    assert wrong.exit_code and "has an older version, 4.8.3" in wrong.output

    done = call("update", url)
    assert done.output.startswith(
        f"Database has been updated: {url}\nCopy of the old one: {tmp_path}/runs.db-"
    )
    assert call("version", "-e", url).output == "14\n"
    assert call("update", url).output == f"Database version: '5.0.1' ({url})\n"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("WORKFLOW", "run/words-0.stampede.db"), ("master", "home/.pegasus/workflow.db")],
)
def test_the_databases_of_a_run_are_found(run: Path, tmp_path: Path, kind: str, name: str) -> None:
    done = call("version", "-s", run, "-t", kind)
    assert done.output == f"Database version: '5.0.1' (sqlite:///{tmp_path}/{name})\n"


def test_properties_name_a_database(tmp_path: Path) -> None:
    (tmp_path / "p").write_text(f"pegasus.catalog.workflow.url = sqlite:///{tmp_path}/own.db\n")
    assert call("create", "-c", "p", "-t", "WORKFLOW").exit_code == 0 and (tmp_path / "own.db").exists()
    assert (
        call(
            "version", "-D", f"pegasus.catalog.replica.db.url=sqlite:///{tmp_path}/own.db", "-t", "JDBCRC"
        ).exit_code
        == 0
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["version", "-t", "MASTER"], "-t goes with -s, -c or -D"),
        (["version", "-s", "run"], "-t goes with -s, -c or -D"),
        (["version", "-t", "OTHER", "-s", "run"], "there is no kind of database 'OTHER'"),
        (["version", "nonsense"], "that is not the URL of an SQLite or PostgreSQL database"),
        (["create", "mysql://user:secret@host/db"], "that is not the URL of an SQLite or PostgreSQL"),
        (["version", "-t", "WORKFLOW", "-D", "a=b"], "the properties name no database of the kind WORKFLOW"),
        (["create", "-s", "nowhere", "-t", "WORKFLOW"], "is not a submit directory"),
    ],
)
def test_what_names_no_database_is_refused(words: list[str], message: str) -> None:
    done = call(*words)
    assert done.exit_code not in (0, 2) and message in done.output and "secret" not in done.output


def test_all_databases_of_ended_runs_are_changed(run: Path, tmp_path: Path) -> None:
    active = make_run(tmp_path / "active", [compute("a")], STORY[:2], uuid="7a3d")
    operations.attach_run(active)
    done = call("downgrade", "-a")

    assert done.exit_code == 0, done.output
    assert f"{run}/words-0.stampede.db: 4.9.3\n" in done.output and "its run has not ended" in done.output
    assert "Verified/Updated: 1/2" in done.output and "(active workflows): 1/2" in done.output
    assert ask(active / "words-0.stampede.db", "SELECT max(id) FROM dbversion") == [(1,)]

    (run / "words-0.stampede.db").write_text("damaged")
    done = call("update", "-a")
    assert done.exit_code == 1 and "Failed: 1/2" in done.output
