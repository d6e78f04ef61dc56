"""Checks of the programs of a workflow: what they accept against what jobs give them, and their first lines."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from markab.errors import quoted
from markab.formatting import count
from markab.lint.argument_checks import declared_files, job_title
from markab.lint.finding import Found, shown_file
from markab.lint.program_source import Script, Scripts
from markab.lint.subject import Subject
from markab.lint.task_arguments import file_words, normalised
from markab.lint.wrapper_parser import WrapperParser, WrongArguments
from markab.planner.document_places import SourcePlace
from markab.planner.places import local_path
from markab.spec.model import Task
from markab.spec.suggestions import likely

_UNKNOWN = re.compile(r"unrecognized arguments: (-\S*)")
_LONGEST_FIRST_LINE = 255


def wrapper_arguments(subject: Subject) -> Iterator[Found]:
    """Find jobs whose arguments the argparse of their program would refuse."""
    scripts = Scripts(subject)
    said: dict[tuple[str, str], list[Task]] = {}
    hints: dict[tuple[str, str], str] = {}
    for task in subject.workflow.jobs:
        words = subject.words(task)
        if task.type != "job" or words is None:
            continue
        script, arguments = scripts.of_task(task, words)
        if script is None or script.parser is None or any("$" in word for word in arguments):
            continue
        try:
            values = script.parser.parse(arguments)
            yield from _wrong_directions(subject, task, script, values)
        except WrongArguments as error:
            key = script.path, str(error)
            said.setdefault(key, []).append(task)
            hints[key] = _hint(str(error), script)
    for (path, message), tasks in said.items():
        more = f", and of {count(len(tasks) - 1, 'more job')}" if len(tasks) > 1 else ""
        yield Found(
            "wrapper-arguments",
            subject.place(tasks[0]),
            f"{shown_file(path)} does not accept the arguments of {job_title(tasks[0])}{more}: {message}",
            hints[path, message],
        )


def _wrong_directions(
    subject: Subject, task: Task, script: Script, values: Mapping[str, Any]
) -> Iterator[Found]:
    """Find files that the program reads and the job declares as outputs, or the reverse; not those that an option tells."""
    kinds = {use.lfn: use.type for use in task.uses}
    told = {
        normalised(word.text)
        for word in file_words(subject.words(task) or [])
        if word.is_read or word.is_written
    }
    for argument, direction in script.directions.items():
        given = values.get(argument)
        for value in given if isinstance(given, list) else [given]:
            lfn = normalised(value) if isinstance(value, str) else ""
            kind = kinds.get(lfn)
            if kind in ("input", "output") and kind != direction and lfn not in told:
                does = "reads" if direction == "input" else "writes"
                yield Found(
                    "file-direction",
                    subject.place(task),
                    f"{job_title(task)} declares {lfn!r} as an {kind}, and {shown_file(script.path)} {does} it "
                    f"(its argument {argument!r})",
                    f"declare it as an {direction}",
                )


def _hint(message: str, script: Script) -> str:
    parser = script.parser
    match = _UNKNOWN.search(message)
    if match and isinstance(parser, WrapperParser):
        near = likely(match[1].partition("=")[0], parser.options(), 0.7)
        if near:
            return f"did you mean {near!r}?"
    return "change the arguments of the job, or what the program accepts"


def unnamed_files(subject: Subject) -> Iterator[Found]:
    """Find declared files that neither an argument names nor the text of the program, which is a script."""
    scripts = Scripts(subject)
    for task in subject.workflow.jobs:
        words = subject.words(task)
        if task.type != "job" or words is None:
            continue
        script, _ = scripts.of_task(task, words)
        if script is None or script.looks_around:
            continue
        texts = [word.text for word in file_words(words)]
        unnamed = [
            use.lfn
            for use in task.uses
            if use.type in ("input", "output")
            and not use.optional
            and use.lfn in declared_files(task)
            and not _is_named(use.lfn, texts, script)
            and use.lfn not in (task.stdin, task.stdout, task.stderr)
        ]
        for lfn in unnamed:
            yield Found(
                "unnamed-file",
                subject.place(task),
                f"{job_title(task)} declares {lfn!r}, which none of its arguments names, nor the text of "
                f"{shown_file(script.path)}",
                "give its name to the program, or do not declare it",
            )


def _is_named(lfn: str, words: list[str], script: Script) -> bool:
    """Return whether an argument names a file: itself, its folder, or what its name begins with; or the program's text."""
    base = lfn.rpartition("/")[2]
    stem, dot, suffix = base.partition(".")
    if any(_stands_in(text, script.text) for text in (base, stem, dot + suffix) if text.strip(".")):
        return True
    names = [normalised(word) for word in words if len(word) > 1]
    return any(
        name == lfn or base.startswith(name) or lfn.startswith(name) or base in name or stem == name
        for name in names
    )


def _stands_in(name: str, text: str) -> bool:
    """Return whether a name stands in a text, and not only as a part of a longer word."""
    before = "" if name.startswith(".") else r"(?<!\w)"
    return name in text and re.search(rf"{before}{re.escape(name)}(?!\w)", text) is not None


def interpreters(subject: Subject) -> Iterator[Found]:
    """Find scripts of used transformations whose first line starts nothing."""
    scripts = Scripts(subject)
    used = {
        id(subject.transformation_of(task)): subject.transformation_of(task) for task in subject.workflow.jobs
    }
    seen: set[str] = set()
    for transformation in used.values():
        for at in transformation.sites if transformation else ():
            path = local_path(at.pfn)
            script = scripts.of_entry(at)
            if script is None or path is None or path in seen or transformation is None:
                continue
            seen.add(path)
            if wrong := _first_line_fault(script, has_own_system=at.container is not None):
                yield Found(
                    "interpreter",
                    SourcePlace(shown_file(path), 1),
                    f"{shown_file(path)} (transformation {transformation.full_name!r}) cannot be started: {wrong[0]}",
                    wrong[1],
                )


def _first_line_fault(script: Script, *, has_own_system: bool) -> tuple[str, str] | None:
    """Return what is wrong with the first line of a script, and a remedy; None if nothing is."""
    line = script.first_line
    path = quoted(script.path)
    if script.text.startswith("\ufeff"):
        return "it begins with a byte order mark", f"remove it: sed -i '1s/^\\xef\\xbb\\xbf//' {path}"
    if not script.text.strip():
        return "it is empty", "write the program, or correct the pfn in the transformation catalog"
    if not line.startswith("#!"):
        return (
            "its first line names no interpreter",
            "begin it with a line such as #!/usr/bin/env python3 or #!/bin/sh",
        )
    if line.endswith("\r"):
        return (
            "its lines end as in Windows, and the name of its interpreter with a carriage return",
            f"convert it: sed -i 's/\\r$//' {path}",
        )
    words = line[2:].split()
    if not words:
        return "its first line names no interpreter", "write it behind the #!"
    if len(line) > _LONGEST_FIRST_LINE:
        return f"its first line has more than {_LONGEST_FIRST_LINE} characters", "use #!/usr/bin/env NAME"
    return None if has_own_system else _missing_interpreter(words)


def _missing_interpreter(words: list[str]) -> tuple[str, str] | None:
    if not words[0].startswith("/"):
        return f"its interpreter {words[0]!r} is no absolute path", f"write #!/usr/bin/env {words[0]}"
    if not os.path.exists(words[0]):
        return (
            f"there is no interpreter {words[0]!r} on this machine",
            "correct the first line, or install it",
        )
    if os.path.basename(words[0]) == "env":
        names = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        if names and shutil.which(names[0]) is None:
            return (
                f"there is no program {names[0]!r} on PATH of this machine",
                "correct the first line, or install it",
            )
    return None
