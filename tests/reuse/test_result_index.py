from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.results import OTHER_RUN, RUN, entry, opened, sha256
from markab.reuse import result_index
from markab.reuse.result_index import _AT_ONCE, PLACES_READ, Made, ResultEntry, ResultIndex, open_index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ResultIndex]:
    with opened(tmp_path) as index:
        yield index
    assert not index.warnings


def test_what_was_recorded_is_found_by_its_key(index: ResultIndex) -> None:
    made = (Made("a/b.txt", sha256("x"), 7), Made("leer", sha256(""), 0), Made("größe", sha256("y"), 2**45))
    fit = ResultEntry(sha256("key"), RUN, "fit_ID1", made)

    assert index.record(RUN, [fit, entry("plot")], [], 10)

    assert {fit.key: fit} == index.find([fit.key, sha256("unknown")])


def test_it_is_found_after_the_index_was_closed(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        index.record(RUN, [entry("fit")], [], 10)

    with open_index(index.database.path, create=False) as again:
        assert [entry("fit")] == list(again.find([entry("fit").key]).values())


def test_of_one_key_the_newest_run_counts_in_whichever_order_runs_are_recorded(index: ResultIndex) -> None:
    index.add_run(OTHER_RUN, "/runs/2", "fits", 200.0)
    old, new = entry("fit", "old"), entry("fit", "new", OTHER_RUN)

    index.record(OTHER_RUN, [new], [], 1)
    index.record(RUN, [old], [], 1)

    assert {old.key: new} == index.find([old.key])


def test_a_job_that_ran_again_in_its_run_counts_with_what_it_made_last(index: ResultIndex) -> None:
    index.record(RUN, [entry("fit", "first")], [], 1)
    index.record(RUN, [entry("fit", "second")], [], 2)

    assert entry("fit", "second") == index.find([entry("fit").key])[entry("fit").key]


def test_recording_twice_is_recording_once(index: ResultIndex) -> None:
    everything = [entry("fit"), entry("plot")], [(sha256("fit"), "/out/fit.txt")]
    index.record(RUN, *everything, 10)
    before = list(index.database.read(lambda connection: list(connection.iterdump()), []))

    assert index.record(RUN, *everything, 10)

    after = list(index.database.read(lambda connection: list(connection.iterdump()), []))
    assert without_times(before) == without_times(after)


def without_times(dump: list[str]) -> list[str]:
    return [line for line in dump if not line.startswith('INSERT INTO "run"')]


def test_keys_that_begin_alike_are_never_confused(index: ResultIndex) -> None:
    first = entry("fit")
    second = ResultEntry(first.key[:16] + "0" * 48, RUN, "other", ())

    index.record(RUN, [first], [], 1)
    assert {} == index.find([second.key])
    index.record(RUN, [second], [], 2)

    assert {second.key: second} == index.find([first.key, second.key])


def test_a_run_that_was_not_entered_is_not_recorded(index: ResultIndex) -> None:
    assert not index.record(OTHER_RUN, [entry("fit", run=OTHER_RUN)], [], 1)

    assert {} == index.find([entry("fit").key])


def test_an_error_while_recording_leaves_nothing_of_it(index: ResultIndex) -> None:
    def entries() -> Iterator[ResultEntry]:
        yield entry("fit")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.record(RUN, entries(), [], 10)

    assert {} == index.find([entry("fit").key])
    assert [(RUN, 0)] == [(uuid, mark) for uuid, _, mark in index.unrecorded()]
    assert index.record(RUN, [entry("fit")], [], 10)


def test_a_run_is_unrecorded_until_its_end_and_again_when_it_goes_on(
    index: ResultIndex, tmp_path: Path
) -> None:
    directory = str(tmp_path / "run0001")
    assert [(RUN, directory, 0)] == index.unrecorded()

    index.record(RUN, [entry("fit")], [], 10, is_over=False)
    assert [(RUN, directory, 10)] == index.unrecorded()
    index.record(RUN, [entry("plot")], [], 20)
    assert [] == index.unrecorded()
    index.add_run(RUN, "/moved/run0001", "fits", 100.0)
    assert [(RUN, "/moved/run0001", 20)] == index.unrecorded()
    assert {entry("fit").key, entry("plot").key} == set(index.find([entry("fit").key, entry("plot").key]))


def test_the_last_runs_of_a_workflow_are_the_newest_planned(index: ResultIndex, tmp_path: Path) -> None:
    index.add_run("u3", "/runs/3", "fits", 300.0)
    index.add_run("u2", "/runs/2", "fits", 200.0)
    index.add_run("u4", "/runs/4", "other", 400.0)

    assert "/runs/3" == index.last_run("fits")
    assert ["/runs/2", str(tmp_path / "run0001")] == index.last_runs("fits", before=300.0)
    assert index.last_run("unknown") is None


def test_of_a_run_its_directory_and_when_it_was_planned_are_known(index: ResultIndex) -> None:
    index.add_run(OTHER_RUN, "/runs/2", "fits", 200.5)

    assert index.origin_of(OTHER_RUN) == ("/runs/2", 200.5)
    assert index.origin_of("unknown") is None


def test_places_are_found_the_newest_directory_first_and_not_all_of_very_many(index: ResultIndex) -> None:
    many = [f"/out{number:03d}/empty.txt" for number in range(PLACES_READ + 10)]
    for number, path in enumerate(many):
        index.record(RUN, [], [(sha256(""), path)], number)

    assert {sha256(""): many[::-1][:PLACES_READ]} == index.places([sha256(""), sha256("unknown")])


@pytest.mark.parametrize("surplus", [1, 10, 1000])
def test_contents_beside_one_with_very_many_places_are_all_found(
    index: ResultIndex, monkeypatch: pytest.MonkeyPatch, surplus: int
) -> None:
    monkeypatch.setattr(result_index, "_MOST_SURPLUS", surplus)
    crowded, others = [sha256("")], [sha256(str(number)) for number in range(20)]
    many = [f"/out{number:03d}/empty.txt" for number in range(PLACES_READ + 20)]
    places = [(others[number], f"/out/{number}") for number in range(20)]
    index.record(RUN, [], [*places, *((crowded[0], path) for path in many)], 1)

    found = index.places([*others, *crowded])

    assert {content: [path] for content, path in places} == {content: found[content] for content in others}
    assert set(found[crowded[0]]) < set(many)
    assert len(found[crowded[0]]) == PLACES_READ


def test_more_is_found_at_once_than_one_statement_takes(index: ResultIndex) -> None:
    entries = [entry(f"fit{number}") for number in range(2 * _AT_ONCE + 1)]
    places = [(sha256(one.job), f"/out{number % 7}/{one.job}") for number, one in enumerate(entries)]
    index.record(RUN, entries, places, 1)

    assert {one.key: one for one in entries} == index.find([one.key for one in entries])
    assert {sha256: [path] for sha256, path in places} == index.places([sha256 for sha256, _ in places])


def test_places_of_a_directory_that_is_missing_in_a_damaged_file_are_left_out(index: ResultIndex) -> None:
    index.record(RUN, [], [(sha256("fit"), "/a/fit.txt"), (sha256("fit"), "/b/fit.txt")], 1)
    index.record(RUN, [], [(sha256("plot"), "/a/plot.txt")], 1)

    index.database.write(lambda it: it.execute("DELETE FROM directory WHERE path = ?", (b"/a",)), None)

    assert {sha256("fit"): ["/b/fit.txt"]} == index.places([sha256("fit"), sha256("plot")])


def test_a_place_in_the_root_directory_is_found(index: ResultIndex) -> None:
    index.record(RUN, [], [(sha256("fit"), "/fit.txt")], 1)

    assert {sha256("fit"): ["/fit.txt"]} == index.places([sha256("fit")])


def test_a_forgotten_place_is_not_found_and_others_of_its_content_are(index: ResultIndex) -> None:
    index.record(RUN, [], [(sha256("fit"), "/a/fit.txt"), (sha256("fit"), "/b/fit.txt")], 1)

    index.forget_places([(sha256("fit"), "/a/fit.txt"), (sha256("fit"), "/nowhere/fit.txt")])

    assert {sha256("fit"): ["/b/fit.txt"]} == index.places([sha256("fit")])


def test_the_checksum_of_a_file_is_remembered_with_its_status_whatever_its_inode(
    index: ResultIndex, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("x")
    status = (tmp_path / "f").stat()
    large = os.stat_result((*status[:1], 2**64 - 5, *status[2:]), {"st_mtime_ns": 7, "st_ctime_ns": 8})

    index.remember_checksums([(status, sha256("old")), (status, sha256("x")), (large, sha256("y"))])

    assert sorted(index.checksums([status.st_ino, 2**64 - 5, 3])) == [
        (status.st_ino, 1, status.st_mtime_ns, status.st_ctime_ns, sha256("x")),
        (2**64 - 5, 1, 7, 8, sha256("y")),
    ]


def test_paths_are_what_the_system_has_even_if_they_are_not_utf8(index: ResultIndex) -> None:
    path = os.fsdecode(b"/out/\xff\xfe/'\"\n?#%.txt")
    index.add_run(OTHER_RUN, os.fsdecode(b"/runs/\xff"), "fits", 200.0)

    index.record(OTHER_RUN, [], [(sha256("fit"), path)], 1)

    assert {sha256("fit"): [path]} == index.places([sha256("fit")])
    assert os.fsdecode(b"/runs/\xff") == index.last_run("fits")


RECORDING = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y", "z"])), min_size=1, max_size=5
)


@given(st.lists(st.tuples(st.integers(0, 2), RECORDING), max_size=8))
def test_an_index_is_a_map_from_keys_to_what_the_newest_run_made(
    tmp_path_factory: pytest.TempPathFactory, recordings: list[tuple[int, list[tuple[str, str]]]]
) -> None:
    runs = [RUN, OTHER_RUN, "33333333-3333-4333-8333-333333333333"]
    expected: dict[str, tuple[int, ResultEntry]] = {}
    with opened(tmp_path_factory.mktemp("index")) as index:
        for number, run in enumerate(runs):
            index.add_run(run, f"/runs/{number}", "fits", float(number))
        for number, made in recordings:
            entries = [entry(name, text, runs[number]) for name, text in made]
            index.record(runs[number], entries, [], 1)
            for one in entries:
                if expected.get(one.key, (-1, one))[0] <= number:
                    expected[one.key] = (number, one)

        found = index.find([entry(name).key for name in "abcd"])

    assert {key: one for key, (_, one) in expected.items()} == found
