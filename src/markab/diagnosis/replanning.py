"""The command that plans the workflow of a run again, and runs it, as it is typed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from markab.formatting import shown_path
from markab.plan.braindump import Braindump
from markab.plan.free_names import free_name

NAMED_DIRECTORIES = ("--relative-dir", "--relative-submit-dir")
"""Options that name the directory of one run: another run needs another one."""


def replan_command(
    braindump: Braindump, directory: str | None, conf: Path | None = None, script: Sequence[str] = ()
) -> str:
    """Return the command that plans a workflow again into a new submit directory, and runs it.

    The arguments are those with which it was planned, except that a directory which was named gets
    another name. `directory` is where the planner was called; `conf` is a file with the properties of
    the run, to be used in place of theirs; `script` are the words in place of the document, if a script
    built it. Empty if the arguments or the directory are not known.
    """
    words = shlex.split(braindump.get("planner_arguments") or "")
    if not words or directory is None:
        return ""
    options, workflow = words[:-1], words[-1]
    if conf is not None:
        options = [*_without(options, "--conf"), "--conf", str(conf)]
    options = _renamed(options, Path(braindump.get("basedir") or directory))
    command = shlex.join(["markab", "run", *options, *(script or [workflow])])
    return command if shown_path(Path(directory)) == "." else f"cd {shlex.quote(directory)} && {command}"


def _without(options: Sequence[str], name: str) -> list[str]:
    """Return options without one that has a value."""
    before = ["", *options]
    return [word for last, word in zip(before, options, strict=False) if name not in (last, word)]


def _renamed(options: Sequence[str], base: Path) -> list[str]:
    """Return options in which a directory that was named for one run has another name."""
    renamed: list[str] = []
    for word in options:
        if renamed and renamed[-1] in NAMED_DIRECTORIES:
            renamed.append(free_name(word, base))
        else:
            renamed.append("--randomdir" if word.startswith("--randomdir=") else word)
    return renamed
