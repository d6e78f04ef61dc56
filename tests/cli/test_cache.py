from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from kit.results import RUN, entry, opened, put, sha256
from markab.cli.cache import cache
from markab.errors import StorageError
from markab.reuse.content_store import ContentStore
from markab.worker.software_environment import READY


def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContentStore:
    """Make an index with two results of one run, one of them also in the store, and one that is only there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_MARKAB__REUSE__INDEX", str(tmp_path / "state" / "results.db"))
    monkeypatch.setenv("_MARKAB__REUSE__STORE", "kept")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    store = ContentStore(str(tmp_path / "kept"))
    with opened(tmp_path) as index:
        places = [
            (put(tmp_path / "out" / f"{name}.txt", name), str(tmp_path / "out" / f"{name}.txt"))
            for name in "ab"
        ]
        index.record(RUN, [entry("a"), entry("b"), entry("gone" * 2048)], places, 1)
    store.keep(places[0][1], places[0][0])
    path = tmp_path / "scratch" / "gone"
    store.keep(str(path), put(path, "gone" * 2048))
    path.unlink()
    return store


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = cache.main(list(words), standalone_mode=False)
    except SystemExit as ended:
        code = ended.code
    printed = capsys.readouterr()
    return int(code or 0), printed.out, printed.err


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContentStore:
    return cached(tmp_path, monkeypatch)


def test_list_names_runs_amounts_and_places(
    store: ContentStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        0,
        f"1970-01-01 00:01        3 jobs       3 files    8.0 KB  fits  {tmp_path}/run0001\n    in {tmp_path}/out\n",
        "",
    ) == called(capsys, "list")
    _, out, _ = called(capsys, "list", "--json")
    (run,) = json.loads(out)
    assert (RUN, 3, [str(tmp_path / "out")]) == (run["uuid"], run["jobs"], run["where"])


def test_size_says_which_bytes_need_no_space(
    store: ContentStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = called(capsys, "size")

    index, kept = out.splitlines()
    assert f"index  {tmp_path}/state/results.db: " in index and index.endswith(
        ", 3 jobs of 1 run, 2 places of files"
    )
    assert (
        f"store  {tmp_path}/kept: 2 files, 8.0 KB of 20.0 GB, and 1 B more that are also results elsewhere"
        == kept
    )
    measured = json.loads(called(capsys, "size", "--json")[1])
    assert (8192, 1, 20 * 2**30) == tuple(
        measured[key] for key in ("content_bytes", "shared_bytes", "budget_bytes")
    )


def test_prune_removes_what_exceeds_the_budget_and_says_so_before(
    store: ContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "0 kept files removed, 0 B freed; 2 files with 8.0 KB left\n" == called(capsys, "prune")[1]
    dry = called(capsys, "prune", "--to", "0", "--dry-run")[1]
    assert "1 kept file would be removed, 8.0 KB would be freed; 1 file with 0 B left\n" == dry
    assert 2 == len(list(store.contents()))

    monkeypatch.setenv("_MARKAB__REUSE__STORE__SIZE", "0")
    assert "1 kept file removed, 8.0 KB freed; 1 file with 0 B left\n" == called(capsys, "prune")[1]


def test_prune_forgets_old_runs_and_never_removes_results(
    store: ContentStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = called(capsys, "prune", "--older", "0h", "--json")

    pruned = json.loads(out)
    assert {sha256("a"), sha256("gone" * 2048)} == {one["sha256"] for one in pruned["removed"]}
    assert [RUN] == [run["uuid"] for run in pruned["forgotten"]]
    assert (0, "", "") == called(capsys, "list")
    assert "a" == (tmp_path / "out" / "a.txt").read_text()


def test_prune_names_the_runs_that_it_would_forget(
    store: ContentStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        "\nwould be forgotten: 1970-01-01 00:01 " in called(capsys, "prune", "--older", "0", "--dry-run")[1]
    )
    assert "forgotten" not in called(capsys, "prune", "--older", "1d")[1]


def test_verify_reads_everything(store: ContentStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert (0, "4 files with 8.0 KB as they were made\n", "") == called(capsys, "verify")


def test_verify_names_what_was_altered_and_removes_it_on_request(
    store: ContentStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.truncate(store.path(sha256("gone" * 2048)), 5)
    (tmp_path / "out" / "a.txt").write_text("A")  # also in the store
    (tmp_path / "out" / "b.txt").unlink()

    code, out, err = called(capsys, "verify")

    assert 1 == code
    assert f"'{tmp_path}/out/a.txt' was altered after it was made; it does not count as a result\n" in out
    assert out.endswith("0 files with 0 B as they were made; 3 files altered; 1 result removed since\n")
    assert "hint: forget what was altered: markab cache verify --remove\n" == err
    assert 1 == called(capsys, "verify", "--remove")[0]
    assert (0, "0 files with 0 B as they were made\n", "") == called(capsys, "verify")
    assert [] == list(store.contents())
    assert "A" == (tmp_path / "out" / "a.txt").read_text()


def test_verify_forgets_nothing_that_cannot_be_reached(
    store: ContentStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").rename(tmp_path / "unmounted")

    assert "; 2 results not reachable now\n" in called(capsys, "verify", "--remove")[1]

    (tmp_path / "unmounted").rename(tmp_path / "out")
    assert "4 files with" in called(capsys, "verify")[1]


@pytest.mark.parametrize("action", ["list", "size", "prune", "verify"])
def test_a_damaged_index_is_a_warning_that_says_how_to_mend_it(
    store: ContentStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    path = tmp_path / "state" / "results.db"
    path.write_text("not a database " * 100)

    code, _, err = called(capsys, action)

    assert 0 == code
    assert f"warning: the index of results '{path}' is damaged" in err
    assert f"delete it: rm '{path}'" in err


@pytest.mark.usefixtures("own_home")
def test_rebuild_fails_if_the_index_cannot_be_written(
    store: ContentStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ada" / "run0001").mkdir(parents=True)
    (tmp_path / "ada" / "run0001" / "plan.jsonl").write_text("no plan\n")
    path = tmp_path / "state" / "results.db"
    path.write_text("not a database " * 100)

    code, out, err = called(capsys, "rebuild")

    assert (StorageError.exit_code, "") == (code, out)
    assert f"'{path}' is damaged" in err and f"delete it: rm '{path}'" in err


@pytest.mark.parametrize("action", ["size", "prune", "verify"])
def test_a_store_that_cannot_be_used_is_said_not_to_be_empty_but_unusable(
    store: ContentStore, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    shutil.rmtree(store.directory)
    Path(store.directory).write_text("a file\n")

    code, _, err = called(capsys, action)

    assert 0 == code
    assert f"warning: the content store '{store.directory}' cannot be used: Not a directory" in err
    assert "markab.reuse.store" in err


def test_without_an_index_or_a_store_everything_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    assert (0, "", "") == called(capsys, "list")
    assert "0 kept files removed" in called(capsys, "prune", "--older", "1d")[1]
    assert (0, "0 files with 0 B as they were made\n", "") == called(capsys, "verify")
    assert [] == list(tmp_path.iterdir())


def test_without_a_home_directory_the_error_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "relative")

    code, _, err = called(capsys, "list")

    assert 13 == code
    assert "no home directory" in err and "set HOME, or the properties markab.reuse.index" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--older", "3d"], "--older is for `prune`"),
        (["verify", "--dry-run"], "--dry-run is for `prune`"),
        (["prune", "--remove"], "--remove is for `verify`"),
        (["prune", "--to", "much"], "--to takes a size, such as 5GB, not 'much'"),
        (["prune", "--older", "a month"], "--older takes an age, such as 12h, 30d or 8w, not 'a month'"),
    ],
)
def test_wrong_command_lines_are_refused(words: list[str], said: str, store: ContentStore) -> None:
    import click

    with pytest.raises(click.UsageError, match=said):
        cache.main(words, standalone_mode=False)


def test_a_wrong_size_among_the_properties_is_an_error(
    store: ContentStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_MARKAB__REUSE__STORE__SIZE", "lots")

    code, _, err = called(capsys, "size")

    assert 10 == code
    assert "'markab.reuse.store.size' is 'lots'" in err and "it must be an amount such as '20 GB'" in err


@pytest.mark.usefixtures("own_home")
def test_rebuild_says_how_many_runs_it_entered_and_which_it_could_not(
    store: ContentStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "ada" / "run0001"
    run.mkdir(parents=True)
    (run / "plan.jsonl").write_text("no plan\n")

    code, out, err = called(capsys, "rebuild")

    assert (0, "0 runs entered\n") == (code, out)
    assert f"warning: '{run}' is left out: " in err
    assert "as_json" not in called(capsys, "rebuild", "--json")[1]


def test_software_environments_are_counted_and_go_when_they_are_old_and_not_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cached(tmp_path, monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "cache/markab/environments"
    for name in ("pip-old", "pip-new", "pip-used"):
        (place / name).mkdir(parents=True)
        (place / name / READY).write_text("{}")
        (place / f"{name}.lock").touch()
        if name != "pip-new":
            os.utime(place / name / READY, (1, 1))
    (place / "pip-link").symlink_to(tmp_path)

    assert f"envs   {place}: 3 software environments, " in called(capsys, "size")[1]
    assert f"would be removed: {place}/pip-old" in called(capsys, "prune", "--older", "1d", "--dry-run")[1]
    with open(place / "pip-used.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        removed = json.loads(called(capsys, "prune", "--older", "1d", "--json")[1])["environments"]
    assert [one["path"] for one in removed] == [str(place / "pip-old")]
    assert sorted(path.name for path in place.iterdir() if path.is_dir()) == [
        "pip-link",
        "pip-new",
        "pip-used",
    ]
