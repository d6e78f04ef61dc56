"""Which tests are run for a change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest

from mutants.changes import Change
from mutants.line_map import LineMap
from mutants.near_tests import function_lines, near_tests

LOCK = "src/markab/journal/lock.py"
TEXT = (
    "import a\n\n\ndef f(\n    x,\n):\n    if x:\n\n        def g():\n            return 1\n\n    return g\n"
)


class FakeMap:
    """Knows which test executes which lines of which file."""

    def __init__(self, **durations: float) -> None:
        self.durations = {f"tests/{name.replace('__', '/')}.py::test_x": s for name, s in durations.items()}
        self.lines: dict[str, dict[int, set[str]]] = {}
        self.failing: set[str] = set()

    def executes(self, name: str, file: str, *lines: int) -> None:
        for line in lines:
            self.lines.setdefault(file, {}).setdefault(line, set()).add(f"tests/{name}.py::test_x")

    def tests_of(self, file: str, lines: Iterable[int]) -> set[str]:
        known = self.lines.get(file, {})
        return set().union(*(known.get(line, set()) for line in lines if line in known))


def change_in(line: int, file: str = LOCK) -> Change:
    return Change(file, "", "", "", "", (line, 0, line, 1))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with one source file, which one other imports, and a few test files."""
    files = {LOCK: TEXT, "src/markab/engine/run.py": "from markab.journal.lock import f\n"}
    for name in ("journal/test_lock", "journal/test_other", "cli/test_it", "engine/test_run"):
        files[f"tests/{name}.py"] = "def test_x():\n    pass\n"
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(found: list[str]) -> list[str]:
    return [test.removeprefix("tests/").partition(".py")[0] for test in found]


@pytest.mark.parametrize(
    ("line", "lines"),
    [(1, range(0)), (5, range(0)), (7, range(7, 13)), (10, range(10, 11)), (12, range(7, 13))],
)
def test_a_line_belongs_to_the_innermost_function_whose_body_it_is_in(line: int, lines: range) -> None:
    assert function_lines(TEXT, line) == lines


def test_the_mirror_file_comes_first_then_its_folder_then_the_quick_ones(tree: Path) -> None:
    line_map = FakeMap(
        cli__test_it=1.0, journal__test_lock=5.0, journal__test_other=3.0, engine__test_run=0.5
    )
    for name in ("cli/test_it", "journal/test_lock", "journal/test_other", "engine/test_run"):
        line_map.executes(name, LOCK, 7)

    found = near_tests(change_in(7), cast("LineMap", line_map), tree)

    assert names(found) == ["journal/test_lock", "journal/test_other", "engine/test_run", "cli/test_it"]


def test_only_tests_that_execute_the_line_are_run_or_those_of_its_function(tree: Path) -> None:
    line_map = FakeMap(cli__test_it=1.0, journal__test_lock=1.0)
    line_map.executes("cli/test_it", LOCK, 7)
    line_map.executes("journal/test_lock", LOCK, 12)

    assert names(near_tests(change_in(12), cast("LineMap", line_map), tree)) == ["journal/test_lock"]
    assert names(near_tests(change_in(7), cast("LineMap", line_map), tree)) == [
        "cli/test_it",
        "journal/test_lock",
    ]
    assert names(near_tests(change_in(11), cast("LineMap", line_map), tree)) == [
        "journal/test_lock",
        "cli/test_it",
    ]


def test_what_runs_at_import_concerns_the_tests_of_all_who_import_it(tree: Path) -> None:
    line_map = FakeMap(engine__test_run=1.0, journal__test_lock=1.0)
    line_map.executes("journal/test_lock", LOCK, 7)
    line_map.executes("engine/test_run", "src/markab/engine/run.py", 1)

    assert names(near_tests(change_in(1), cast("LineMap", line_map), tree)) == [
        "journal/test_lock",
        "engine/test_run",
    ]


@pytest.mark.parametrize("decorator", ["cache", "functools.lru_cache(maxsize=9)", "cached_property"])
def test_what_is_remembered_is_executed_for_the_first_test_only_and_concerns_all(
    tree: Path, decorator: str
) -> None:
    line_map = FakeMap(engine__test_run=1.0, journal__test_lock=1.0, cli__test_it=1.0)
    line_map.executes("cli/test_it", LOCK, 7)
    line_map.executes("engine/test_run", "src/markab/engine/run.py", 1)
    (tree / LOCK).write_text(TEXT.replace("def f(", f"@{decorator}\ndef f(").replace("import a\n", ""))

    assert names(near_tests(change_in(7), cast("LineMap", line_map), tree)) == [
        "journal/test_lock",
        "cli/test_it",
        "engine/test_run",
    ]


def test_a_test_whose_file_imports_a_constant_executes_no_line_of_it(tree: Path) -> None:
    line_map = FakeMap(cli__test_it=1.0, engine__test_run=1.0, journal__test_lock=1.0)
    line_map.executes("engine/test_run", LOCK, 7)
    (tree / "tests/cli/test_it.py").write_text("from markab.journal.lock import A\ndef test_x():\n    pass\n")

    assert names(near_tests(change_in(1), cast("LineMap", line_map), tree)) == [
        "journal/test_lock",
        "cli/test_it",
        "engine/test_run",
    ]
    assert names(near_tests(change_in(7), cast("LineMap", line_map), tree)) == [
        "engine/test_run",
        "journal/test_lock",
    ]


def test_new_tests_of_the_mirror_file_are_run_and_removed_ones_are_not(tree: Path) -> None:
    line_map = FakeMap(journal__test_lock=1.0, cli__test_it=1.0)
    line_map.executes("journal/test_lock", LOCK, 7)
    line_map.executes("cli/test_it", LOCK, 7)
    (tree / "tests/journal/test_lock.py").write_text("def test_new(x):\n    pass\n")
    (tree / "tests/cli/test_it.py").unlink()

    assert near_tests(change_in(7), cast("LineMap", line_map), tree) == [
        "tests/journal/test_lock.py::test_new"
    ]


def test_all_together_take_no_longer_than_two_minutes(tree: Path) -> None:
    line_map = FakeMap(journal__test_lock=100.0, journal__test_other=19.0, cli__test_it=2.0)
    for name in ("cli/test_it", "journal/test_lock", "journal/test_other"):
        line_map.executes(name, LOCK, 7)

    assert names(near_tests(change_in(7), cast("LineMap", line_map), tree)) == [
        "journal/test_lock",
        "journal/test_other",
    ]


def test_a_new_test_is_run_for_every_change(tree: Path) -> None:
    line_map = FakeMap(journal__test_lock=1.0)
    line_map.executes("journal/test_lock", LOCK, 7)
    (tree / "tests/journal/test_other.py").write_text(
        "import markab.journal.lock\ndef test_new():\n    pass\n"
    )

    for _ in range(2):
        found = near_tests(change_in(7), cast("LineMap", line_map), tree)
        assert found == ["tests/journal/test_other.py::test_new", "tests/journal/test_lock.py::test_x"]
        assert len(list(line_map.durations)) == 1


def test_the_other_tests_of_the_mirror_file_come_last(tree: Path) -> None:
    """They may share a fixture with the one that is known to execute the line."""
    line_map = FakeMap(journal__test_lock=1.0, cli__test_it=1.0)
    line_map.executes("cli/test_it", LOCK, 7)

    assert names(near_tests(change_in(7), cast("LineMap", line_map), tree)) == [
        "cli/test_it",
        "journal/test_lock",
    ]
