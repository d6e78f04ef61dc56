from __future__ import annotations

from pathlib import Path

from kit.results import opened
from markab.reuse.finished_requests import AnsweredBy, find_request, forget_requests, save_request, use_runs
from markab.reuse.index_survey import forget_runs
from markab.reuse.result_index import ResultIndex

KEY, OTHER = "ab" * 32, "cd" * 32


def add_run(index: ResultIndex, uuid: str, *, is_over: bool = True) -> None:
    index.add_run(uuid, f"/runs/{uuid}", "fit", 1.0)
    if is_over:
        index.record(uuid, [], [], 1)


def test_the_last_run_that_answered_a_request_is_found(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        for uuid in ("one", "two"):
            add_run(index, uuid)
            save_request(index, KEY, uuid)

    with opened(tmp_path) as index:
        assert AnsweredBy("two", "/runs/two") == find_request(index, KEY)
        assert find_request(index, OTHER) is None
        assert not index.warnings


def test_an_index_without_requests_answers_none(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        add_run(index, "one")

        assert find_request(index, KEY) is None
        forget_requests(index)
        assert not index.warnings


def test_pruning_any_run_leaves_all_requests_open(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        add_run(index, "one")
        save_request(index, KEY, "one")
        set_used(index, "one", 10.0)
        add_run(index, "two")

        assert ["one"] == [run.uuid for run in forget_runs(index, 20.0)]
        assert find_request(index, KEY) is None
        save_request(index, OTHER, "two")
        assert AnsweredBy("two", "/runs/two") == find_request(index, OTHER)


def test_runs_are_used_only_if_all_are_there_and_over(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        add_run(index, "one")
        add_run(index, "two", is_over=False)

        assert use_runs(index, ["one", "one"])
        assert not use_runs(index, ["one", "two"])
        assert not use_runs(index, ["one", "three"])


def test_a_run_that_is_used_again_is_not_old(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        add_run(index, "one")
        set_used(index, "one", 10.0)

        use_runs(index, ["one"])

        assert [] == forget_runs(index, 20.0)


def set_used(index: ResultIndex, uuid: str, used_s: float) -> None:
    index.database.write(
        lambda connection: connection.execute("UPDATE run SET used_s = ? WHERE uuid = ?", (used_s, uuid)),
        None,
    )
