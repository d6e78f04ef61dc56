"""Checks of the arguments of tasks against the files that they declare."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from markab.formatting import titled
from markab.lint.finding import Found
from markab.lint.subject import Subject
from markab.lint.task_arguments import Word, file_words, looks_like_file, normalised
from markab.spec.model import Task

_CLOSE = 0.84
"""How alike (difflib) a word is to the file that it is a misspelling of."""


def undeclared_files(subject: Subject) -> Iterator[Found]:
    """Find arguments that name a file which the job does not declare: it will not be there, or its result is lost."""
    for task in subject.workflow.jobs:
        words = subject.words(task)
        if task.type != "job" or not words:
            continue
        declared = {normalised(lfn) for lfn in declared_files(task)}
        named = {normalised(word.text) for word in file_words(words)}
        unnamed = sorted(declared - named)
        seen: set[str] = set()
        for word in file_words(words):
            name = normalised(word.text)
            if name in declared or name in seen or not ("." in name or "/" in name):
                continue
            seen.add(name)
            if found := _undeclared(subject, task, word, name, unnamed):
                yield found


def _undeclared(subject: Subject, task: Task, word: Word, name: str, unnamed: list[str]) -> Found | None:
    title = job_title(task)
    maker = subject.makers.get(name)
    if maker is not None or name in subject.uses or subject.replicas.has_entry(name):
        by = f", which job {maker.id!r} makes" if maker is not None and maker is not task else ""
        kind = "output" if word.is_written else "input"
        return Found(
            "undeclared-file",
            subject.place(task),
            f"an argument of {title} names {name!r}{by}, and the job does not declare it: it will not be there",
            f"add {name!r} to the {kind}s of the job",
        )
    if not looks_like_file(word.text):
        return None
    if close := difflib.get_close_matches(name, unnamed, 1, _CLOSE):
        return Found(
            "undeclared-file",
            subject.place(task),
            f"an argument of {title} names {name!r}, which the job does not declare; it declares {close[0]!r}, "
            "which no argument names",
            f"did you mean {close[0]!r}?",
        )
    if word.is_written:
        return Found(
            "undeclared-file",
            subject.place(task),
            f"{title} writes {name!r} ({word.option}), and does not declare it: what it writes is not kept",
            f"add {name!r} to the outputs of the job",
        )
    if word.is_read:
        return Found(
            "undeclared-file",
            subject.place(task),
            f"{title} reads {name!r} ({word.option}), and does not declare it: it will not be there",
            f"add {name!r} to the inputs of the job",
        )
    return None


def wrong_directions(subject: Subject) -> Iterator[Found]:
    """Find inputs given to an option for outputs, and outputs given to one for inputs."""
    for task in subject.workflow.jobs:
        words = subject.words(task)
        if task.type != "job" or not words:
            continue
        kinds = {use.lfn: use.type for use in task.uses}
        for word in dict.fromkeys(file_words(words)):
            kind = kinds.get(normalised(word.text), "none")
            wrong = (kind == "input" and word.is_written) or (kind == "output" and word.is_read)
            if wrong:
                other = "output" if kind == "input" else "input"
                yield Found(
                    "file-direction",
                    subject.place(task),
                    f"{job_title(task)} declares {word.text!r} as an {kind}, and gives it to its option {word.option}",
                    f"declare it as an {other}, or give it to another option",
                )


def split_names(subject: Subject) -> Iterator[Found]:
    """Find files whose names have blanks, and fall apart into several arguments."""
    for task in subject.workflow.jobs:
        spaced = [use.lfn for use in task.uses if re.search(r"\s", use.lfn)]
        words = set(subject.words(task) or ()) if spaced else set()
        for lfn in spaced:
            if words and lfn not in words and any(lfn in argument for argument in task.arguments):
                yield Found(
                    "split-file-name",
                    subject.place(task),
                    f"{job_title(task)} gets {lfn!r} as several arguments: its name has blanks",
                    f'quote it: \\"{lfn}\\", or make it an argument of its own',
                )


def declared_files(task: Task) -> dict[str, None]:
    """Return the names of all files that a task declares, streams included, in their order."""
    streams = [name for name in (task.stdin, task.stdout, task.stderr) if name]
    return dict.fromkeys([*(use.lfn for use in task.uses), *streams])


def job_title(task: Task) -> str:
    """Return how messages name a job: `job 'fit_1' (decade 1990)`."""
    return f"job {titled(repr(task.id), task.node_label or '')}"
