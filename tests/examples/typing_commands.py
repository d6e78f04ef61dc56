"""Typing the commands of a page into a shell, where the commands and examples of this checkout are found."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

PYPROJECT = ROOT / "pyproject.toml"
PROGRAMS = dict(
    re.findall(r'^([\w-]+) = "(markab[\w.]*:\w+)"$', PYPROJECT.read_text(encoding="utf-8"), re.MULTILINE)
)
"""Command → module and function, as installing Markab makes them."""


def console_commands(page: Path) -> list[str]:
    """What follows `$ ` in the console blocks of a page, in reading order."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def make_commands(folder: Path) -> None:
    """Put `markab`, the `pegasus-…` commands and `python` of this checkout into `folder`."""
    folder.mkdir()
    for name, function in PROGRAMS.items():
        module, call = function.split(":")
        _write_script(
            folder / name,
            f"#!{sys.executable}\nimport sys\nfrom {module} import {call}\nsys.exit({call}())\n",
        )
    # A link to the interpreter would not find the libraries of its virtual environment.
    _write_script(folder / "python", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')


def type_in(commands: Sequence[str], tmp_path: Path) -> str:
    """Run all in one shell that stops at the first failure; return what it printed, commands included.

    The shell starts in a directory with `examples/`; `~/markab` leads there too.
    """
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


def _write_script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
