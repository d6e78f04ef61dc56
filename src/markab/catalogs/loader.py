"""Finding and reading the catalogs for one planner run: from the properties and the workflow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from markab.catalogs.catalog_file import below
from markab.catalogs.problem_list import ProblemList
from markab.catalogs.replica_catalogs import NamedCatalog, ReplicaCatalogReader, contradictions
from markab.catalogs.replica_index import ReplicaIndex
from markab.catalogs.replica_properties import output_catalog
from markab.catalogs.site_catalogs import read_site_catalog
from markab.catalogs.transformation_catalogs import read_transformation_catalog
from markab.catalogs.url_passwords import take_passwords
from markab.spec.catalog_checks import check_references
from markab.spec.model import SiteCatalog, Transformation, TransformationCatalog, Workflow
from markab.spec.properties import Properties
from markab.transfers.run_passwords import Passwords

_Paths = Sequence[str | os.PathLike[str]]


class Catalogs(msgspec.Struct):
    """The sites, replicas and transformations for one planner run."""

    sites: SiteCatalog
    replicas: ReplicaIndex
    transformations: TransformationCatalog
    files: list[Path]
    """The documents that were read, to be copied into the submit directory."""
    passwords: Passwords
    """Those that stood in URLs; neither the others here nor the workflow's own catalogs have them any more."""
    wrong: set[str] = msgspec.field(default_factory=set)
    """Those of "sites", "replicas" and "transformations" that lack something, because a document is wrong."""


def load_catalogs(
    properties: Properties,
    directory: str | os.PathLike[str] = ".",
    workflow: Workflow | None = None,
    environment: Mapping[str, str] = os.environ,
    input_dirs: _Paths = (),
    transformations_dir: str | os.PathLike[str] | None = None,
    cache_files: _Paths = (),
    reuse_dirs: _Paths = (),
    inherited_files: _Paths = (),
    collected: ProblemList | None = None,
) -> Catalogs:
    """Read the catalogs that the properties name, or those in `directory` under their default names.

    Relative names start at `directory`. Catalogs inside the workflow come first: its
    replicas hide those of the files (unless `pegasus.catalog.replica.dax.asrc` is true), its
    sites and executables those of the same name. Files below `input_dirs` come next, then the
    catalogs of the properties, what the runs of `reuse_dirs` registered, and `inherited_files`. Replicas of
    `cache_files` hide all of these, or with `pegasus.catalog.replica.cache.asrc` they are added to them.
    Of databases, only what `workflow` names is read.

    With `collected`, problems are added to it, and what can be read is returned; whether transformations name what
    is there is then not checked.

    Raises:
        DocumentError: with all problems of all catalogs.
        StorageError: the only problem is a file that cannot be read.
    """
    root = Path(directory)
    problems = ProblemList() if collected is None else collected
    wrong: set[str] = set()
    files: list[Path] = []
    with _noted(problems, wrong, "sites"):
        sites = read_site_catalog(properties, root, problems, files, environment)
    with _noted(problems, wrong, "replicas"):
        reader = ReplicaCatalogReader(properties, root, environment, problems, files, workflow)
        caches = [reader.text(below(root, os.fspath(name))) for name in cache_files]
        found = [reader.input_directory(below(root, os.fspath(name))) for name in input_dirs]
        found.append(reader.of_properties())
        found += [reader.registered(below(root, os.fspath(name))) for name in reuse_dirs]
        found += [reader.document(below(root, os.fspath(name))) for name in inherited_files]
    with _noted(problems, wrong, "transformations"):
        transformations = read_transformation_catalog(
            properties, root, problems, files, environment, transformations_dir
        )
    is_merged = bool(problems.attempt(lambda: properties.flag("pegasus.catalog.replica.dax.asrc")))
    cache_adds = problems.attempt(lambda: properties.flag("pegasus.catalog.replica.cache.asrc"))
    problems.attempt(lambda: output_catalog(properties, root))

    inline = workflow or Workflow("5.0.4", "none", [])
    own = [NamedCatalog("the workflow", inline.replica_catalog)] if inline.replica_catalog else []
    layers, cached = [*own, *(each for each in found if each)], [each for each in caches if each]
    passwords = take_passwords(
        [each.catalog for each in (*cached, *layers)],
        [catalog for catalog in (inline.site_catalog, sites) if catalog],
        [catalog for catalog in (inline.transformation_catalog, transformations) if catalog],
    )
    all_transformations = merged_transformations(inline.transformation_catalog, transformations)
    if collected is None:
        problems.add(*check_references(all_transformations))
    if is_merged:
        problems.add(*contradictions(layers))
    if cache_adds:
        problems.add(*contradictions([*layers, *cached]))
    if collected is None:
        problems.raise_all()
    hiding = [] if cache_adds else cached
    index = ReplicaIndex((each.catalog for each in (*hiding, *layers)), merge=is_merged)
    for each in cached if cache_adds else ():
        index.add(each.catalog, merge=True)
    return Catalogs(
        merged_sites(inline.site_catalog, sites),
        index,
        all_transformations,
        files,
        passwords,
        wrong,
    )


@contextmanager
def _noted(problems: ProblemList, wrong: set[str], what: str) -> Iterator[None]:
    """Note that something is wrong if a problem was added."""
    before = len(problems.all)
    yield
    if len(problems.all) > before:
        wrong.add(what)


def merged_sites(inline: SiteCatalog | None, file: SiteCatalog | None) -> SiteCatalog:
    """Join two catalogs; of a site in both, the first one's is kept."""
    found = {site.name: site for catalog in (file, inline) if catalog for site in catalog.sites}
    return SiteCatalog(list(found.values()))


def merged_transformations(
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
