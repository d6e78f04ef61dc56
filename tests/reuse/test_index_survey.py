from __future__ import annotations

from pathlib import Path

from kit.results import OTHER_RUN, RUN, entry, opened, sha256
from markab.reuse.index_survey import (
    IndexedAmounts,
    entries_after,
    forget_runs,
    indexed_amounts,
    indexed_runs,
)
from markab.reuse.result_index import ResultIndex

FAR = 1e12
"""Later than everything; in seconds since the epoch."""


def two_runs(tmp_path: Path) -> ResultIndex:
    index = opened(tmp_path)
    index.add_run(OTHER_RUN, "/runs/2", "plots", 200.0)
    index.record(RUN, [entry("fit"), entry("plot")], [(sha256("fit"), "/out/fit.txt")], 1)
    index.record(OTHER_RUN, [entry("plot", "pl", OTHER_RUN)], [(sha256("pl"), "/out/deep/plot.txt")], 1)
    return index


def test_runs_are_listed_with_what_can_be_found_of_them(tmp_path: Path) -> None:
    with two_runs(tmp_path) as index:
        newest, oldest = indexed_runs(index)

        assert (OTHER_RUN, "/runs/2", "plots", 200.0, 1, 1, 2, ["/out/deep"]) == (
            *newest[:4],
            newest.jobs,
            newest.files,
            newest.size_bytes,
            newest.where,
        )
        assert (RUN, 1, 1, 3, ["/out"]) == (
            oldest.uuid,
            oldest.jobs,
            oldest.files,
            oldest.size_bytes,
            oldest.where,
        )
        assert IndexedAmounts(2, 2, 2) == indexed_amounts(index)


def test_the_entries_of_a_large_index_are_read_in_parts(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        everything = [entry(str(number)) for number in range(25)]
        index.record(RUN, everything, [], 1)

        read, number = [], 0
        while part := entries_after(index, number, most=10):
            assert len(part) <= 10
            number = part[-1][0]
            read += [one for _, one in part]

    assert everything == read


def test_forgetting_a_run_forgets_its_results_and_their_places_only(tmp_path: Path) -> None:
    with two_runs(tmp_path) as index:
        index.add_run("u3", "/runs/3", "late", 300.0)
        index.record("u3", [entry("late", run="u3")], [(sha256("late"), "/out/late.txt")], 1)
        index.database.write(
            lambda connection: connection.execute("UPDATE run SET used_s = 1.0 WHERE uuid <> 'u3'"), None
        )

        assert [OTHER_RUN, RUN] == [run.uuid for run in forget_runs(index, 2.0, dry_run=True)]
        assert IndexedAmounts(3, 3, 3) == indexed_amounts(index)
        assert [OTHER_RUN, RUN] == [run.uuid for run in forget_runs(index, 2.0)]

        assert IndexedAmounts(1, 1, 1) == indexed_amounts(index)
        assert {entry("late").key} == set(index.find([entry(name).key for name in ("fit", "plot", "late")]))
        assert {sha256("late"): ["/out/late.txt"]} == index.places(map(sha256, ("fit", "pl", "late")))


def test_a_run_that_may_be_under_way_is_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "run0001").mkdir()
    with opened(tmp_path) as index:
        assert [] == forget_runs(index, FAR)
        (tmp_path / "run0001").rmdir()

        assert [RUN] == [run.uuid for run in forget_runs(index, FAR)]
        assert not index.record(RUN, [entry("fit")], [], 1)


def test_a_run_whose_results_a_plan_found_is_used(tmp_path: Path) -> None:
    with two_runs(tmp_path) as index:
        index.database.write(lambda connection: connection.execute("UPDATE run SET used_s = 1.0"), None)
        index.find([entry("fit").key])
        index.save_use()

        assert [OTHER_RUN] == [run.uuid for run in forget_runs(index, 2.0)]


def test_what_was_forgotten_takes_no_space(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        assert index.database.path is not None
        index.record(
            RUN, [entry(str(n)) for n in range(5000)], [(sha256(str(n)), f"/o/{n}") for n in range(5000)], 1
        )
        full = Path(index.database.path).stat().st_size

        forget_runs(index, FAR)

        assert Path(index.database.path).stat().st_size < full / 5
