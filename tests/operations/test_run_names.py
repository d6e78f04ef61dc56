from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import compute, make_run
from markab.errors import NotARun
from markab.operations.run_names import find_run, runs_below


def made(path: Path) -> Path:
    return make_run(path, [compute("a")])


def test_a_run_is_named_by_its_directory_or_its_plan(tmp_path: Path) -> None:
    run = made(tmp_path / "run0001")
    assert find_run(run) == find_run(str(run)) == find_run(run / "plan.jsonl") == run


def test_without_a_name_it_is_the_run_around_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(tmp_path / "run0001")
    (run / "00" / "00").mkdir(parents=True)
    for place in (run, run / "00" / "00"):
        monkeypatch.chdir(place)
        assert find_run() == run


def test_a_directory_that_is_no_run_is_an_error_that_names_the_runs_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3, 4):
        made(tmp_path / f"ada/pegasus/w/run000{number}")
    monkeypatch.chdir(tmp_path)
    for name in (None, ".", tmp_path / "ada"):
        with pytest.raises(NotARun, match="is not a submit directory") as caught:
            find_run(name)
        below = "ada/pegasus/w" if name != tmp_path / "ada" else tmp_path / "ada/pegasus/w"
        assert caught.value.hint == f"did you mean {below}/run0004 or {below}/run0003 or {below}/run0002?"


def test_a_name_that_is_not_there_is_an_error_that_names_the_likely_run(tmp_path: Path) -> None:
    made(tmp_path / "my run")
    made(tmp_path / "other")
    with pytest.raises(NotARun, match="there is no such directory") as caught:
        find_run(tmp_path / "my rum")
    assert caught.value.hint == f"did you mean '{tmp_path / 'my run'}'?"


def test_without_runs_nearby_the_hint_says_what_a_run_is(tmp_path: Path) -> None:
    with pytest.raises(NotARun) as caught:
        find_run(tmp_path)
    assert "`markab plan` printed" in caught.value.hint


def test_the_search_for_runs_goes_four_levels_deep_and_not_into_runs(tmp_path: Path) -> None:
    outer = made(tmp_path / "a/b/c/run")
    made(outer / "inner")
    made(tmp_path / "a/b/c/d/too-deep")
    assert list(runs_below(tmp_path)) == [outer]
