"""`markab replica`, `pegasus-rc-client`, `markab metadata` and `pegasus-metadata`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from kit.diamond import diamond_story, make_diamond
from markab.cli.metadata import metadata, pegasus_metadata
from markab.cli.replica import pegasus_rc_client, replica


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(command: click.Command, *words: object, input: str = "") -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], input=input)


def test_adding_listing_and_removing(here: Path) -> None:
    assert call(replica, "add", "a", "file.txt", "-m", "year=2026").stdout == "a: added\n"
    assert call(replica, "add", "a", "http://x/a", "--site", "web").stdout == "a: added\n"
    assert (
        call(replica, "add", "a", "http://x/a", "--site", "web").stdout
        == "a: the catalog already has this place\n"
    )

    both = f'a {here}/file.txt site="local" year="2026"\na http://x/a site="web" year="2026"\n'
    assert call(replica, "list").stdout == call(replica, "lookup", "a").stdout == both
    assert call(replica, "list", "b*").stdout == ""
    assert call(replica, "list", "--site", "web").stdout == both.splitlines()[1] + "\n"
    assert call(replica, "remove", "a", "http://x/a").exit_code == 0
    assert call(replica, "list").stdout == both.splitlines()[0] + "\n"
    assert call(replica, "remove", "a").exit_code == 0
    assert (call(replica, "list").stdout, (here / "replicas.yml").exists()) == ("", True)


def test_a_checksum_can_be_computed_when_adding(here: Path) -> None:
    (here / "file.txt").write_text("x")
    call(replica, "add", "a", "file.txt", "--checksum")

    (entry,) = json.loads(call(replica, "lookup", "a", "--json").stdout)
    assert entry["attributes"]["checksum.value"] == hashlib.sha256(b"x").hexdigest()
    missing = call(replica, "add", "b", "nowhere.txt", "--checksum")
    assert (missing.exit_code, "nowhere.txt': No such file" in missing.stderr) == (13, True)


def test_looking_for_what_is_nowhere_is_an_exit_code() -> None:
    done = call(replica, "lookup", "a")

    assert (done.exit_code, done.stderr) == (1, "no replica: a\n")


@pytest.mark.parametrize("action", [["list"], ["lookup", "a"], ["remove", "a"], ["clear", "--yes"]])
def test_a_misspelt_catalog_is_not_taken_for_an_empty_one(here: Path, action: list[str]) -> None:
    done = call(replica, *action, "-C", "replcas.yml")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (13, "error: there is no catalog 'replcas.yml'")
    assert not (here / "replcas.yml").exists()
    assert call(replica, "add", "a", "/a", "-C", "replcas.yml").exit_code == 0


def test_removing_what_is_not_there_is_an_error() -> None:
    done = call(replica, "remove", "a")

    assert done.exit_code == 1
    assert "no such replica of 'a'" in done.stderr


def test_everything_is_forgotten_only_when_that_is_meant(here: Path) -> None:
    call(replica, "add", "a", "/a")

    assert call(replica, "clear").exit_code == 2
    assert call(replica, "list").stdout
    assert call(replica, "clear", "--yes").stdout == "1 place removed\n"
    assert call(replica, "list").stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["add", "a"],
        ["list", "a", "b"],
        ["lookup"],
        ["remove"],
        ["list", "-m", "a=b"],
        ["add", "a", "/a", "-m", "x"],
    ],
)
def test_a_wrong_command_line_is_an_error(words: list[str]) -> None:
    assert call(replica, *words).exit_code == 2


def test_a_catalog_can_be_named_and_lost_comments_are_reported(here: Path) -> None:
    (here / "mine.txt").write_text("a /a\n# old\n")

    done = call(replica, "-C", "mine.txt", "add", "b", "/b")

    assert "comments below its top are lost" in done.stderr
    assert call(replica, "-C", "mine.txt", "list").stdout == 'a /a site="local"\nb /b site="local"\n'


KINDS = [
    [],
    ["-Dpegasus.catalog.replica=File", "-Dpegasus.catalog.replica.file=rc.txt"],
    ["-Dpegasus.catalog.replica=JDBCRC", "-Dpegasus.catalog.replica.db.url=jdbc:sqlite:rc.db"],
]


@pytest.mark.parametrize("kind", KINDS, ids=["YAML", "File", "JDBCRC"])
def test_pegasus_commands_on_every_kind(kind: list[str]) -> None:
    def client(*words: str, input: str = "") -> str:
        done = call(pegasus_rc_client, *kind, *words, input=input)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    assert client("insert", "a", "/1/a", "site=x", "k=v") == "1 place inserted\n"
    assert client("insert", "a", "/2/a", 'pool="y"') == "1 place inserted\n"
    assert client("insert", "b", "/b") == "1 place inserted\n"
    assert client("lookup", "a", "z") == 'a /1/a site="x" k="v"\na /2/a site="y" k="v"\n'
    assert client("list", "lfn", "%", "pfn", "/2%") == 'a /2/a site="y" k="v"\n'
    assert client("list", "pool", "local") == 'b /b site="local"\n'
    assert client("delete", "a", "/1/a", "site=z") == "0 places deleted\n"
    assert client("delete", "a", "/1/a") == "1 place deleted\n"
    assert client("remove", "b", "z") == "1 removed\n"
    assert client("list") == 'a /2/a site="y" k="v"\n'
    assert client("clear") == "1 place deleted\n"
    assert client("list") == ""


@pytest.mark.parametrize("kind", KINDS, ids=["YAML", "File", "JDBCRC"])
def test_pegasus_bulk_is_all_or_nothing(here: Path, kind: list[str]) -> None:
    (here / "bulk").write_text('# three\na /a site="x"\n\na /b\n"c d" /c note="1 2"\n')
    (here / "gone").write_text("a /a\n")
    (here / "wrong").write_text("e /e\nlonely\n")

    assert call(pegasus_rc_client, *kind, "-i", "bulk").stdout == "3 places inserted, of 3 lines\n"
    assert call(pegasus_rc_client, *kind, "-d", "gone").stdout == "1 place deleted, of 1 lines\n"
    wrong = call(pegasus_rc_client, *kind, "-i", "wrong")

    assert "wrong:2" in wrong.stderr
    assert (
        call(pegasus_rc_client, *kind, "list").stdout
        == 'a /b site="local"\n"c d" /c site="local" note="1 2"\n'
    )


def test_pegasus_commands_from_a_file_or_stdin(here: Path) -> None:
    script = "# first\ninsert a '/x y' site=s\nset who ada\nset\nlookup a\nquit\nclear\n"
    (here / "script").write_text(script)
    printed = '1 place inserted\nwho=ada\nlevel=1\nwho=ada\na "/x y" site="s"\n'

    assert call(pegasus_rc_client, "-f", "script", "-p", "level=1").stdout == printed
    assert call(pegasus_rc_client, input="list\n").stdout == 'a "/x y" site="s"\n'
    assert call(pegasus_rc_client, "-f", "script", "list").exit_code == 2
    assert call(pegasus_rc_client, "erase", "a").exit_code == 2
    assert "there is no file 'nowhere'" in call(pegasus_rc_client, "-f", "nowhere").stderr
    (here / "latin").write_bytes(b"insert \xe9 /x\n")
    assert "'latin' is not UTF-8 text" in call(pegasus_rc_client, "-f", "latin").stderr


@pytest.mark.parametrize("endless", ["/dev/zero", "pipe"])
def test_commands_are_not_read_from_what_has_no_end(here: Path, endless: str) -> None:
    os.mkfifo(here / "pipe")
    refused = call(pegasus_rc_client, "-f", endless)
    assert refused.exit_code == 13 and f"'{endless}' is not a file" in refused.stderr


@pytest.mark.parametrize("word", ["quit", "exit", "BYE"])
def test_words_that_end_a_session_of_commands(here: Path, word: str) -> None:
    assert call(pegasus_rc_client, input=f"insert a /x\n{word}\nclear\n").stdout == "1 place inserted\n"


def test_a_line_that_cannot_be_carried_out_is_named(here: Path) -> None:
    (here / "good.txt").write_text("insert a /x/a\ninsert b x/b\n")
    wrong = call(pegasus_rc_client, "-f", "good.txt")
    assert (wrong.exit_code, wrong.stderr.splitlines()[0]) == (
        10,
        "error: good.txt:2: replica 'b' is at 'x/b', which is neither a URL nor an absolute path",
    )
    assert call(pegasus_rc_client, "list").stdout == 'a /x/a site="local"\n'
    assert "-:1: there is no command 'inser'" in call(pegasus_rc_client, input="inser a /x/a\n").stderr
    alone = call(pegasus_rc_client, "insert", "b", "x/b").stderr
    assert alone.startswith("error: replica 'b' is at 'x/b'")


def test_metadata_of_a_run(here: Path) -> None:
    run = make_diamond(here / "run", diamond_story(), metadata={"author": "ada"})

    assert call(metadata, "workflow", run).stdout == "Workflow 7a3c\n    author : ada\n"
    assert call(metadata, "task", "-i", "A", run).stdout == "Task A\n"
    listed = [line for line in call(metadata, "file", run).stdout.splitlines() if line.startswith("File")]
    assert listed == ["File f.a", "File f.b", "File f.c", "File f.d", "File f.e"]
    assert call(metadata, "file", "-l", run).stdout == call(metadata, "file", run).stdout
    assert "size           : 99" in call(metadata, "file", "-n", "f.e", run).stdout
    traced = json.loads(call(pegasus_metadata, "file", "-t", "-n", "f.e", "--json", run).stdout)
    assert [(one["kind"], one["name"]) for one in traced] == [
        ("workflow", "7a3c"),
        ("task", "D"),
        ("file", "f.e"),
    ]
    assert call(metadata, "task", run).exit_code == 2
    assert call(metadata, "file", "-n", "nowhere", run).exit_code == 1
    assert call(pegasus_metadata, "-V").stdout.startswith("5.")
    shutil.rmtree(run)
    assert call(metadata, "workflow", run).exit_code == 12


def test_inside_of_a_run_the_catalog_of_its_results_is_listed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_diamond(here / "run", diamond_story(), catalog="w-0.replicas.db")
    call(replica, "add", "f.e", "/results/f.e", "-C", run / "w-0.replicas.db")
    (run / "00").mkdir()
    assert call(replica, "list").stdout == ""
    monkeypatch.chdir(run / "00")

    shown = call(replica, "list").stdout
    assert shown.startswith("f.e /results/f.e") and call(replica, "lookup", "f.e").stdout == shown
    assert call(replica, "add", "x", "/x").exit_code == 0
    assert (run / "00/replicas.yml").exists() and call(replica, "list").stdout.startswith("x ")
