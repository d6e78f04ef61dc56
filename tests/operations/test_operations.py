"""The layer itself."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from markab import operations

SOURCES = Path(operations.__file__).parents[2]


@pytest.mark.parametrize("name", operations.__all__)
def test_every_operation_says_what_it_does(name: str) -> None:
    assert inspect.getdoc(getattr(operations, name))


def test_no_operation_prints() -> None:
    for path in Path(operations.__file__).parent.glob("*.py"):
        assert "print(" not in path.read_text()


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
    assert others == {"markab.errors"}


def test_commands_and_the_api_start_and_store_nothing_but_through_the_operations() -> None:
    rooms = re.compile(
        r"^\s*from (markab\.(?:catalogs|engine|executors|provenance)[\w.]*) import (\w+)", re.MULTILINE
    )
    found = [
        (path.name, *match)
        for room in ("cli", "api")
        for path in (SOURCES / "markab" / room).glob("*.py")
        for match in rooms.findall(path.read_text())
    ]
    assert {(module, name) for _, module, name in found} <= {
        ("markab.engine.run", "RunOptions"),
        ("markab.catalogs.replica_store", "Entry"),
    }
