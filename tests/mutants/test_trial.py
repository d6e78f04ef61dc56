"""What the end of the tests says about a change."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from mutants import trial as module
from mutants.changes import Change
from mutants.enclosure import Enclosure, Ended
from mutants.line_map import LineMap
from mutants.tree_copy import TreeCopy
from mutants.trial import Result, try_change

CHANGE = Change("f.py", "", "", "1", "(2)", (1, 0, 1, 1))


class FakeCopy:
    root = Path("copy")

    def __init__(self) -> None:
        self.now = "1"

    def text(self, name: str) -> str:
        return self.now

    def write(self, name: str, text: str) -> None:
        self.now = text

    def clear_temporary(self) -> None:
        pass


class FakeEnclosure:
    def __init__(self, copy: FakeCopy, *answers: Ended) -> None:
        self.copy = copy
        self.answers = list(answers)
        self.calls: list[list[str]] = []
        self.waits: list[float] = []
        self.texts: list[str] = []

    def pytest(self, arguments: list[str], wait_s: float) -> Ended:
        self.calls.append([one for one in arguments if one.startswith("test")])
        self.texts.append(self.copy.now)
        self.waits.append(wait_s)
        return self.answers.pop(0)


class FakeMap:
    def __init__(self) -> None:
        self.durations = {"test_a": 6.0, "test_b": 6.0}


PASSED = Ended(0, "")
FAILED = Ended(1, "..F\nFAILED tests/f.py::test_b - why\n1 failed")
FAILED_B = Ended(1, "..F\nFAILED test_b - why\n1 failed")


@pytest.mark.parametrize(
    ("answers", "result", "detail", "calls"),
    [
        ([FAILED], Result.NOTICED, "tests/f.py::test_b - why", 1),
        ([PASSED, FAILED], Result.NOTICED, "tests/f.py::test_b - why", 2),
        ([PASSED, PASSED], Result.MISSED, "3 tests", 2),
        ([Ended(None, "")], Result.ENDLESS, "test_a", 1),
        ([Ended(-11, "Segmentation fault")], Result.NOTICED, "Segmentation fault", 1),
        ([Ended(4, "ERROR tests/conftest.py\n")], Result.NOTICED, "tests/conftest.py", 1),
    ],
)
def test_a_change_is_noticed_by_the_first_test_that_fails(
    monkeypatch: pytest.MonkeyPatch, answers: list[Ended], result: Result, detail: str, calls: int
) -> None:
    monkeypatch.setattr(module, "near_tests", lambda change, line_map, root: ["test_a", "test_b", "test_c"])
    copy = FakeCopy()
    enclosure = FakeEnclosure(copy, *answers)

    found = try_change(
        CHANGE, cast("TreeCopy", copy), cast("Enclosure", enclosure), cast("LineMap", FakeMap())
    )

    assert found == (result, detail)
    assert enclosure.calls == [["test_a", "test_b"], ["test_c"]][:calls]
    assert set(enclosure.texts) == {"(2)"}
    assert copy.now == "1"


@pytest.mark.parametrize(
    ("again", "result", "texts"),
    [
        ([FAILED_B, PASSED], Result.NOTICED, ["(2)", "(2)", "1"]),
        ([FAILED_B, FAILED_B, PASSED, PASSED], Result.MISSED, ["(2)", "(2)", "1", "(2)", "(2)"]),
        ([PASSED, PASSED, PASSED], Result.MISSED, ["(2)", "(2)", "(2)", "(2)"]),
    ],
)
def test_a_test_counts_that_fails_again_and_passes_without_the_change(
    monkeypatch: pytest.MonkeyPatch, again: list[Ended], result: Result, texts: list[str]
) -> None:
    monkeypatch.setattr(module, "near_tests", lambda change, line_map, root: ["test_a", "test_b", "test_c"])
    copy = FakeCopy()
    enclosure = FakeEnclosure(copy, FAILED_B, *again)

    found = try_change(
        CHANGE, cast("TreeCopy", copy), cast("Enclosure", enclosure), cast("LineMap", FakeMap())
    )

    assert found.result == result
    assert enclosure.texts == texts
    assert enclosure.calls[1] == ["test_b"]
    if result is Result.MISSED:
        assert enclosure.calls[-2:] == [["test_a"], ["test_c"]]
    assert copy.now == "1"


def test_a_name_that_pytest_does_not_know_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "near_tests", lambda change, line_map, root: ["test_c"])
    copy = FakeCopy()
    enclosure = FakeEnclosure(copy, Ended(4, "not found: test_c"))

    with pytest.raises(LookupError, match="not found: test_c"):
        try_change(CHANGE, cast("TreeCopy", copy), cast("Enclosure", enclosure), cast("LineMap", FakeMap()))
    assert copy.now == "1"


def test_a_test_whose_parameters_have_changed_is_run_with_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tests = ["tests/test_f.py::test_a[x y]", "tests/test_f.py::test_a[/z]", "tests/test_f.py::test_b[1]"]
    monkeypatch.setattr(module, "near_tests", lambda change, line_map, root: tests)
    copy, line_map = FakeCopy(), FakeMap()
    line_map.durations.update(dict.fromkeys([*tests, "tests/test_f.py::test_a"], 1.0))
    not_found = (
        f"ERROR: not found: /copy/{tests[0]}\n(no match)\nERROR: not found: /copy/tests/test_f.py::test_a\n"
    )
    enclosure = FakeEnclosure(copy, Ended(4, not_found), PASSED)

    found = try_change(
        CHANGE, cast("TreeCopy", copy), cast("Enclosure", enclosure), cast("LineMap", line_map)
    )

    assert found == (Result.MISSED, "3 tests")
    assert enclosure.calls == [tests, ["tests/test_f.py::test_a", "tests/test_f.py::test_b[1]"]]


def test_a_change_that_no_test_executes_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "near_tests", lambda change, line_map, root: [])
    copy = FakeCopy()
    enclosure = FakeEnclosure(copy)

    found = try_change(
        CHANGE, cast("TreeCopy", copy), cast("Enclosure", enclosure), cast("LineMap", FakeMap())
    )

    assert found == (Result.MISSED, "0 tests")
