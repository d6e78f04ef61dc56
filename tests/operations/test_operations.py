"""The rules for all operations, and for those who call them."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from markab import operations

SOURCES = Path(operations.__file__).parents[2]


@pytest.mark.parametrize("name", operations.__all__)
def test_every_operation_says_what_it_does(name: str) -> None:
    assert inspect.getdoc(getattr(operations, name))


OPERATIONS = [
    path
    for path in sorted(Path(operations.__file__).parent.glob("*.py"))
    if path.stem
    not in (
        "child_planning",
        "planner_process",
        "planner_processes",
    )  # a process beside the engine, and how it is started
]


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: path.stem)
def test_no_operation_prints_exits_or_reads_command_line_or_environment(path: Path) -> None:
    assert re.findall(r"print\(|exit\(|\bsys\b|\bclick\b|\benviron\b|getenv", path.read_text()) == []


def test_every_operation_is_where_the_table_says() -> None:
    assert set(operations._MODULES) == set(operations.__all__)


def test_importing_the_operations_loads_nothing_of_what_they_use() -> None:
    code = "import sys, markab.operations; print(*sorted(m for m in sys.modules if m.startswith('markab')))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCES)},
    )
    others = {
        name for name in done.stdout.split() if not name.startswith("markab.operations") and name != "markab"
    }
    assert not others


def test_command_line_and_api_call_operations_only(capsys: pytest.CaptureFixture[str]) -> None:
    """The rule and its exceptions are the contract `operations` in pyproject.toml."""
    rules = str(SOURCES.parent / "pyproject.toml")
    broken = lint_imports(rules, limit_to_contracts=("operations",), no_cache=True)
    assert not broken, capsys.readouterr().out
