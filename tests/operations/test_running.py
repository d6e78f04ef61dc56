from __future__ import annotations

from itertools import islice, repeat
from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, engine_alive, make_run, start
from markab import operations
from markab.engine.background import Started
from markab.engine.control import Requests
from markab.errors import NotARun
from markab.journal.writer import encode
from markab.operations.running import poll


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", [compute("a")], [began(), start(0)])


def test_a_halt_is_left_for_the_engine(run: Path) -> None:
    assert not operations.halt(run)
    with engine_alive(run):
        assert operations.halt(run)
    assert Requests(run).take() == "halt"


def test_a_removal_waits_for_the_engine_to_end(run: Path) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            (run / "lock").rename(run / "released")

    with engine_alive(run):
        assert operations.remove(run, sleep=sleep) == "removed"
    assert len(pauses) == 3 and Requests(run).take() == "remove"


def test_a_removal_does_not_wait_for_ever(run: Path) -> None:
    pauses: list[float] = []
    with engine_alive(run):
        assert operations.remove(run, patience_s=2, sleep=pauses.append) == "removing"
        assert operations.remove(run, patience_s=0, sleep=pauses.append) == "removing"
    assert 1.9 < sum(pauses) < 2.1


def test_a_run_that_was_never_started_stays_as_it_is(tmp_path: Path) -> None:
    planned = make_run(tmp_path / "planned", [compute("a")])
    assert operations.remove(planned) == "not started"
    assert operations.read_status(planned).state == "Not started"
    assert not (planned / "journal.jsonl").exists()


def test_without_an_engine_a_run_is_marked_unless_it_has_succeeded(run: Path, tmp_path: Path) -> None:
    done = make_run(tmp_path / "done", [compute("a")], [began(), start(0), end(0), ended("success")])
    assert operations.remove(run) == "marked"
    assert operations.read_status(run).state == "Removed"
    assert operations.remove(done) == "succeeded"


def test_stopping_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    for stop in (operations.halt, operations.remove):
        with pytest.raises(NotARun):
            stop(tmp_path)


def test_waiting_goes_on_until_the_run_is_over(run: Path) -> None:
    news = [[end(0)], [ended("success")]]
    pauses: list[float] = []
    seen: list[str] = []

    with engine_alive(run):

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            with (run / "journal.jsonl").open("ab") as file:
                file.write(b"".join(map(encode, news.pop(0))))
            if not news:
                (run / "lock").rename(run / "released")

        status = operations.wait(run, lambda one: seen.append(one.state), pauses=repeat(7.0), sleep=sleep)

    assert (seen, pauses) == (["Running", "Running", "Success"], [7.0, 7.0])
    assert status.succeeded == 1


def test_polling_ends_with_the_pauses() -> None:
    naps: list[float] = []
    assert poll(lambda: "busy", lambda seen: seen == "idle", [1.0, 2.0], naps.append) == "busy"
    assert naps == [1.0, 2.0]


@pytest.mark.parametrize(
    ("longest_s", "pauses"), [(1.0, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]), (0, [0] * 6), (0.1, [0.1] * 6)]
)
def test_pauses_grow_up_to_the_longest(longest_s: float, pauses: list[float]) -> None:
    assert list(islice(operations.growing_pauses(longest_s), 6)) == pytest.approx(pauses)


def test_limits_reach_an_engine_in_the_background(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        "markab.engine.background.start", lambda *words: calls.append(words) or Started(4711, False)
    )
    limits = operations.Limits(cores=2, memory_mb=8192, gpus=0, max_jobs=5)
    assert operations.start(run, limits, keep_failed=True) == operations.start(run) == (4711, False)
    words = ("--cores", "2", "--memory", "8192", "--gpus", "0", "--max-jobs", "5", "--keep-failed")
    assert calls == [(run, words), (run, ())]


@pytest.mark.parametrize(
    ("fail_fast", "words"), [(None, ()), (True, ("--fail-fast",)), (False, ("--keep-going",))]
)
def test_fail_fast_reaches_an_engine_in_the_background(
    run: Path, monkeypatch: pytest.MonkeyPatch, fail_fast: bool | None, words: tuple[str, ...]
) -> None:
    calls = []
    monkeypatch.setattr(
        "markab.engine.background.start", lambda *given: calls.append(given) or Started(4711, False)
    )
    operations.start(run, fail_fast=fail_fast)
    assert calls == [(run, words)]
