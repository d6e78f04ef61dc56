"""A map of lines that is older than the sources."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mutants import line_map as module
from mutants.line_map import LineMap, kept_line_map

FILE = "src/markab/a.py"
THEN = "one\ntwo\nthree\n"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    coverage = pytest.importorskip("coverage")
    data = coverage.CoverageData(str(tmp_path / "lines"))
    for line, test in enumerate(("tests/a.py::test_1", "tests/a.py::test_2", "tests/a.py::test_3"), start=1):
        data.set_context(test)
        data.add_lines({f"/elsewhere/{FILE}": [line]})
    data.write()
    (tmp_path / "durations.jsonl").write_text('["tests/a.py::test_1", 0.5, "passed"]\n')
    (tmp_path / "sources.json").write_text(json.dumps({FILE: THEN}))
    return tmp_path


def test_a_line_that_has_moved_has_the_tests_it_had(kept: Path) -> None:
    moved = LineMap(kept, {FILE: "zero\none\nthree\ntwo and more\n"})

    assert [moved.tests_of(FILE, [line]) for line in (1, 2, 3, 4)] == [
        set(),
        {"tests/a.py::test_1"},
        {"tests/a.py::test_3"},
        set(),
    ]


@pytest.mark.parametrize(
    ("sources", "share"),
    [({FILE: THEN}, 0.0), ({FILE: "one\n1\n"}, 0.5), ({FILE: THEN, "src/b.py": "a\n"}, 0.25)],
)
def test_lines_that_the_map_does_not_know_are_new(kept: Path, sources: dict[str, str], share: float) -> None:
    assert LineMap(kept, sources).share_of_new_lines() == share


@pytest.mark.parametrize(
    ("now", "anew", "traced"),
    [(THEN, False, False), (THEN, True, True), (THEN + "four\n", False, False), ("one\n1\n2\n", False, True)],
)
def test_the_tests_are_traced_again_when_asked_for_and_when_much_is_new(
    kept: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    now: str,
    anew: bool,
    traced: bool,
) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / FILE).parent.mkdir(parents=True)
    (root / FILE).write_text(now)
    before = {name: (kept / name).read_bytes() for name in ("lines", "durations.jsonl")}
    calls = []

    def trace(folder: Path, environ: dict[str, str]) -> None:
        calls.append(folder)
        kept.mkdir()
        for name, content in before.items():
            (kept / name).write_bytes(content)

    monkeypatch.setattr(module, "KEPT", kept)
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(module, "trace", trace)

    found = kept_line_map(root / "work", {}, anew=anew)

    assert bool(calls) == traced
    assert found.share_of_new_lines() == (0 if traced or now == THEN else 0.25)
