"""The commands that the tutorial and the examples' page tell people to type work, in their order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BY_MAKE = {"make demo", ". .venv/bin/activate"}
"""Set-up that needs a clone of its own; continuous integration runs it besides."""


def console_commands(page: Path) -> list[str]:
    """What follows `$ ` in the console blocks of a page, in reading order."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_commands_are_found_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ ls\na\n$ cat a\n```\n\n```python\n$ no\n```\n```console\n$ pwd\n```\n")

    assert console_commands(page) == ["ls", "cat a", "pwd"]


def make_commands(folder: Path) -> None:
    """Put `markab`, `pegasus-plan`, `pegasus-run` and `python` of this checkout into `folder`."""
    folder.mkdir()
    for name, function in [
        ("markab", "markab.cli.main:main"),
        ("pegasus-plan", "markab.cli.pegasus:plan"),
        ("pegasus-run", "markab.cli.pegasus:run"),
    ]:
        module, call = function.split(":")
        script = folder / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import {call}\nsys.exit({call}())\n"
        )
        script.chmod(0o755)
    (folder / "python").symlink_to(sys.executable)


def type_in(commands: list[str], tmp_path: Path) -> str:
    """Run all in one shell that stops at the first failure; return what it printed, commands included."""
    make_commands(tmp_path / "bin")
    shutil.copytree(ROOT / "examples", tmp_path / "clone" / "examples")
    env = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(tmp_path / "home"),
    }
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "markab").symlink_to(tmp_path / "clone")
    script = "".join(f"printf '%s\\n' {shlex.quote('$ ' + command)}\n{command}\n" for command in commands)
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path / "clone",
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


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
