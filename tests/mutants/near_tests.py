"""Which tests can notice a change, nearest first: those that execute its lines, the ones of the mirror file in front."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mutants.changes import Change
from mutants.line_map import LineMap

_MOST_S = 120.0
"""Of what the tests of one change may take together."""
_ALL_LINES = range(1, 100_000)


def near_tests(change: Change, line_map: LineMap, root: Path) -> list[str]:
    """Names for pytest of the tests in a tree, without those that are gone since the map was made."""
    executing = _candidates(change, line_map, root)
    is_at_import = _is_executed_once(_text(root, change.file), change.line)
    # What a fixture of several tests executes is known of the first of them only; who imports a constant executes nothing.
    nearest = 1 if is_at_import else 0
    others = {
        test for test in line_map.durations if _distance(root, change.file, test) <= nearest
    } - executing
    chosen, takes_s = [], 0.0
    for test in sorted(
        executing | (others - line_map.failing),
        key=lambda test: (
            test in others and not is_at_import,
            _distance(root, change.file, test),
            line_map.durations.get(test, 0.0),
            test,
        ),
    ):
        takes_s += line_map.durations.get(test, 0.0)
        if takes_s > _MOST_S and chosen:
            break
        if _exists(root, test):
            chosen.append(test)
    return [*_new_tests(root, change.file, line_map), *chosen]


def _candidates(change: Change, line_map: LineMap, root: Path) -> set[str]:
    """The tests that execute its lines, else those of its function; what runs at import concerns all users of the file."""
    first, _, last, _ = change.location
    around = function_lines(_text(root, change.file), first)
    if not _is_executed_once(_text(root, change.file), first):
        for lines in (range(first, last + 1), around):
            if tests := line_map.tests_of(change.file, lines):
                return tests
    return set().union(
        *(
            line_map.tests_of(file, _ALL_LINES)
            for file in [change.file, *_importers(root, _module(change.file))]
        )
    )


def function_lines(text: str, line: int) -> range:
    """The lines of the body of the innermost function around a line; none for what runs when the file is imported."""
    return min((_body(function) for function in _functions_around(text, line)), key=len, default=range(0))


def _is_executed_once(text: str, line: int) -> bool:
    """Whether a line runs when the file is imported, or in a function whose result is remembered."""
    around = _functions_around(text, line)
    return not around or any("cache" in ast.unparse(it) for node in around for it in node.decorator_list)


def _functions_around(text: str, line: int) -> list[ast.FunctionDef]:
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    return [node for node in functions if line in _body(node)]


def _body(function: ast.FunctionDef) -> range:
    return range(function.body[0].lineno, (function.end_lineno or 0) + 1)


def _module(file: str) -> str:
    return ".".join(Path(file).with_suffix("").parts[1:])


@cache
def _importers(root: Path, module: str) -> tuple[str, ...]:
    """The source files that import from it."""
    wanted = re.compile(rf"^\s*from {re.escape(module)} import", re.MULTILINE)
    return tuple(
        str(path.relative_to(root))
        for path in (root / "src").rglob("*.py")
        if wanted.search(path.read_text())
    )


def _distance(root: Path, file: str, test: str) -> int:
    """0: the test file that mirrors it, 1: one that imports it, 2: of its folder, 3: another."""
    test_file = test.partition("::")[0]
    if test_file in _mirrors(file):
        return 0
    if _module(file) in _text(root, test_file):
        return 1
    return 2 if test_file.startswith(f"tests/{Path(file).parts[2]}/") else 3


@cache
def _text(root: Path, file: str) -> str:
    path = root / file
    return path.read_text() if path.exists() else ""


def _mirrors(file: str) -> list[str]:
    source = Path(file)
    folder = Path("tests", *source.parts[2:-1])
    return [str(folder / f"test_{source.stem}.py"), str(folder.parent / f"test_{source.parent.name}.py")]


def _exists(root: Path, test: str) -> bool:
    file, _, name = test.partition("::")
    function = name.rpartition("::")[2].partition("[")[0]
    return f"def {function}(" in _text(root, file)


def _new_tests(root: Path, file: str, line_map: LineMap) -> Iterator[str]:
    """Tests of the mirror file, and of those that import the file, that the map does not know yet."""
    known = {test.partition("[")[0] for test in line_map.durations}
    for path in sorted((root / "tests").rglob("test_*.py")):
        test_file = str(path.relative_to(root))
        if test_file in _mirrors(file) or _module(file) in _text(root, test_file):
            for name in re.findall(r"^def (test_\w+)\(", _text(root, test_file), re.MULTILINE):
                if f"{test_file}::{name}" not in known:
                    yield f"{test_file}::{name}"
