"""Checks for passwords, tokens and keys in arguments and environments: a plan and its database keep them readable."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markab.lint.argument_checks import declared_files, job_title
from markab.lint.finding import Found
from markab.lint.subject import Subject
from markab.lint.task_arguments import file_words
from markab.planner.document_places import SourcePlace
from markab.spec.model import Profiles

_NAME = re.compile(
    r"(?:^|[-_.])(?:password|passwd|passphrase|secret|secret[-_]?key|api[-_]?key|access[-_]?key|auth[-_]?token|token)\Z",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"AKIA[0-9A-Z]{16}\b|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{20,}|hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s:@]+:[^/\s@]+@"
)
"""What keys of well-known services begin with, and a password in a URL."""
_SHORTEST = 6


def secrets(subject: Subject) -> Iterator[Found]:
    """Find what looks like a secret; the finding does not repeat it."""
    for task in subject.workflow.jobs:
        files = declared_files(task)
        for word in file_words(subject.words(task) or []):
            if word.text not in files and _is_secret(word.option.lstrip("-"), word.text):
                what = f"its option {word.option}" if word.option else "one of them"
                yield _found(
                    f"the arguments of {job_title(task)} have what looks like a secret: {what}",
                    subject.place(task),
                )
                break
        yield from _of_profiles(job_title(task), task.profiles, subject.place(task))
    yield from _of_profiles("the workflow", subject.workflow.profiles, SourcePlace(subject.file))
    for transformation in subject.transformations.values():
        name = transformation.full_name
        place = subject.places.of("transformation", name)
        for profiles in (transformation.profiles, *(at.profiles for at in transformation.sites)):
            yield from _of_profiles(f"transformation {name!r}", profiles, place)
    for site in subject.catalogs.sites.sites:
        yield from _of_profiles(f"site {site.name!r}", site.profiles, subject.places.of("site", site.name))


def _of_profiles(owner: str, profiles: Profiles, place: SourcePlace) -> Iterator[Found]:
    for name, value in profiles.get("env", {}).items():
        if _is_secret(name, value):
            yield _found(f"the environment of {owner} has what looks like a secret: {name}", place)


def _found(message: str, place: SourcePlace) -> Found:
    hint = "let the program read it from a file that only you may read, or from the credentials file"
    return Found("secret", place, message, hint)


def _is_secret(name: str, value: str) -> bool:
    if _VALUE.search(value):
        return True
    is_plain = not value.startswith(("$", "/", "~")) and not value.replace(".", "").isdigit()
    return (
        bool(_NAME.search(name))
        and is_plain
        and len(value) >= _SHORTEST
        and value.lower() not in ("secret", "password")
    )
