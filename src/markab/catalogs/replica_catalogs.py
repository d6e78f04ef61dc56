"""Reading the replica catalogs that the properties name: one of any kind, or several together (MRC)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

from markab.catalogs.catalog_file import below, catalog_file
from markab.catalogs.jdbcrc_reader import read_replica_tables
from markab.catalogs.problem_list import ProblemList
from markab.catalogs.replica_database import DatabaseAddress
from markab.catalogs.replica_index import replicas_of_directory
from markab.catalogs.replica_properties import (
    KIND,
    MEMBER_KINDS,
    MEMBERS,
    catalog_kind,
    database_address,
    default_catalog_file,
    members,
    setting_key,
    url_key,
)
from markab.catalogs.replica_text import read_replica_file
from markab.errors import Problem
from markab.plan.run_command import run_command
from markab.plan.submit_dir import PLAN
from markab.spec.model import Pfn, Replica, ReplicaCatalog, Workflow
from markab.spec.properties import Properties
from markab.spec.reader import read_replicas
from markab.transfers.tree_names import declared_name


class NamedCatalog(NamedTuple):
    """A replica catalog, and how messages name it."""

    title: str
    catalog: ReplicaCatalog


class ReplicaCatalogReader:
    """Reads what it can, and collects the problems."""

    def __init__(
        self,
        properties: Properties,
        directory: Path,
        environment: Mapping[str, str],
        problems: ProblemList,
        files: list[Path],
        workflow: Workflow | None,
    ) -> None:
        """Make a reader.

        Args:
            files: documents that are read are added to it.
            workflow: of a database, only its files are looked up. None: all files.
        """
        self._properties = properties
        self._directory = directory
        self._environment = environment
        self._problems = problems
        self._files = files
        self._workflow = workflow
        self.absolute_lfns = bool(problems.attempt(lambda: properties.flag("markab.lfn.absolute")))

    @cached_property
    def _names(self) -> set[str] | None:
        """The files that are looked for in databases; None: all."""
        if self._workflow is None:
            return None
        tasks = self._workflow.jobs
        names = {use.lfn for task in tasks for use in task.uses}
        for task in tasks:
            names.update(name for name in (task.file, task.stdin, task.stdout, task.stderr) if name)
        return {declared_name(name) for name in names}

    def of_properties(self) -> NamedCatalog | None:
        """Return the catalog that the properties name; several as one, the entries of the first come first."""
        kind = self._problems.attempt(lambda: catalog_kind(self._properties))
        if kind != "MRC":
            return self._of_kind(KIND, kind) if kind else None
        found = list(self._several())
        self._problems.add(*contradictions(found))
        return NamedCatalog("MRC", ReplicaCatalog([replica for _, one in found for replica in one.replicas]))

    def text(self, path: Path) -> NamedCatalog | None:
        """Read a text catalog that an option names."""
        self._files.append(path)
        return self._named(
            path, lambda: read_replica_file(path, self._environment, absolute_lfns=self.absolute_lfns)
        )

    def document(self, path: Path) -> NamedCatalog | None:
        """Read a catalog that an option names: YAML, or text if its name does not end in `.yml` or `.yaml`."""
        if path.suffix.lower() not in (".yml", ".yaml"):
            return self.text(path)
        self._files.append(path)
        return self._named(
            path, lambda: read_replicas(path, self._environment, absolute_lfns=self.absolute_lfns)
        )

    def registered(self, submit_dir: Path) -> NamedCatalog | None:
        """Read what a run registered, from its submit directory."""
        files = sorted(submit_dir.glob("*.replicas.db"))
        if not files:
            self._problems.add(_nothing_registered(submit_dir))
            return None
        address = DatabaseAddress("sqlite", str(files[0]))
        return self._named(
            files[0], lambda: read_replica_tables(address, self._names, absolute_lfns=self.absolute_lfns)
        )

    def input_directory(self, path: Path) -> NamedCatalog | None:
        """Read a directory of inputs that an option names."""
        found = self._named(path, lambda: replicas_of_directory(path))
        if found is not None:
            whole = [
                name for name in sorted(self._names or ()) if name.endswith("/") and (path / name).is_dir()
            ]
            found.catalog.replicas += [
                Replica(name, [Pfn("local", f"file://{os.path.abspath(path / name)}")]) for name in whole
            ]
        return found

    def _several(self) -> Iterator[NamedCatalog]:
        keys = list(members(self._properties))
        if not keys:
            self._problems.add(
                self._properties.problem(
                    KIND, "no catalog is named", f"set {MEMBERS}.NAME to its kind: {', '.join(MEMBER_KINDS)}"
                )
            )
        for key in keys:
            kind = self._problems.attempt(partial(self._properties.choice, key, MEMBER_KINDS, "YAML"))
            if kind and (found := self._of_kind(key, kind)):
                yield found

    def _of_kind(self, key: str, kind: str) -> NamedCatalog | None:
        if kind == "Directory":
            return self._directory_of(key)
        if kind == "JDBCRC":
            return self._database(key)
        if kind in ("YAML", "File", "Regex"):
            return self._document(key, kind)
        self._problems.add(
            self._properties.problem(
                key, f"unsupported catalog kind {kind}", "use YAML, File, Directory or JDBCRC"
            )
        )
        return None

    def _database(self, key: str) -> NamedCatalog | None:
        address = self._problems.attempt(lambda: database_address(self._properties, key, self._directory))
        if address is None:
            return None
        found = self._problems.attempt(
            lambda: read_replica_tables(address, self._names, absolute_lfns=self.absolute_lfns),
            *self._properties.place(url_key(self._properties, key)),
        )
        return NamedCatalog(str(address), found) if found else None

    def _directory_of(self, key: str) -> NamedCatalog | None:
        properties = self._properties
        named = setting_key(properties, key, "directory", "url")
        if not (name := properties.get(named, "").strip()):
            hint = f"set {named} to a directory"
            self._problems.add(Problem(f"property {named!r} is needed for a replica directory", hint))
            return None
        flat_key = setting_key(properties, key, "directory.flat.lfn", "flat.lfn")
        flat = self._problems.attempt(lambda: properties.flag(flat_key))
        site = properties.get(setting_key(properties, key, "directory.site", "site"), "local")
        prefix = properties.get(setting_key(properties, key, "directory.url.prefix", "url.prefix"), "file://")
        path = below(self._directory, name)
        return self._named(
            path, lambda: replicas_of_directory(path, site, bool(flat), prefix), *properties.place(named)
        )

    def _document(self, key: str, kind: str) -> NamedCatalog | None:
        named = setting_key(self._properties, key, "file", "url")
        default = default_catalog_file(kind)
        path = catalog_file(self._properties, named, self._directory, default, self._problems)
        if path is None:
            return None
        self._files.append(path)
        read = read_replicas if kind == "YAML" else read_replica_file
        return self._named(path, lambda: read(path, self._environment, absolute_lfns=self.absolute_lfns))

    def _named(
        self, path: Path, read: Callable[[], ReplicaCatalog], file: str = "", line: int = 0
    ) -> NamedCatalog | None:
        found = self._problems.attempt(read, file, line)
        return NamedCatalog(os.fspath(path), found) if found else None


def contradictions(catalogs: Sequence[NamedCatalog]) -> list[Problem]:
    """Return a problem for each file to which catalogs that are merged give different checksums."""
    first: dict[str, tuple[str, str]] = {}
    problems = []
    for title, catalog in catalogs:
        for replica in catalog.replicas:
            digest = (replica.checksum.sha256 or "").lower() if replica.checksum else ""
            if replica.regex or not digest:
                continue
            other, known = first.setdefault(replica.lfn, (title, digest))
            if known != digest and other != title:  # those of one catalog were compared when it was read
                problems.append(
                    Problem(
                        f"file {replica.lfn!r} has the sha256 {digest[:12]}… here, and {known[:12]}… in {other!r}",
                        "all places of a file must have the same content; remove the wrong entry",
                        title,
                        kind="checksums-disagree",
                    )
                )
    return problems


def _nothing_registered(directory: Path) -> Problem:
    """Return the problem that a directory, whose results are to be used, has no catalog of them."""
    missing = f"{str(directory)!r} has no replica catalog of the outputs of a run"
    if not directory.is_dir():
        missing = f"the run in {str(directory)!r} is gone, and with it the catalog of its results"
        hint = "leave it out; `markab runs` lists the runs that are there"
    elif (directory / PLAN).exists():
        hint = (
            f"it has delivered nothing to an output site yet: `{run_command(directory)}` goes on with it; "
            "one that was planned without an output site can only be planned again"
        )
    else:
        hint = "name the submit directory of a run that has delivered results to an output site"
    return Problem(missing, hint, kind="bad-option")
