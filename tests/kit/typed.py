"""Command lines, typed into a shell as a message prints them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"


def typed(line: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Return what happens when a line is typed in a directory; `markab` and its aliases are those of the sources."""
    programs = directory / ".programs"
    if not programs.exists():
        programs.mkdir()
        for name in ("markab", "pegasus-plan", "pegasus-run", "pegasus-status", "pegasus-analyzer"):
            module, function = ("main", "main") if name == "markab" else ("pegasus", name[len("pegasus-") :])
            program = programs / name
            program.write_text(
                f"#!{sys.executable}\nfrom markab.cli.{module} import {function}\n{function}()\n"
            )
            program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCES),
    }
    return subprocess.run(
        ["bash", "-c", line], cwd=directory, env=environment, capture_output=True, text=True, timeout=60
    )
