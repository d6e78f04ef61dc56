"""Site catalogs in XML: the same structs as those of YAML, and errors with lines."""

from __future__ import annotations

import pytest

from markab.errors import DocumentError
from markab.spec.reader import parse_sites

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<sitecatalog xmlns="http://pegasus.isi.edu/schema/sitecatalog" version="4.1"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">
"""
SITE = """<site handle="local" arch="x86_64" os="LINUX">
  <directory type="shared-scratch" path="${HOME}/scratch" free-size="1GB">
    <file-server operation="put" url="file://${HOME}/scratch"/>
    <file-server operation="get" url="http://host/scratch"/>
  </directory>
  <directory type="local-storage" path="/out"><file-server operation="all" url="file:///out"/></directory>
  <grid type="batch" contact="slurm" scheduler="SLURM" jobtype="compute" max-count="4"/>
  <replica-catalog type="LRC" url="rls://x"/>
  <profile namespace="env" key="PEGASUS_HOME">/usr</profile>
</site>
"""
YAML = """
sites:
- name: local
  arch: x86_64
  os.type: linux
  directories:
  - type: sharedScratch
    path: /h/scratch
    sharedFileSystem: true
    freeSize: 1GB
    fileServers:
    - {operation: put, url: file:///h/scratch}
    - {operation: get, url: http://host/scratch}
  - type: localStorage
    path: /out
    fileServers: [{operation: all, url: file:///out}]
  grids: [{type: batch, contact: slurm, scheduler: slurm, jobtype: compute, maxCount: 4}]
  profiles: {env: {PEGASUS_HOME: /usr}}
"""


def problems(inside: str, head: str = HEAD) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse_sites(f"{head}{inside}</sitecatalog>", "sites.xml", {})
    return [str(problem) for problem in caught.value.problems]


def test_a_catalog_in_xml_is_the_one_in_yaml() -> None:
    found = parse_sites(f"{HEAD}{SITE}</sitecatalog>", "sites.xml", {"HOME": "/h"})

    assert parse_sites(YAML) == found


def test_everything_that_is_wrong_has_its_line() -> None:
    wrong = SITE.replace("shared-scratch", "sharedscratch").replace('operation="all"', 'operation="al"')

    assert [
        "sites.xml:5: 'type' of <directory> is 'sharedscratch'; it must be one of shared-scratch, shared-storage, local-scratch, local-storage",
        "sites.xml:9: 'operation' of <file-server> is 'al'; it must be one of all, get, put",
    ] == problems(wrong)
    assert problems("<site><unknown/></site>") == [
        "sites.xml:4: unknown element <unknown> in <site>",
        "sites.xml:4: <site> has no 'handle'",
    ]
    assert ["unknown element <sites> in <sitecatalog>"] == [
        text.partition(": ")[2] for text in problems('<sites handle="a"/>')
    ]


def test_checks_of_yaml_hold_for_xml() -> None:
    assert problems('<site handle="a" arch="vax"/><site handle="a"/>') == [
        "sites.xml:4: arch of site 'a' is 'vax'; it must be one of x86, x86_64, ppc, ppc_64, ppc64le, ia64, sparcv7, sparcv9, amd64, aarch64",
        "sites.xml:4: two sites are named 'a'",
    ]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (HEAD.replace("4.1", "3.0"), "unsupported site catalog version '3.0': only version 4 can be read"),
        ("<adag>", "the document is a <adag>; a site catalog in XML is a <sitecatalog>"),
    ],
)
def test_another_document_is_named(head: str, said: str) -> None:
    assert said in problems("", head)[0]
