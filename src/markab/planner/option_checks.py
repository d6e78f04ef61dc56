"""Checks of the planner's options that need no document. Pure: nothing has been made when one is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from markab.errors import Problem
from markab.planner.options import OPTIONS, PlanOptions

FLAGS = {row.name: row.flag for row in OPTIONS}
CHOICES = {row.name: row.choices for row in OPTIONS}
MAX_NAME_BYTES = 100
"""Of a text that becomes a part of names of files; file systems allow 255 in all."""


def wrong_options(options: PlanOptions) -> Iterator[Problem]:
    """Yield a problem for each option whose value cannot be used, whatever the workflow is."""
    for name in ("relative_dir", "relative_submit_dir", "random_dir"):
        value = getattr(options, name)
        if isinstance(value, str) and (fault := _directory_fault(value)):
            hint = "name one below the base, such as 'run1'; --dir is the base of submit directories"
            yield _problem(name, value, fault, hint)
    for name in ("basename", "job_prefix"):
        value = getattr(options, name)
        if value and (fault := _name_fault(value)):
            yield _problem(name, value, fault, "use letters, digits, '-', '_' and '.'")
    for style in options.cluster:
        if style.lower() not in CHOICES["cluster"]:
            yield _problem("cluster", style, "is unknown", f"use {' or '.join(CHOICES['cluster'])}")
    for name in ("reuse_policy", "engine"):
        value = getattr(options, name)
        if value and value.lower() not in CHOICES[name]:
            yield _problem(name, value, "is unknown", f"use {' or '.join(CHOICES[name])}")
    for site, staging in options.staging_sites.items():
        if not staging:
            hint = "name the site where files wait: SITE, or EXECUTION_SITE=SITE"
            yield _problem("staging_sites", f"{site}=", "names no staging site", hint)


def _problem(name: str, value: str, fault: str, hint: str) -> Problem:
    return Problem(f"{FLAGS[name]} {value!r} {fault}", hint, kind="bad-option")


def _directory_fault(text: str) -> str:
    """Return why a text is no directory below another one: scratch would lie among the files of others."""
    parts = PurePosixPath(text.strip("/")).parts
    if not parts:
        return "is the base itself"
    if ".." in parts:
        return "leads out of the base"
    return "" if text.isprintable() else "has a character that cannot be printed"


def _name_fault(text: str) -> str:
    if "/" in text:
        return "has a slash in it"
    if not text.isprintable():
        return "has a character that cannot be printed"
    return f"is longer than {MAX_NAME_BYTES} bytes" if len(text.encode()) > MAX_NAME_BYTES else ""
