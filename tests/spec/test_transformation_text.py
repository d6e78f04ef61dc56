"""Transformation catalogs in text: the same structs as those of YAML, and errors with lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.errors import DocumentError
from markab.spec.reader import parse_transformations
from markab.spec.transformation_text import parse_transformation_text

TEXT = r"""
# programs
tr ns::work:1.0 {
    profile env "GREETING" "say \"hello\" \\ {now}"   # in quotes
    requires "helper"
    site condorpool {
        pfn "${HOME}/bin/work"
        arch "x86_64"
        os "LINUX"
        type "STAGEABLE"
        container "box"
        bypass "true"
        profile condor "request_cpus" "2"
        metadata "author" "ada"
    }
    site other { pfn "/opt/work" type "INSTALLED" }
}
tr helper { site local { pfn "/opt/helper" type "STATIC_BINARY" osrelease "deb" osversion "12" } }
cont box {
    type "docker"
    image "docker://debian:12"
    image_site "hub"
    mount "/data:/data:ro"
    profile env "A" "b"
}
"""
YAML = r"""
transformations:
- namespace: ns
  name: work
  version: "1.0"
  requires: [helper]
  profiles: {env: {GREETING: 'say "hello" \ {now}'}}
  sites:
  - name: condorpool
    pfn: /h/bin/work
    arch: x86_64
    os.type: linux
    type: stageable
    container: box
    bypass: true
    profiles: {condor: {request_cpus: 2}}
    metadata: {author: ada}
  - {name: other, pfn: /opt/work, type: installed}
- name: helper
  sites: [{name: local, pfn: /opt/helper, type: stageable, os.release: deb, os.version: 12}]
containers:
- name: box
  type: docker
  image: docker://debian:12
  image.site: hub
  mounts: ["/data:/data:ro"]
  profiles: {env: {A: b}}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse_transformation_text(text, "tc.txt", {})
    return [str(problem) for problem in caught.value.problems]


def test_a_catalog_in_text_is_the_one_in_yaml() -> None:
    assert parse_transformations(YAML) == parse_transformation_text(TEXT, "tc.txt", {"HOME": "/h"})


def test_all_wrong_values_come_at_once_with_their_lines() -> None:
    assert problems(
        'tr a {\n site s {\n  pfn "bin/a"\n  type "INSTALED"\n }\n}\n'
        'tr b {\n profile envi "X" "y"\n site s { pfn "${NO}/b" }\n}\ncont c {\n type "dokker" }\n'
    ) == [
        "tc.txt:2: transformation 'a' at site 's' is at 'bin/a', which is neither a URL nor an absolute path",
        "tc.txt:4: type 'INSTALED' must be INSTALLED or STAGEABLE",
        "tc.txt:8: unknown namespace 'envi' of profile 'X'",
        "tc.txt:9: the environment variable 'NO' is not set",
        "tc.txt:9: transformation 'b' at site 's' is at '${NO}/b', which is neither a URL nor an absolute path",
        "tc.txt:12: type 'dokker' of container 'c' is unknown",
        "tc.txt:12: container 'c' has no image",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'tr a {\n site s {\n pfn "/a"\n',
            "tc.txt:3: the braces of site 's' of transformation 'a' are never closed",
        ),
        ("tr a {\n sit s {} }", "tc.txt:2: unknown word 'sit' in transformation 'a'"),
        ("tra a {}", "tc.txt:1: expected 'tr' or 'cont', not 'tra'"),
        ('tr a {\n site s { pfn "/a }\n}', 'tc.txt:2: " is never closed'),
        ("tr {}", "tc.txt:1: 'tr' has no value"),
        ("tr a site", "tc.txt:1: expected '{' after transformation 'a', not 'site'"),
        ("tr a { profile env K }", "tc.txt:1: 'profile' has no value"),
    ],
)
def test_a_text_of_another_form_is_named_with_its_line(text: str, said: str) -> None:
    assert problems(text) == [said]


@given(st.text(alphabet='tr cont{}"\\\n#asite/ pfn', max_size=60))
def test_every_text_gives_a_catalog_or_an_error(text: str) -> None:
    try:
        parse_transformation_text(text, "tc.txt", {})
    except DocumentError as error:
        assert error.problems
