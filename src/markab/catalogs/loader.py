"""Finding and reading the catalogs for one planner run: from the properties and the workflow."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from markab.catalogs.hosted_sites import hosted_file, over_hosted
from markab.catalogs.jdbcrc_reader import read_replica_tables
from markab.catalogs.replica_index import ReplicaIndex, files_below, replicas_of_directory
from markab.catalogs.replica_properties import (
    KIND,
    catalog_kind,
    default_catalog_file,
    output_catalog,
    sqlite_file,
)
from markab.catalogs.replica_text import read_replica_file
from markab.catalogs.url_passwords import take_passwords
from markab.errors import DocumentError, MarkabError, Problem, StorageError
from markab.spec.catalog_checks import check_references
from markab.spec.model import (
    ReplicaCatalog,
    SiteCatalog,
    Transformation,
    TransformationCatalog,
    TransformationSite,
    Workflow,
)
from markab.spec.properties import Properties
from markab.spec.reader import read_replicas, read_sites, read_transformations
from markab.transfers.run_passwords import Passwords

T = TypeVar("T")


class Catalogs(msgspec.Struct):
    """The sites, replicas and transformations for one planner run."""

    sites: SiteCatalog
    replicas: ReplicaIndex
    transformations: TransformationCatalog
    files: list[Path]
    """The documents that were read, to be copied into the submit directory."""
    passwords: Passwords
    """Those that stood in URLs; neither the others here nor the workflow's own catalogs have them any more."""
    absent: list[Path] = []
    """The files that would have been read, by their default names, if they existed."""
    has_only_documents: bool = True
    """Nothing was read but documents: no directory, no database, no hosted sites."""


def load_catalogs(
    properties: Properties,
    directory: str | os.PathLike[str] = ".",
    workflow: Workflow | None = None,
    environment: Mapping[str, str] = os.environ,
    input_dirs: Sequence[str | os.PathLike[str]] = (),
    transformations_dir: str | os.PathLike[str] | None = None,
    cache_files: Sequence[str | os.PathLike[str]] = (),
    reuse_dirs: Sequence[str | os.PathLike[str]] = (),
) -> Catalogs:
    """Read the catalogs that the properties name, or those in `directory` under their default names.

    Relative names start at `directory`. Catalogs inside the workflow come first: its
    replicas hide those of the files (unless `pegasus.catalog.replica.dax.asrc` is true), its
    sites and executables those of the same name. Files below `input_dirs` come next, then the
    catalog files, and what the runs of `reuse_dirs` registered. Replicas of `cache_files` hide all of
    these, or with `pegasus.catalog.replica.cache.asrc` they are added to them.

    Raises:
        DocumentError: with all problems of all catalogs.
        StorageError: the only problem is a file that cannot be read.
    """
    loader = _Loader(properties, Path(directory), environment)
    sites = loader.sites()
    cached = [loader.cache(os.fspath(name)) for name in cache_files]
    replica_files = [loader.input_directory(os.fspath(name)) for name in input_dirs]
    replica_files.append(loader.replicas())
    replica_files += [loader.registered(os.fspath(name)) for name in reuse_dirs]
    transformations = loader.transformations(transformations_dir)
    asrc = loader.attempt(lambda: properties.flag("pegasus.catalog.replica.dax.asrc"))
    cache_adds = loader.attempt(lambda: properties.flag("pegasus.catalog.replica.cache.asrc"))
    loader.attempt(lambda: output_catalog(properties, loader.directory))

    inline = workflow or Workflow("5.0.4", "none", [])
    caches = [catalog for catalog in cached if catalog]
    found = [catalog for catalog in (inline.replica_catalog, *replica_files) if catalog]
    passwords = take_passwords(
        caches + found,
        [catalog for catalog in (inline.site_catalog, sites) if catalog],
        [catalog for catalog in (inline.transformation_catalog, transformations) if catalog],
    )
    all_transformations = _merged_transformations(inline.transformation_catalog, transformations)
    loader.problems += check_references(all_transformations)
    loader.raise_problems()
    index = ReplicaIndex(found if cache_adds else caches + found, merge=bool(asrc))
    for catalog in caches if cache_adds else ():
        index.add(catalog, merge=True)
    return Catalogs(
        _merged_sites(inline.site_catalog, sites),
        index,
        all_transformations,
        loader.files,
        passwords,
        loader.absent,
        loader.has_only_documents,
    )


def transformations_of_directory(
    path: str | os.PathLike[str], flat: bool = False, site: str = "local", url_prefix: str = "file://"
) -> TransformationCatalog:
    """Return a catalog in which every file below a directory is a stageable executable.

    Names are relative to `path`, or with `flat` only the last part (the first file of a
    name wins).

    Raises:
        StorageError: the directory cannot be read.
    """
    found: dict[str, Transformation] = {}
    for relative, full in files_below(os.path.abspath(path)):
        name = os.path.basename(relative) if flat else relative
        found.setdefault(
            name, Transformation(name, [TransformationSite(site, "stageable", url_prefix + full)])
        )
    return TransformationCatalog(list(found.values()))


class _Loader:
    """Reads what it can, and collects the problems."""

    def __init__(self, properties: Properties, directory: Path, environment: Mapping[str, str]) -> None:
        self.properties = properties
        self.directory = directory
        self.environment = environment
        self.absolute_lfns = bool(self.attempt_flag("markab.lfn.absolute"))
        self.problems: list[Problem] = []
        self.storage: list[MarkabError] = []
        self.files: list[Path] = []
        self.absent: list[Path] = []
        self.has_only_documents = True

    def attempt_flag(self, key: str) -> bool:
        try:
            return self.properties.flag(key)
        except DocumentError:
            return False

    def attempt(self, read: Callable[[], T]) -> T | None:
        """Return what `read` returns, or None after adding a problem."""
        try:
            return read()
        except DocumentError as error:
            self.problems += error.problems
        except StorageError as error:
            self.problems.append(Problem(error.message, error.hint, kind="unreadable"))
            self.storage.append(error)
        return None

    def raise_problems(self) -> None:
        self.attempt(lambda: self.properties.flag("markab.lfn.absolute"))
        if self.problems and len(self.problems) == len(self.storage) == 1:
            raise self.storage[0]
        if self.problems:
            raise DocumentError(*self.problems)

    def path(self, name: str) -> Path:
        return self.directory / name.removeprefix("file://")

    def sites(self) -> SiteCatalog | None:
        kind = self.kind("pegasus.catalog.site", ("YAML", "XML"), "YAML")
        if kind == "XML":
            self.reject(
                "pegasus.catalog.site",
                "XML",
                "convert it with pegasus-sc-converter, or write it as YAML",
            )
            return None
        path = self.file("pegasus.catalog.site.file", "sites.yml")
        own = self.attempt(lambda: read_sites(path, self.environment)) if path else None
        hosted = self.hosted_sites()
        return own if hosted is None else over_hosted(own, hosted)

    def hosted_sites(self) -> SiteCatalog | None:
        path = self.attempt(lambda: hosted_file(self.properties, self.directory))
        if path is None:
            return None
        self.has_only_documents = False
        self.files.append(path)
        variables = {**self.environment, **self.properties.under("env")}
        return self.attempt(lambda: read_sites(path, variables))

    def replicas(self) -> ReplicaCatalog | None:
        kind = self.attempt(lambda: catalog_kind(self.properties))
        self.has_only_documents &= kind not in ("Directory", "JDBCRC")
        if kind == "Directory":
            return self.replica_directory()
        if kind == "JDBCRC":
            return self.attempt(
                lambda: read_replica_tables(
                    sqlite_file(self.properties, KIND, self.directory), absolute_lfns=self.absolute_lfns
                )
            )
        if kind not in ("YAML", "File", "Regex", None):
            self.reject(KIND, kind, "use YAML, File, Directory or JDBCRC")
            return None
        path = self.file(f"{KIND}.file", default_catalog_file(kind)) if kind else None
        if path is None:
            return None
        read = read_replicas if kind == "YAML" else read_replica_file
        return self.attempt(lambda: read(path, self.environment, absolute_lfns=self.absolute_lfns))

    def cache(self, name: str) -> ReplicaCatalog | None:
        path = self.path(name)
        self.files.append(path)
        return self.attempt(
            lambda: read_replica_file(path, self.environment, absolute_lfns=self.absolute_lfns)
        )

    def registered(self, name: str) -> ReplicaCatalog | None:
        """Read what a run registered, from its submit directory."""
        self.has_only_documents = False
        directory = self.path(name)
        files = sorted(directory.glob("*.replicas.db"))
        if not files:
            self.problems.append(
                Problem(
                    f"{str(directory)!r} has no replica catalog of the outputs of a run",
                    "name the submit directory of a run that has delivered results to an output site",
                    kind="bad-option",
                )
            )
            return None
        return self.attempt(lambda: read_replica_tables(files[0], absolute_lfns=self.absolute_lfns))

    def input_directory(self, name: str) -> ReplicaCatalog | None:
        self.has_only_documents = False
        return self.attempt(lambda: replicas_of_directory(self.path(name)))

    def replica_directory(self) -> ReplicaCatalog | None:
        key = f"{KIND}.directory"
        name = self.properties.get(key)
        if not name:
            hint = f"set {key} to a directory"
            self.problems.append(Problem(f"property {key!r} is needed for a replica directory", hint))
            return None
        flat = self.attempt(lambda: self.properties.flag(f"{key}.flat.lfn"))
        site = self.properties.get(f"{key}.site", "local")
        prefix = self.properties.get(f"{key}.url.prefix", "file://")
        return self.attempt(lambda: replicas_of_directory(self.path(name), site, bool(flat), prefix))

    def transformations(self, given: str | os.PathLike[str] | None) -> TransformationCatalog | None:
        key = "pegasus.catalog.transformation"
        kind = "Directory" if given is not None else self.kind(key, ("YAML", "Text", "Directory"), "YAML")
        if kind == "Text":
            self.reject(key, kind, "convert it with pegasus-tc-converter, or write it as YAML")
            return None
        if kind == "Directory":
            self.has_only_documents = False
            name = (
                os.fspath(given)
                if given is not None
                else self.properties.get(f"{key}.directory", "transformations")
            )
            flat = self.attempt(lambda: self.properties.flag(f"{key}.directory.flat.lfn"))
            site = self.properties.get(f"{key}.directory.site", "local")
            prefix = self.properties.get(f"{key}.directory.url.prefix", "file://")
            return self.attempt(
                lambda: transformations_of_directory(self.path(name), bool(flat), site, prefix)
            )
        path = self.file(f"{key}.file", "transformations.yml")
        return self.attempt(lambda: read_transformations(path, self.environment)) if path else None

    def kind(self, key: str, kinds: Sequence[str], default: str) -> str | None:
        return self.attempt(lambda: self.properties.choice(key, kinds, default))

    def reject(self, key: str, kind: str, hint: str) -> None:
        self.problems.append(self.properties.problem(key, f"unsupported catalog kind {kind}", hint))

    def file(self, key: str, default: str) -> Path | None:
        """Return the file that a property names, else the default one if it exists."""
        name = self.properties.get(key)
        path = self.path(name) if name else self.directory / default
        if not path.exists():
            if name:
                self.problems.append(self.properties.problem(key, "there is no such file"))
            self.absent.append(path)
            return None
        self.files.append(path)
        return path


def _merged_sites(inline: SiteCatalog | None, file: SiteCatalog | None) -> SiteCatalog:
    found = {site.name: site for catalog in (file, inline) if catalog for site in catalog.sites}
    return SiteCatalog(list(found.values()))


def _merged_transformations(
    inline: TransformationCatalog | None, file: TransformationCatalog | None
) -> TransformationCatalog:
    """Join two catalogs; of an executable at a site, or a container, in both, the first one's is kept."""
    if not inline or not file:
        return inline or file or TransformationCatalog()
    found: dict[str, Transformation] = {}
    for transformation in (*inline.transformations, *file.transformations):
        name = transformation.full_name
        first = found.get(name)
        if first is None:
            found[name] = msgspec.structs.replace(transformation, sites=list(transformation.sites))
        else:
            known = {site.name for site in first.sites}
            first.sites += [site for site in transformation.sites if site.name not in known]
    containers = {container.name: container for container in (*file.containers, *inline.containers)}
    return TransformationCatalog(list(found.values()), list(containers.values()))
