"""Starting a project of one's own: a copy of a template, which runs as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from markab.operations.project_directory import ProjectFile, write_project
from markab.operations.site_templates import site_catalog
from markab.spec.suggestions import did_you_mean

TEMPLATES = {
    "map": "the same program for each item",
    "map-merge": "the same program for each item, and one that puts the results together",
    "fetch-map-merge": "fetch the data of each item, work on it, and put the results together",
    "train-predict": "train a model once, predict for each item, report the errors",
    "sweep": "the same program for each combination of parameters, and a table of which is best",
    "sub-workflows": "a workflow of its own for each item, and one program that puts their results together",
    "batch-tree": "many items in batches, and a tree of jobs that put the results together",
}
"""Name → what its workflow does; the files are in `templates/<name>`, and those of all in `templates/common`."""

_FOLDER = Path(__file__).parents[1] / "templates"
_COMMON = "common"
_MADE = ".in"
"""The suffix of files in which `@NAME@` is replaced; it keeps tools away from programs that are not Markab's."""
_RENAMED = {"gitignore": ".gitignore"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\Z")


class WrongStarter(ValueError):
    """A template that there is not, or a name that no workflow can have, with what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def default_name(directory: Path) -> str:
    """Return the name of the workflow in a project: that of its directory, as far as it can be one."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", directory.resolve().name).strip("-.")
    return name[:80] or "workflow"


def make_project(
    template: str | None, directory: Path, name: str = "", sites: Sequence[str] = ()
) -> list[Path]:
    """Write a project into a directory; return its files. A file that exists is never touched.

    `sites` are names of `site_templates.SITES`, whose catalogs it has too, as `sites/<name>.yml`; without a template,
    these alone are written. A directory that does not exist appears with all of its files or not at all.

    Raises:
        WrongStarter: there is no such template, or the name cannot be that of a workflow.
        UnknownSite: there is no site of a name.
        StorageError: a file of that name exists, or one cannot be written.
    """
    files = [
        ProjectFile(f"sites/{site}.yml", site_catalog(site).encode(), 0o666) for site in dict.fromkeys(sites)
    ]
    if template is not None:
        files = [*_files(template, _checked_name(name or default_name(directory))), *files]
    return write_project(directory, files)


def _checked_name(name: str) -> str:
    if not _NAME.match(name):
        hint = "use letters, digits, '-', '_' and '.', at most 80"
        raise WrongStarter(f"{name!r} cannot be the name of a workflow", hint)
    return name


def _files(template: str, name: str) -> Iterator[ProjectFile]:
    if template not in TEMPLATES:
        hint = did_you_mean(template, TEMPLATES, f"choose one of {', '.join(TEMPLATES)}")
        raise WrongStarter(f"there is no template {template!r}", hint)
    for folder in (_FOLDER / template, _FOLDER / _COMMON):
        for source in sorted(path for path in folder.rglob("*") if path.is_file()):
            relative = source.relative_to(folder)
            target = relative.with_name(_RENAMED.get(relative.name, relative.name))
            content = source.read_bytes()
            if target.suffix == _MADE:
                target = target.with_suffix("")
                content = content.replace(b"@NAME@", name.encode())
            is_program = target.parts[0] == "bin"
            yield ProjectFile(target.as_posix(), content, 0o777 if is_program else 0o666)
