"""The options that plan a past run again, from its submit directory: its arguments, properties and copies of documents."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from markab.catalogs.replica_properties import KIND, default_catalog_file
from markab.errors import NotARun, PlanningError, Problem
from markab.plan.braindump import Braindump
from markab.plan.free_names import free_name
from markab.plan.model import Header
from markab.plan.sources import Sources, read_sources
from markab.plan.submit_dir import SubmitDir
from markab.planner.options import PlanOptions, from_flags, parsed_words
from markab.spec.properties import Properties, load_properties, read_properties

_OF_ONE_RUN = ("relative_dir", "relative_submit_dir")
"""Options that name the directory of one run: another run needs another one."""
_REPLACED = ("output_dir", "output_map", "output_sites", "conf", "reuse")
"""Options that are not taken over: the results have a place of their own, and every task runs."""


def recorded_options(
    place: SubmitDir, braindump: Braindump, header: Header, output_dir: Path | None
) -> PlanOptions:
    """Return the options that plan the workflow of a run again, with the documents that the run has copies of.

    Every task is planned, also if its results exist. Results go to `output_dir`, or, when that is None, to
    `rerun-of-NAME` in the directory where the run was planned; they are registered in the new run only.

    Raises:
        NotARun: it is not recorded how the run was planned, or the directory where it was is gone.
        PlanningError: documents, or the properties, are missing in the submit directory; names all.
    """
    sources, words = read_sources(place.sources), shlex.split(braindump.get("planner_arguments") or "")
    if sources.directory is None or not words:
        raise NotARun(
            f"{str(place.path)!r} does not say how it was planned: its {place.sources.name} is missing or damaged",
            hint="plan the workflow again with `markab plan`",
        )
    directory = Path(sources.directory)
    if not directory.is_dir():
        raise NotARun(
            f"the directory in which {str(place.path)!r} was planned is gone: {sources.directory!r}",
            hint="make it again, if paths in the documents do not start there; else bring it back",
        )
    conf = place.path / str(braindump.get("properties"))
    copies = _copies(place, sources, conf)
    typed = parsed_words(words[:-1])
    for name in _REPLACED:
        typed.pop(name, None)
    for name in _OF_ONE_RUN:
        if name in typed:
            typed[name] = free_name(typed[name], Path(braindump.get("basedir") or directory))
    workflow = copies.get(os.path.abspath(directory / words[-1])) or copies[str(braindump.get("dax"))]
    options = from_flags(workflow, typed, directory)
    options.cache = [copies.get(_absolute(directory, str(path)), path) for path in options.cache]
    options.conf, options.force = conf, True
    options.properties = dict(_properties(conf, directory, copies, header))
    if header.outputs:
        options.output_sites = ["local"]
        options.output_dir = output_dir or directory / _free(f"rerun-of-{place.path.name}", directory)
    return options


def _free(name: str, base: Path) -> str:
    return free_name(name, base) if (base / name).exists() else name


def _copies(place: SubmitDir, sources: Sources, conf: Path) -> dict[str, Path]:
    """Return path of a document → its copy. Raises PlanningError if any is missing."""
    needed = {path: place.catalogs / name for name, path in sources.documents.items()}
    problems = [
        Problem(
            f"the copy of {path!r} in the submit directory is missing: {str(copy)!r}",
            f"bring it back: cp {shlex.quote(path)} {shlex.quote(str(copy))}, if the document is as it was",
        )
        for path, copy in needed.items()
        if not copy.is_file()
    ]
    if not conf.is_file():
        problems.append(
            Problem(
                f"the properties of the run are missing in the submit directory: {str(conf)!r}",
                "bring the file back from a backup, or plan the workflow again with `markab plan`",
            )
        )
    if not needed:
        problems.append(
            Problem("sources.json names no document", "plan the workflow again with `markab plan`")
        )
    if problems:
        raise PlanningError(*problems)
    return needed


def _properties(
    conf: Path, directory: Path, copies: Mapping[str, Path], header: Header
) -> Iterator[tuple[str, str]]:
    """Yield the properties in which the new run differs: its catalogs are copies, and its results are its own."""
    recorded = recorded_properties(conf)
    for key, default in _catalog_files(recorded):
        name = recorded.get(key) or default
        if copy := copies.get(_absolute(directory, name)):
            yield key, str(copy)
    yield "pegasus.dir.storage.mapper", "Flat"
    if header.catalog and os.path.isabs(header.catalog):
        yield "pegasus.register", "false"


def recorded_properties(conf: Path) -> Properties:
    """Return the properties of a run from its file. Raises StorageError."""
    properties = Properties()
    read_properties(conf, properties)
    return properties


def changed_settings(options: PlanOptions) -> list[str]:
    """Return, as sentences, what planning would use that it did not when the run was planned.

    Raises:
        StorageError, DocumentError: a file of properties cannot be read.
    """
    assert options.conf is not None
    recorded = recorded_properties(options.conf)
    present = load_properties(options.conf, directory=options.directory)
    found = [
        f"property {key!r} is set now ({present.source(key)}), and was not then"
        for key in present
        if recorded.get(key) is None
    ]
    found += [
        f"property {key!r} has another value now ({present.source(key)})"
        for key in present
        if recorded.get(key) not in (None, present[key])
    ]
    return found + [
        f"{str(options.directory / name)!r} exists now, and was not used then"
        for key, name in _catalog_files(recorded)
        if recorded.get(key) is None and key not in options.properties and (options.directory / name).exists()
    ]


def _catalog_files(recorded: Properties) -> Iterator[tuple[str, str]]:
    """Yield the property that names each catalog, and the name of the file without it."""
    yield "pegasus.catalog.site.file", "sites.yml"
    yield "pegasus.catalog.transformation.file", "transformations.yml"
    yield f"{KIND}.file", default_catalog_file(recorded.get(KIND, "YAML"))


def _absolute(directory: Path, name: str) -> str:
    return os.path.abspath(directory / name.removeprefix("file://"))
