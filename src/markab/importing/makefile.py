"""The steps of a Makefile: each target with a recipe that is needed for the goals is one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from markab.importing.make_database import MakeDatabase, MakeTarget, read_makefile
from markab.importing.step_jobs import StepSource
from markab.importing.steps import Step
from markab.importing.word_quoting import quoted_word

_MADE_DIRECTORY = re.compile(r"(mkdir|install\s+-d)\b[^;&|\n]*")
_WORD = re.compile(r"[^\s'\"`$;&|<>()=,]+")


def read_make_steps(path: Path, goals: Sequence[str] = ()) -> StepSource:
    """Return the steps of a Makefile for some goals, by default its first.

    Raises: as `read_makefile`.
    """
    database = read_makefile(path, goals)
    source = StepSource(path, shutil.which(database.shell) or "/bin/sh")
    made = {
        _plain(name) for target in database.targets.values() for name in (target.name, *target.also_makes)
    }
    skipped = _directories(database)
    for name in dict.fromkeys(database.order):
        target = database.targets[name]
        if name in skipped or not target.commands.strip():
            continue
        source.steps.append(_step(source, database, target, made, skipped))
    removed = {_plain(name) for name, target in database.targets.items() if target.is_intermediate}
    if removed:
        source.steps.append(Step("rm", 0, "", removes=removed, is_job=False))
    for target in database.targets.values():
        is_made = any(name in database.order for name in (target.name, *target.also_makes))
        if target.recipe and not is_made:
            source.note(
                target.line, f"target {target.name!r} is not needed for the goal", "name it with --target"
            )
    return source


def _directories(database: MakeDatabase) -> set[str]:
    """Return the targets that are directories: a recipe that only makes one is no job."""
    return {
        name
        for name, target in database.targets.items()
        if target.commands.strip()
        and all(_MADE_DIRECTORY.fullmatch(line.strip()) for line in target.commands.splitlines())
    }


def _step(
    source: StepSource, database: MakeDatabase, target: MakeTarget, made: set[str], skipped: set[str]
) -> Step:
    directory = source.directory
    writes = (
        {_plain(target.name), *(_plain(name) for name in target.also_makes)} if not target.is_phony else set()
    )
    needs = [name for name in target.needs if name not in skipped]
    reads = {_plain(name) for name in _files_behind(needs, database)}
    for path in dict.fromkeys(_plain(word) for word in _WORD.findall(target.commands)):
        is_here = not path.startswith(("/", "..")) and (directory / path).is_file()
        if is_here and path not in reads | writes | made:
            reads.add(path)
            source.note(
                target.line,
                f"{path!r} is used by the recipe of {target.name!r}, and is none of its prerequisites",
            )
    if re.search(r"(^|[\s;&|(])\S*make(\s|$)", target.commands) or any(
        "$(MAKE)" in line for line in target.recipe
    ):
        source.leave_out(
            target.line, f"the recipe of {target.name!r} runs make again", "import that Makefile too"
        )
    return Step(
        target.name,
        target.line,
        _recipe(source, target, database),
        reads,
        writes,
        directories={_plain(name) for name in (*target.order_only, *target.needs) if name in skipped},
    )


def _files_behind(names: Sequence[str], database: MakeDatabase) -> list[str]:
    """Return prerequisites as files: a phony one stands for those that it needs itself."""
    found: list[str] = []
    seen: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        target = database.targets.get(name)
        if name in seen:
            continue
        seen.add(name)
        if (
            target is not None
            and (target.is_phony or not (target.commands.strip() or target.recipe))
            and target.needs
        ):
            left += target.needs
        elif target is None or not target.is_phony:
            found.append(name)
    return found


def _recipe(source: StepSource, target: MakeTarget, database: MakeDatabase) -> str:
    """Return the commands as make runs them: each line in a shell of its own, until one fails."""
    lines = [line for line in _logical_lines(target.commands.splitlines()) if line.strip()]
    raw = [line for line in _logical_lines(target.recipe) if line.strip()]
    exports = [f"export {name}={quoted_word(value)}" for name, value in sorted(database.environment.items())]
    if len(raw) != len(lines) and any(line.lstrip("@+ ").startswith("-") for line in raw):
        source.note(target.line, f"a line of {target.name!r} may fail in make, and fails the job here")
    flags = f"set {' '.join(database.shell_flags)}\n" if database.shell_flags else ""
    if database.is_one_shell:
        return "\n".join([*exports, flags + "\n".join(lines)])
    texts = []
    for position, line in enumerate(lines):
        may_fail = len(raw) == len(lines) and "-" in re.match(r"[@+\s-]*", raw[position])[0]  # type: ignore[index]
        texts.append(f"(\n{flags}{line}\n) || {'true' if may_fail else 'exit'}")
    return "\n".join([*exports, *texts])


def _logical_lines(lines: Sequence[str]) -> list[str]:
    found: list[str] = []
    is_continued = False
    for line in lines:
        if is_continued:
            found[-1] += "\n" + line
        else:
            found.append(line)
        is_continued = (len(line) - len(line.rstrip("\\"))) % 2 == 1
    return found


def _plain(name: str) -> str:
    return name.removeprefix("./")
