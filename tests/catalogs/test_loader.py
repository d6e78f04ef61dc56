"""Loading all catalogs of one planning."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.catalogs.loader import Catalogs, load_catalogs
from markab.catalogs.transformation_catalogs import transformations_of_directory
from markab.errors import DocumentError, StorageError
from markab.spec.properties import Properties
from markab.spec.reader import parse_workflow

SITES = "pegasus: 5.0.4\nsites:\n- name: local\n- name: cluster\n"
REPLICAS = "replicas:\n- lfn: f\n  pfns: [{site: local, pfn: /file/f}]\n- {lfn: g, pfns: [{site: local, pfn: /file/g}]}\n"
TRANSFORMATIONS = """transformations:
- name: x
  sites: [{name: local, type: installed, pfn: /file/x}, {name: cluster, type: installed, pfn: /cluster/x}]
- {name: y, sites: [{name: local, type: installed, pfn: /file/y, container: box}]}
containers: [{name: box, type: docker, image: docker://box}]
"""
INLINE = """pegasus: 5.0.4
name: w
siteCatalog: {sites: [{name: cluster, arch: x86_64}]}
replicaCatalog: {replicas: [{lfn: f, pfns: [{site: local, pfn: /inline/f}]}]}
transformationCatalog:
  transformations: [{name: x, sites: [{name: local, type: installed, pfn: /inline/x, container: box}]}]
jobs: [{id: a, name: x}]
"""


def load(tmp_path: Path, inline: str = "", **properties: str) -> Catalogs:
    workflow = parse_workflow(inline) if inline else None
    table = Properties({key.replace("__", "."): value for key, value in properties.items()})
    return load_catalogs(table, tmp_path, workflow, environment={})


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    (tmp_path / "sites.yml").write_text(SITES)
    (tmp_path / "replicas.yml").write_text(REPLICAS)
    (tmp_path / "transformations.yml").write_text(TRANSFORMATIONS)
    return tmp_path


def pfn(catalogs: Catalogs, lfn: str) -> list[str]:
    replica = catalogs.replicas.lookup(lfn)
    return [place.pfn for place in replica.pfns] if replica else []


def test_without_any_catalog_there_is_nothing_and_no_error(tmp_path: Path) -> None:
    found = load(tmp_path)

    assert ([], 0, [], []) == (
        found.sites.sites,
        len(found.replicas),
        found.transformations.transformations,
        found.files,
    )


def test_files_with_the_usual_names_are_found(documents: Path) -> None:
    found = load(documents)

    assert ["local", "cluster"] == [site.name for site in found.sites.sites]
    assert ["/file/f"] == pfn(found, "f")
    assert [documents / name for name in ("sites.yml", "replicas.yml", "transformations.yml")] == found.files


@pytest.mark.parametrize("kind", ["site", "replica", "transformation"])
def test_the_usual_form_of_a_catalog_may_be_named(documents: Path, kind: str) -> None:
    found = load(documents, **{f"pegasus__catalog__{kind}": "YAML"})

    assert load(documents).files == found.files


def test_what_the_workflow_has_inside_comes_first(documents: Path) -> None:
    found = load(documents, INLINE)

    assert [("local", None), ("cluster", "x86_64")] == [(site.name, site.arch) for site in found.sites.sites]
    assert (["/inline/f"], ["/file/g"]) == (pfn(found, "f"), pfn(found, "g"))
    x, y = found.transformations.transformations
    assert ["/inline/x", "/cluster/x"] == [site.pfn for site in x.sites]
    assert "y" == y.name
    asrc = load(documents, INLINE, pegasus__catalog__replica__dax__asrc="true")
    assert ["/inline/f", "/file/f"] == pfn(asrc, "f")


def test_properties_name_other_files_and_kinds(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("f /text/f\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "d").write_text("")

    text = load(tmp_path, pegasus__catalog__replica="File", pegasus__catalog__replica__file="other.txt")
    folder = load(
        tmp_path, pegasus__catalog__replica="directory", pegasus__catalog__replica__directory="data"
    )

    assert ["/text/f"] == pfn(text, "f")
    assert [f"file://{tmp_path}/data/d"] == pfn(folder, "d")


def test_input_directories_come_before_the_replica_catalog(documents: Path) -> None:
    (documents / "in").mkdir()
    (documents / "in" / "f").write_text("")

    found = load_catalogs(Properties(), documents, environment={}, input_dirs=["in"])

    assert [f"file://{documents}/in/f"] == pfn(found, "f")


def test_a_directory_of_executables_is_a_transformation_catalog(tmp_path: Path) -> None:
    (tmp_path / "bin" / "deep").mkdir(parents=True)
    (tmp_path / "bin" / "deep" / "tool").write_text("")

    (deep,) = transformations_of_directory(tmp_path / "bin").transformations
    (flat,) = transformations_of_directory(tmp_path / "bin", flat=True).transformations
    loaded = load_catalogs(Properties(), tmp_path, environment={}, transformations_dir="bin")

    assert ("deep/tool", "tool") == (deep.name, flat.name)
    assert ("local", "stageable", f"file://{tmp_path}/bin/deep/tool") == (
        deep.sites[0].name,
        deep.sites[0].type,
        deep.sites[0].pfn,
    )
    assert [deep] == loaded.transformations.transformations


def test_the_problems_of_all_catalogs_come_at_once(documents: Path) -> None:
    (documents / "sites.yml").write_text("sites:\n- nmae: a\n")
    (documents / "replicas.yml").write_text("replicas:\n- {lfn: ../f, pfns: [{site: local, pfn: f}]}\n")
    (documents / "transformations.yml").write_text(
        TRANSFORMATIONS.replace("container: box", "container: bux")
    )

    with pytest.raises(DocumentError) as caught:
        load(documents, pegasus__catalog__replica__dax__asrc="perhaps")

    assert [
        f"{documents}/sites.yml:2: unknown key 'nmae' in site",
        f"{documents}/sites.yml:2: site has no 'name'",
        f"{documents}/replicas.yml:2: the file name '../f' has '..' in it",
        f"{documents}/replicas.yml:2: replica '../f' is at 'f', which is neither a URL nor an absolute path",
        "property 'pegasus.catalog.replica.dax.asrc' is 'perhaps'; it must be true or false",
        "transformation 'y' at site 'local' names the container 'bux', which is not in the catalog",
    ] == [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("key", "value", "message", "hint"),
    [
        ("pegasus.catalog.site.file", "nope.yml", "property 'pegasus.catalog.site.file' is 'nope.yml'; there is no such file", "change or remove 'pegasus.catalog.site.file'"),
        ("pegasus.catalog.replica", "MRC", "property 'pegasus.catalog.replica' is 'MRC'; no catalog is named", "set pegasus.catalog.replica.mrc.NAME to its kind: YAML, File, Directory, Regex, JDBCRC"),
        ("pegasus.catalog.replica", "Meta", "property 'pegasus.catalog.replica' is 'Meta'; unsupported catalog kind Meta", "use YAML, File, Directory or JDBCRC"),
        ("pegasus.catalog.replica", "JDBCRC", "property 'pegasus.catalog.replica.db.url' must name an SQLite file, or a PostgreSQL or MySQL server", "set pegasus.catalog.replica.db.url=jdbc:sqlite:/path/to/file.db, or jdbc:postgresql://HOST/DATABASE"),
        ("pegasus.catalog.replica.output", "File", "property 'pegasus.catalog.replica.output' is 'File'; it needs the property 'pegasus.catalog.replica.output.file'", "set pegasus.catalog.replica.output.file to a file"),
        ("pegasus.catalog.replica.output", "Regex", "property 'pegasus.catalog.replica.output' is 'Regex'; it must be one of JDBCRC, YAML, File", "change or remove 'pegasus.catalog.replica.output'"),
        ("pegasus.catalog.replica.output.db.url", "jdbc:sqlite:", "property 'pegasus.catalog.replica.output.db.url' must name an SQLite file, or a PostgreSQL or MySQL server", "set pegasus.catalog.replica.output.db.url=jdbc:sqlite:/path/to/file.db, or jdbc:postgresql://HOST/DATABASE"),
        ("pegasus.catalog.replica", "YAMLL", "property 'pegasus.catalog.replica' is 'YAMLL'; it must be one of YAML, File, Directory, Regex, JDBCRC, MRC, Meta", "did you mean 'YAML'?"),
    ],
)  # fmt: skip
def test_a_catalog_that_cannot_be_found_or_read_is_named(
    tmp_path: Path, key: str, value: str, message: str, hint: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        load_catalogs(Properties({key: value}), tmp_path, environment={})

    (problem,) = caught.value.problems
    assert (message, hint) == (problem.message, problem.hint)


def test_a_directory_that_cannot_be_read_alone_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nope"):
        load_catalogs(Properties(), tmp_path, environment={}, input_dirs=["nope"])


def test_absolute_file_names_pass_when_the_property_allows_them(tmp_path: Path) -> None:
    (tmp_path / "replicas.yml").write_text("replicas:\n- {lfn: /d/f, pfns: [{site: local, pfn: /d/f}]}\n")

    with pytest.raises(DocumentError, match="is an absolute path"):
        load(tmp_path)
    assert ["/d/f"] == pfn(load(tmp_path, markab__lfn__absolute="true"), "/d/f")
