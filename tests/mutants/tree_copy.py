"""A private copy of the tree with a virtual environment of its own: what is changed is never the source.

All that is read later is read from it, so that the source may be edited meanwhile.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


class TreeCopy:
    """A copy of all files that git knows or would add; its `python` imports the copy, in every process it starts."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.temporary = folder / "tmp"
        self.python = self.root / ".venv" / "bin" / "python"
        self.temporary.mkdir(parents=True)
        for name in _tracked_files():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.root / name, follow_symlinks=False)
        self._make_environment()

    def text(self, name: str) -> str:
        """The text of a file of the copy as it is now."""
        return (self.root / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Change a file of the copy; compiled code of the text before is not used again, even within one second."""
        path = self.root / name
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
        path.write_text(text, encoding="utf-8")

    def clear_temporary(self) -> None:
        """Remove what the tests have left."""
        remove(self.temporary)
        self.temporary.mkdir()

    def _make_environment(self) -> None:
        place = self.root / ".venv"
        venv.create(place, symlinks=True)
        (site,) = place.glob("lib/python*/site-packages")
        packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        (site / "tree.pth").write_text("\n".join([str(self.root / "src"), *packages]) + "\n")
        python = os.path.normpath(sys.executable)  # as `make` starts it, there is a `..` in it
        for program in Path(python).parent.iterdir():
            if program.name.startswith(("markab", "pegasus-")):
                text = program.read_text().replace(python, str(self.python))
                (self.python.parent / program.name).write_text(text)
                (self.python.parent / program.name).chmod(0o755)


def remove(folder: Path) -> None:
    """Remove a tree of any depth: some tests leave one that is deeper than `shutil.rmtree` can go."""
    subprocess.run(["rm", "-rf", "--", folder], stderr=subprocess.DEVNULL)


def _tracked_files() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]
