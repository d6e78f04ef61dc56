"""Where a database is, and what may be shown of that."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from kit.databases import make_homeless
from markab.errors import StorageError
from markab.plan.submit_dir import SubmitDir
from markab.provenance.database_location import (
    EVENTS,
    Target,
    cache_file,
    has_database,
    master_target,
    target_of,
)
from markab.provenance.row_writer import shortened
from markab.provenance.stampede_text import percent_escaped, percent_unescaped


def target(tmp_path: Path, properties: str) -> Target:
    (tmp_path / "p").write_text(properties)
    return target_of(SubmitDir(tmp_path), {"properties": "p", "pegasus_wf_name": "w-0"})


def test_by_default_it_is_in_the_submit_directory_under_the_name_pegasus_gives_it(tmp_path: Path) -> None:
    found = target(tmp_path, "")
    assert found.file == tmp_path / "w-0.stampede.db" and found.is_ours


@pytest.mark.parametrize("key", ["pegasus.catalog.workflow.url", "pegasus.monitord.output"])
def test_a_property_names_another_and_so_does_its_older_name(tmp_path: Path, key: str) -> None:
    found = target(tmp_path, f"{key} = sqlite:////data/all.db")
    assert str(found.file) == "/data/all.db" and not found.is_ours


@pytest.mark.parametrize("value", ["false", "no", "0", "off", " No "])
def test_a_run_has_no_database_if_its_properties_say_so(value: str) -> None:
    assert not has_database({EVENTS: value})


@pytest.mark.parametrize("properties", [{}, {EVENTS: ""}, {EVENTS: "true"}, {EVENTS: "1"}])
def test_else_a_run_has_a_database(properties: dict[str, str]) -> None:
    assert has_database(properties)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:geheim@db.example.org/runs",
        "postgres://ada@db.example.org/runs?password=geheim&sslmode=require",
        "postgresql://ada@db.example.org/runs?sslpassword=geheim",
    ],
)
def test_a_password_is_never_shown(tmp_path: Path, url: str) -> None:
    shown = target(tmp_path, f"pegasus.catalog.workflow.url = {url}").shown
    assert shown.startswith("postgresql://ada@db.example.org/runs")
    assert "geheim" not in shown


def test_user_and_password_may_be_properties_of_their_own(tmp_path: Path) -> None:
    found = target(
        tmp_path,
        "pegasus.catalog.workflow.url = postgresql://db/runs\n"
        "pegasus.catalog.workflow.db.user = ada\npegasus.catalog.workflow.db.password = geheim\n",
    )
    assert (found.url.username, found.url.password, found.shown) == (
        "ada",
        "geheim",
        "postgresql://ada@db/runs",
    )


def test_what_is_no_database_is_refused_by_the_name_of_its_property(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"pegasus\.catalog\.workflow\.url"):
        target(tmp_path, "pegasus.catalog.workflow.url = amqp://ada:geheim@mq/")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:secret@127.0.0.1:x@db/runs",
        "postgresql://ada:x@secret@db/runs",
        "postgresql://ada:x@se/cret@db/runs",
        "postgresql://ada:x:secret@127.0.0.1:geheim@db:1/runs",
        "postgresql://ada@db:${PORT}/secret",
        "postgresql://secret:1,db:2/runs",
        "postgresql://[::1/secret",
    ],
)
def test_a_url_that_cannot_be_taken_apart_is_refused_and_nothing_of_it_shown(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(StorageError, match="is not a database URL") as caught:
        target(tmp_path, f"pegasus.catalog.workflow.url = {url}")
    assert "%40" in (caught.value.hint or "")
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_what_is_escaped_in_a_password_is_taken_as_it_is_meant(tmp_path: Path) -> None:
    found = target(tmp_path, "pegasus.catalog.workflow.url = postgresql://ada:a%40b%3Ac%2Fd%25@[::1]:5/runs")
    assert ("a@b:c/d%", "::1", 5) == (found.url.password, found.url.host, found.url.port)


@pytest.mark.parametrize(
    "url", ["sqlite:///all.db", "sqlite:///./all.db", "sqlite://all.db", "sqlite:///~/all.db"]
)
def test_a_file_that_is_another_one_in_each_directory_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(StorageError, match=r"pegasus\.catalog\.workflow\.url") as caught:
        target(tmp_path, f"pegasus.catalog.workflow.url = {url}")
    assert "sqlite:////path" in (caught.value.hint or "")


def test_properties_that_only_their_owner_may_read_are_no_reason_to_fail(tmp_path: Path) -> None:
    assert target_of(SubmitDir(tmp_path), {"properties": "missing", "pegasus_wf_name": "w-0"}).is_ours


def test_the_list_of_runs_is_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    found = master_target(SubmitDir(tmp_path), {})
    assert str(found.file) == "/home/ada/.pegasus/workflow.db" and not found.is_ours


def test_the_cache_is_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert str(cache_file("7a3c")) == "/home/ada/.cache/markab/7a3c.stampede.db"


def test_without_a_home_directory_the_hint_names_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_homeless(monkeypatch)
    with pytest.raises(StorageError, match="no home directory") as caught:
        master_target(SubmitDir(tmp_path), {})
    assert caught.value.hint == "set HOME"
    with pytest.raises(StorageError, match="no home directory"):
        cache_file("7a3c")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert str(cache_file("7a3c")) == "/cache/markab/7a3c.stampede.db"


def test_text_is_escaped_as_pegasus_stores_it_and_comes_back() -> None:
    text = "100% 'x' \"y\"\n\t\x7f\xe9 Ω"
    assert percent_escaped(text) == "100%25 %27x%27 %22y%22%0A%09%7F%E9 Ω"
    assert percent_unescaped(percent_escaped(text) or "") == text


def test_what_is_too_long_keeps_its_beginning_and_stays_unique() -> None:
    a, b = shortened("x" * 300 + "a", 245), shortened("x" * 300 + "b", 245)
    assert len(a) == len(b) == 245 and a != b and a.startswith("xxx")
    assert shortened("x" * 245, 245) == "x" * 245
