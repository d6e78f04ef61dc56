"""Files whose path or name the file system does not allow are refused when planning."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, Entry, task
from markab.errors import PlanningError
from markab.planner import path_lengths
from markab.planner.path_lengths import PathLimits, limits_of
from markab.planner.planning import dry_run, plan
from markab.transfers.partial_file import PartialFile


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.has("raw")
    return made


def problems(bench: Bench, *tasks: Entry, **options: Any) -> list[str]:
    for planner in (plan, dry_run):
        with pytest.raises(PlanningError) as caught:
            planner(bench.options(*tasks, **options))
    assert not list(bench.path.glob("*/pegasus"))
    return [f"{one.message} | {one.hint}" for one in caught.value.problems]


def deep(size: int) -> str:
    """A relative path of this size, none of which exists."""
    return ("d" * 99 + "/") * (size // 100) + "x" * (size % 100)


def scratch(bench: Bench, size: int) -> str:
    path = f"{bench.path}/" + deep(size - len(str(bench.path)) - 1)
    server = {"url": f"file://{path}", "operation": "all"}
    directory = {"type": "sharedScratch", "path": path, "fileServers": [server]}
    bench.sites.append({"name": "local", "directories": [directory]})
    return path


def test_a_path_below_the_scratch_is_refused_with_its_file_job_and_a_remedy(bench: Bench) -> None:
    path = scratch(bench, 3900)
    long = "a" * 100 + "/" + "b" * 90

    (found,) = problems(bench, task("make", "raw", long), output_dir=bench.path / "out")
    assert f"file '{long[:57]}...' of job 'make' would need a path of " in found
    assert f"and 4095 are possible in the scratch directory '{path[:500]}" in found
    assert "a shorter directory of type 'sharedScratch'" in found


def test_a_file_that_fits_into_the_scratch_must_fit_into_the_directory_of_its_attempt(bench: Bench) -> None:
    scratch(bench, 3860)
    long = ["a" * 100, "b" * 100]

    tasks = [task("c" * 90 + made[0], "raw", made) for made in long]
    (found,) = problems(bench, *tasks, output_dir=bench.path / "out")
    assert f"of job '{'c' * 90}a'" in found and "(1 more are too long there)" in found
    tasks = [task(made[0], "raw", made) for made in long]
    assert plan(bench.options(*tasks, output_dir=bench.path / "out")).submit_dir


def test_a_path_below_an_output_directory_is_refused(bench: Bench) -> None:
    out = bench.path / deep(4000 - len(str(bench.path)))

    (found,) = problems(bench, task("make", "raw", "c" * 100), output_dir=out)
    assert "in the output directory" in found and "--output-dir" in found


def test_a_submit_directory_has_room_for_the_databases_of_the_run(bench: Bench) -> None:
    (found,) = problems(bench, task("make", "raw", "made"), dir=deep(450))
    assert "the databases of the run would have a path of" in found
    assert "504 are possible" in found and "--dir" in found


def test_a_path_of_exactly_the_possible_length_is_accepted(bench: Bench) -> None:
    (found,) = problems(bench, task("make", "raw", "made"), dir=deep(450))
    too_much = int(found.split("a path of ")[1].split()[0]) - 504

    assert plan(bench.options(task("make", "raw", "made"), dir=deep(450 - too_much))).submit_dir
    (found,) = problems(bench, task("make", "raw", "made"), dir=deep(451 - too_much))
    assert "a path of 505 bytes" in found


def test_the_longest_path_and_the_longest_name_may_be_used_to_the_last_byte() -> None:
    name = "c" * 100
    part = f"/d/.{name}.part-" + path_lengths._OF_A_NUMBER  # longer than what it becomes
    sizes = (len(part), len(part) - len("/d/"))

    for less_path, less_name, is_right in ((0, 0, True), (1, 0, False), (0, 1, False)):
        limits = PathLimits(sizes[0] - less_path, sizes[1] - less_name)
        found = list(path_lengths._too_long("/d", [name], limits))
        assert found == ([] if is_right else [(name, part)])


def test_names_are_compared_with_what_the_file_system_allows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_lengths, "limits_of", lambda path: PathLimits(4095, 143))
    long = "d/" + "n" * 136

    (other, found) = problems(bench, task("make", "raw", long), output_dir=bench.path / "out")
    assert "would need a name of 144 bytes, and 143 are possible in the output directory" in found
    assert "in the scratch directory" in other
    assert plan(bench.options(task("make", "raw", long[:-1]), output_dir=bench.path / "out")).submit_dir


def test_the_name_of_a_job_with_its_prefix_is_the_name_of_a_file(bench: Bench) -> None:
    (found,) = problems(bench, task("make" + "x" * 150, "raw", "made"), job_prefix="p" * 100)
    assert "with what job 'pppp" in found and "shorten --job-prefix" in found


def test_the_name_of_what_a_job_prints_may_have_exactly_the_longest_name(bench: Bench) -> None:
    def found(prefix: int) -> list[str]:
        return problems(bench, task("make" + "x" * 150, "raw", "made"), job_prefix="p" * prefix)

    too_much = int(found(100)[0].split("a name of ")[1].split()[0]) - limits_of(str(bench.path)).name

    made = task("make" + "x" * 150, "raw", "made")
    assert plan(bench.options(made, job_prefix="p" * (100 - too_much))).submit_dir


def test_limits_are_those_of_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    assert limits_of(str(tmp_path / "a/b")) == limits_of(str(tmp_path))
    assert limits_of(str(tmp_path)).name == os.pathconf(tmp_path, "PC_NAME_MAX")


@pytest.mark.parametrize("size", [1, 159, 160, 161, 240, 255])
def test_temporary_names_are_never_too_long_for_the_names_that_are_allowed(tmp_path: Path, size: int) -> None:
    part = PartialFile(str(tmp_path / ("n" * size)))
    assert len(os.path.basename(part.path)) <= max(size + 8, 182)
    part.commit(0o644, durable=False)

    assert os.listdir(tmp_path) == ["n" * size]
