"""Which fast test executes which line, in whatever process: made by running all of them once, and kept in `.mutants`.

With it is kept what the sources were. A line that stands in them unchanged has the same tests now, wherever it has
moved; the map is made again when too many lines are others. Tests that have changed are told by their text.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from difflib import SequenceMatcher
from pathlib import Path

from mutants.enclosure import Enclosure
from mutants.tree_copy import ROOT, TreeCopy

KEPT = ROOT / ".mutants"
_MOST_NEW = 0.3
"""The share of lines that a kept map may not know."""
_MOST_S = 4 * 3600
_PARTS = 2
"""So many parts of the tests are traced side by side."""
_OPTIONS = ("-p", "mutants.line_tracing", "-p", "no:cacheprovider", "-m", "not integration and not faults")
_TRACE = """

import importlib.util as _util
import sys as _sys

if not hasattr(_sys, "markab_traced"):
    try:
        _sys.path += {packages!r}
        _spec = _util.spec_from_file_location("line_tracing", {tracing!r})
        _module = _util.module_from_spec(_spec)
        _spec.loader.exec_module(_module)
        _module.trace_child()
    except (OSError, ImportError):
        pass  # a process that sees few files
"""
_ENTRANCES = ("src/markab/__init__.py", "src/markab/worker/__init__.py")
"""Whatever process runs code of ours imports one of them first; the worker on a node has only the second."""


class LineMap:
    """The tests of each line, and how long each test takes."""

    def __init__(self, folder: Path, sources: dict[str, str]) -> None:
        """Read the one that `trace` has made, for the sources as they are now."""
        import coverage

        durations: dict[str, float] = defaultdict(float)
        self.failing: set[str] = set()
        for line in (folder / "durations.jsonl").read_text().splitlines():
            test, duration_s, outcome = json.loads(line)
            durations[test] += duration_s
            if outcome == "failed":
                self.failing.add(test)
        self.durations = dict(durations)
        """Seconds of every test that the map knows."""
        self._data = coverage.CoverageData(str(folder / "lines"))
        self._data.read()
        self._files: dict[str, list[str]] = defaultdict(list)
        for name in self._data.measured_files():
            self._files[_source_name(name)].append(name)
        self._known: dict[str, dict[int, set[str]]] = {}
        self._traced: dict[str, str] = json.loads((folder / "sources.json").read_text())
        self._sources = sources

    def share_of_new_lines(self) -> float:
        """Of all lines that are there now, those that were not there when the map was made."""
        lines = sum(len(text.splitlines()) for text in self._sources.values())
        old = sum(1 for file in self._sources for _ in self._old_lines(file))
        return 1 - old / max(lines, 1)

    def tests_of(self, file: str, lines: Iterable[int]) -> set[str]:
        """The tests that execute one of these lines of a source file."""
        of_line = self._lines(file)
        return {test for line in lines for test in of_line.get(line, ())} - self.failing

    def _lines(self, file: str) -> dict[int, set[str]]:
        if file not in self._known:
            traced: dict[int, set[str]] = defaultdict(set)
            for name in self._files.get(file, ()):
                for line, tests in self._data.contexts_by_lineno(name).items():
                    traced[line].update(filter(None, tests))
            self._known[file] = {now: traced[then] for then, now in self._old_lines(file) if then in traced}
        return self._known[file]

    def _old_lines(self, file: str) -> Iterator[tuple[int, int]]:
        """Pairs of numbers: of a line when the map was made, and of the same line now."""
        then, now = (texts.get(file, "").splitlines() for texts in (self._traced, self._sources))
        for first, first_now, size in SequenceMatcher(None, then, now, autojunk=False).get_matching_blocks():
            yield from ((first + number, first_now + number) for number in range(1, size + 1))


def _source_name(path: str) -> str:
    """In the tree or in a packed worker."""
    package = "/Pegasus/" if "/src/Pegasus/" in path else "/markab/"
    return "src" + package + path.rpartition(package)[2]


def kept_line_map(folder: Path, environ: dict[str, str], *, anew: bool) -> LineMap:
    """The kept map if it knows most of the lines, else a new one."""
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "src").rglob("*.py"))}
    if not anew and (KEPT / "sources.json").exists():
        kept = LineMap(KEPT, sources)
        if kept.share_of_new_lines() <= _MOST_NEW:
            return kept
    shutil.rmtree(KEPT, ignore_errors=True)
    trace(folder, environ)
    (KEPT / "sources.json").write_text(json.dumps(sources))
    return LineMap(KEPT, sources)


def trace(folder: Path, environ: dict[str, str]) -> None:
    """Run all fast tests, tracing every process that they start: each half of them in a copy of the tree of its own."""
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))
    halves = [(folder / f"traced-{number}", files[number::_PARTS]) for number in range(_PARTS)]
    for half, _ in halves:
        half.mkdir()
    KEPT.mkdir(exist_ok=True)
    with ThreadPoolExecutor(_PARTS) as pool:
        traced = list(pool.map(lambda half: _trace_files(*half, environ), halves))
    durations = "".join((part / "durations.jsonl").read_text() for part in traced)
    (KEPT / "durations.jsonl").write_text(durations)
    _combine(traced)


def _trace_files(folder: Path, files: list[str], environ: dict[str, str]) -> Path:
    """The folder with what was found."""
    import coverage

    copy = TreeCopy(folder)
    packages = [str(Path(coverage.__file__).parents[1])]
    tracing = str(copy.root / "tests/mutants/line_tracing.py")
    for name in _ENTRANCES:
        copy.write(name, copy.text(name) + _TRACE.format(packages=packages, tracing=tracing))
    with Enclosure(folder, copy, {**environ, "PYTHONPATH": str(copy.root / "tests")}) as enclosure:
        ended = enclosure.pytest([*_OPTIONS, *files], _MOST_S)
    traced = copy.root / "traced"
    if not (traced / "durations.jsonl").exists():
        raise RuntimeError(ended.output[-4000:])
    (KEPT / f"{folder.name}.txt").write_text(ended.output)
    return traced


def _combine(folders: list[Path]) -> None:
    import coverage

    all_lines = coverage.CoverageData(str(KEPT / "lines"))
    for path in (path for folder in folders for path in sorted(folder.iterdir())):
        if path.name.startswith("lines."):
            part = coverage.CoverageData(str(path))
            try:
                part.read()
                all_lines.update(part)
            except coverage.exceptions.CoverageException:
                continue  # of a process that was killed while it wrote
    all_lines.write()
