"""Documents lose the passwords in their URLs: as catalogs, and as texts that are copied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from markab.catalogs.loader import load_catalogs
from markab.catalogs.url_passwords import copy_document
from markab.spec.properties import Properties
from markab.spec.reader import parse_workflow

URL = "http://bob:{}@host/x"


def test_no_url_of_any_catalog_keeps_its_password(tmp_path: Path) -> None:
    """Also one that is hidden by another catalog, and so is in no plan, but in a copy."""
    scratch = {"url": URL.format("site"), "operation": "all"}
    directory = {"type": "sharedScratch", "path": "/s", "fileServers": [scratch]}
    program = {"name": "far", "type": "stageable", "pfn": URL.format("tool")}
    box = {"name": "box", "type": "singularity", "image": URL.format("image")}

    def replicas(password: str) -> dict[str, object]:
        return {"replicas": [{"lfn": "f", "pfns": [{"site": "web", "pfn": URL.format(password)}]}]}

    inline = {
        "pegasus": "5.0.4",
        "name": "w",
        "jobs": [{"id": "a", "type": "job", "name": "x"}],
        "replicaCatalog": replicas("inline"),
    }
    documents = {
        "replicas": replicas("hidden"),
        "sites": {"sites": [{"name": "far", "directories": [directory]}]},
        "transformations": {
            "transformations": [{"name": "x", "sites": [program]}],
            "containers": [box],
        },
    }
    for name, document in documents.items():
        (tmp_path / f"{name}.yml").write_text(json.dumps(document))

    found = load_catalogs(Properties(), tmp_path, parse_workflow(json.dumps(inline)), environment={})

    replica = found.replicas.lookup("f")
    assert replica is not None
    public = [
        replica.pfns[0].pfn,
        found.sites.sites[0].directories[0].file_servers[0].url,
        found.transformations.transformations[0].sites[0].pfn,
        found.transformations.containers[0].image,
    ]
    assert public == ["http://bob@host/x"] * 4
    assert set(found.passwords.values()) >= {"inline", "image"}


@pytest.mark.parametrize("kind", ["File", "Directory"])
def test_the_other_forms_of_a_replica_catalog_lose_them_too(tmp_path: Path, kind: str) -> None:
    (tmp_path / "rc.txt").write_text('f http://bob:s3cret@host/x site="web"\n')
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").touch()
    key = "pegasus.catalog.replica"
    properties = {
        key: kind,
        f"{key}.directory": "in",
        f"{key}.directory.url.prefix": "http://bob:s3cret@host",
    }

    found = load_catalogs(Properties(properties), tmp_path, environment={})

    replica = found.replicas.lookup("f")
    assert replica is not None and replica.pfns[0].pfn.startswith("http://bob@host/")
    assert found.passwords == {"http://bob@host": "s3cret"}


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        ("- {site: web, pfn: http://bob:s3cret@h/x}\n", "- {site: web, pfn: http://bob@h/x}\n"),
        ('["http:\\/\\/bob:s3cret@h\\/x"]', '["http:\\/\\/bob@h\\/x"]'),
        ('<pfn url="http://bob:s3cret@h/x"/>', '<pfn url="http://bob@h/x"/>'),
        ("f http://bob:s3cret@h/x site=web\n", "f http://bob@h/x site=web\n"),
        ("pfn: http://${USER}:s3cret@h/x # a comment\n", "pfn: http://${USER}@h/x # a comment\n"),
        ("pfn: http://bob:half${PW}@h/x\n", "pfn: http://bob@h/x\n"),
        ('pfn: "http://bob:a\'b@h/x"\n', 'pfn: "http://bob@h/x"\n'),
    ],
)
def test_a_copy_has_no_password_in_its_urls(tmp_path: Path, text: str, copied: str) -> None:
    (tmp_path / "document").write_text(text)

    copy_document(tmp_path / "document", tmp_path / "copy", {"http://bob@h": "s3cret", "http://b@i": "a'b"})

    assert (tmp_path / "copy").read_text() == copied


@pytest.mark.parametrize(
    "text",
    [
        "pfn: http://bob:${PASSWORD}@h/x\n",
        'urls: ["http://h:80","mail@example.org"]\n',
        "urls: [http://h:80,mail@example.org]\n",
        "image: docker://image:tag@sha256:00ff\n",
        "pfn: http://h:80/x?to=a@b\n",
    ],
)
def test_what_is_no_password_is_copied(tmp_path: Path, text: str) -> None:
    (tmp_path / "document").write_text(text)

    copy_document(tmp_path / "document", tmp_path / "copy", {"http://bob@h": "s3cret"})

    assert (tmp_path / "copy").read_text() == text


def test_without_passwords_a_document_is_copied_byte_by_byte(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfname: w\r\n\xff"
    (tmp_path / "document").write_bytes(text)

    copy_document(tmp_path / "document", tmp_path / "copy", {})

    assert (tmp_path / "copy").read_bytes() == text
