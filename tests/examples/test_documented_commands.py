"""The commands that the tutorial and the page of the examples show work, in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.typing_commands import ROOT, console_commands, type_in

BY_MAKE = {"make demo", ". .venv/bin/activate"}
"""Set-up that needs a clone of its own; continuous integration runs it besides."""


def test_commands_are_found_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ ls\na\n$ cat a\n```\n\n```python\n$ no\n```\n```console\n$ pwd\n```\n")

    assert console_commands(page) == ["ls", "cat a", "pwd"]


@pytest.mark.integration
def test_the_tutorial_can_be_typed_from_top_to_bottom(tmp_path: Path) -> None:
    commands = [c for c in console_commands(ROOT / "docs" / "tutorial.md") if c not in BY_MAKE]

    printed = type_in(commands, tmp_path)

    assert "| 1990s  | 521   | 360.4     | 1.57 ± 0.03 " in printed
    assert "1964-06-27 has 32.2 ppm of CO2, which cannot be air" in printed
    assert "exit code 14" in printed
    outputs = tmp_path / "clone" / "demo" / "by-hand" / "outputs"
    assert sorted(path.name for path in outputs.iterdir()) == ["decades.csv", "figure.svg", "table.md"]


@pytest.mark.integration
def test_the_diamond_can_be_typed_as_its_page_says(tmp_path: Path) -> None:
    commands = console_commands(ROOT / "examples" / "README.md")
    diamond = [c.replace("/tmp/diamond", str(tmp_path / "diamond")) for c in commands[:4]]

    printed = type_in(diamond, tmp_path)

    assert printed.endswith("2 ranges, together from 8.4 to 21.6\n")
