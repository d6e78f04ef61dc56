"""The source texts of the programs of a workflow that are scripts on this machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property

from markab.lint.program_files import Direction, argument_directions
from markab.lint.subject import Subject
from markab.lint.wrapper_parser import WrapperParser, read_parser
from markab.planner.places import local_path
from markab.spec.model import Task, Transformation, TransformationSite

_LARGEST_BYTES = 1_000_000
_LOOKS_AROUND = re.compile(r"glob|listdir|iterdir|scandir|os\.walk|\*\.|\$\{?\w+\}?\*|\bfind\b|\bls\b")
_PYTHON = re.compile(r"python[0-9.]*\Z")


@dataclass(frozen=True)
class Script:
    """A program that is a text."""

    path: str
    text: str

    @property
    def first_line(self) -> str:
        """Return its first line, with what ends it."""
        return self.text.partition("\n")[0]

    @property
    def is_python(self) -> bool:
        """Whether Python runs it."""
        if self.first_line.startswith("#!"):
            return "python" in self.first_line
        return self.path.endswith(".py")

    @cached_property
    def looks_around(self) -> bool:
        """Whether it seems to list its directory: then it finds files without being told their names."""
        return _LOOKS_AROUND.search(self.text) is not None

    @cached_property
    def directions(self) -> dict[str, Direction]:
        """Which of its arguments it reads and which it writes, as far as its text tells."""
        return argument_directions(self.text) if self.is_python else {}

    @cached_property
    def parser(self) -> WrapperParser | None:
        """What it accepts on its command line, if its text tells."""
        return read_parser(self.text) if self.is_python else None


class Scripts:
    """The scripts of a workflow, each read once."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._read: dict[str, Script | None] = {}

    def at(self, path: str) -> Script | None:
        """Return the script at a path; None if it is no text, or cannot be read."""
        if path not in self._read:
            self._read[path] = _read_script(path)
        return self._read[path]

    def of_entry(self, at: TransformationSite) -> Script | None:
        """Return the script that an entry of the transformation catalog names, if it is on this machine."""
        path = local_path(at.pfn)
        is_elsewhere = at.container is not None and at.type == "installed"
        return self.at(path) if path is not None and not is_elsewhere else None

    def of_transformation(self, transformation: Transformation | None) -> Script | None:
        """Return the script of a transformation, if all its entries on this machine are one."""
        entries = transformation.sites if transformation else []
        found = [self.of_entry(at) for at in entries]
        texts = {script.text if script else "" for script in found}
        return found[0] if len(texts) == 1 else None

    def of_task(self, task: Task, words: list[str]) -> tuple[Script | None, list[str]]:
        """Return the script that a task runs and its arguments; `python3 fit.py a b` runs `fit.py`."""
        script = self.of_transformation(self._subject.transformation_of(task))
        if script is not None or not words or not self._is_python(task):
            return script, words
        replica = self._subject.replicas.lookup(words[0]) if words[0].endswith(".py") else None
        path = local_path(replica.pfns[0].pfn) if replica and len(replica.pfns) == 1 else None
        return (self.at(path) if path else None), words[1:]

    def _is_python(self, task: Task) -> bool:
        transformation = self._subject.transformation_of(task)
        names = [at.pfn for at in transformation.sites] if transformation else [task.name or ""]
        return all(_PYTHON.match(name.rpartition("/")[2]) for name in names)


def _read_script(path: str) -> Script | None:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _LARGEST_BYTES:
            return None
        with open(path, "rb") as file:
            data = file.read(_LARGEST_BYTES)
    except OSError:
        return None
    if b"\0" in data:
        return None
    try:
        return Script(path, data.decode())
    except UnicodeDecodeError:
        return None
