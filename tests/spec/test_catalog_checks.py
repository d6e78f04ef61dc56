"""Checks that look at more than one value of a catalog."""

from __future__ import annotations

from markab.spec.catalog_checks import check_references, check_replicas, check_sites, check_transformations
from markab.spec.model import (
    Checksum,
    Container,
    Directory,
    FileServer,
    Pfn,
    Replica,
    ReplicaCatalog,
    Site,
    SiteCatalog,
    Transformation,
    TransformationCatalog,
    TransformationSite,
)


def test_replica_catalogs() -> None:
    catalog = ReplicaCatalog(
        [
            Replica("f", [Pfn("local", "f.txt")]),
            Replica("g", []),
            Replica("(x", [Pfn("local", "/x")], regex=True),
            Replica("h", [Pfn("local", "/h")], checksum=Checksum("123")),
            Replica("i", [Pfn("local", "/i")], checksum=Checksum("0" * 64)),
            Replica("i", [Pfn("web", "http://w/i")], checksum=Checksum("1" * 64)),
            Replica("/abs", [Pfn("local", "/abs")]),
        ]
    )

    assert [
        "replica 'f' is at 'f.txt', which is neither a URL nor an absolute path",
        "replica 'g' has no place",
        "'(x' is not a regular expression: missing ), unterminated subpattern at position 0",
        "the sha256 '123' of replica 'h' is not 64 hexadecimal digits",
        "the file name '/abs' is an absolute path",
        "two entries for 'i' have different checksums",
    ] == [problem.message for problem in check_replicas(catalog)]
    assert "write the absolute path, such as ${PWD}/f.txt" == check_replicas(catalog)[0].hint


def test_site_catalogs() -> None:
    good = Directory("sharedScratch", "/s", file_servers=[FileServer("file:///s", "all")])
    catalog = SiteCatalog(
        [
            Site("a", directories=[good, Directory("localStorage", "out")]),
            Site("a", arch="x86-64", os_type="linux"),
            Site("b", directories=[Directory("localStorage", "/o", file_servers=[FileServer("/o", "all")])]),
        ]
    )

    assert [
        ("the path 'out' of the localStorage directory of site 'a' is not absolute", "write the absolute path, such as ${PWD}/out"),
        ("the localStorage directory of site 'a' has no file server", "add `fileServers: [{url: 'file://out', operation: all}]`"),
        ("two sites are named 'a'", "join the two entries"),
        ("arch of site 'a' is 'x86-64'; it must be one of x86, x86_64, ppc, ppc_64, ppc64le, ia64, sparcv7, sparcv9, amd64, aarch64", "did you mean 'x86_64'?"),
        ("the file server '/o' of the localStorage directory of site 'b' is not a URL", "write 'file:///o'"),
    ] == [(problem.message, problem.hint) for problem in check_sites(catalog)]  # fmt: skip


def test_transformation_catalogs() -> None:
    here = TransformationSite("local", "installed", "/bin/x")
    catalog = TransformationCatalog(
        [
            Transformation("x", [here, here], namespace="n", version="1"),
            Transformation("y", [TransformationSite("local", "installed", "bin/y", container="pyy")]),
            Transformation("z", [here], requires=["n::x:2"]),
        ],
        [
            Container("py", "docker", "docker://python"),
            Container("py", "docker", "docker://p", mounts=["/a"]),
        ],
    )

    assert [
        "two containers are named 'py'",
        "mount '/a' of container 'py' is wrong",
        "transformation 'n::x:1' at site 'local' is given twice",
        "transformation 'y' at site 'local' is at 'bin/y', which is neither a URL nor an absolute path",
    ] == [problem.message for problem in check_transformations(catalog)]
    assert [
        ("transformation 'y' at site 'local' names the container 'pyy', which is not in the catalog", "did you mean 'py'?"),
        ("transformation 'z' requires 'n::x:2', which is not in the catalog", "did you mean 'n::x:1'?"),
    ] == [(problem.message, problem.hint) for problem in check_references(catalog)]  # fmt: skip
