from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from markab import operations
from markab.errors import MarkabError


def test_a_replica_on_this_machine_gets_its_absolute_path_and_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("x")

    entry = operations.make_replica("a", "a", checksum=True)

    sha256 = hashlib.sha256(b"x").hexdigest()
    assert entry.pfn == str(tmp_path / "a")
    assert entry.attributes == {"checksum.type": "sha256", "checksum.value": sha256}


def test_the_checksum_of_a_url_is_not_computed() -> None:
    with pytest.raises(ValueError, match="on this machine"):
        operations.make_replica("a", "http://x/a", checksum=True)


def test_only_the_replicas_at_the_named_site_are_removed(tmp_path: Path) -> None:
    store = operations.open_replica_catalog(tmp_path / "replicas.yml")
    store.insert([operations.make_replica("a", "/a"), operations.make_replica("a", "/b", "pool")])

    operations.remove_replicas(store, "a", site="pool")

    assert ["/a"] == [entry.pfn for entry in operations.find_replicas(store, ["a"])]
    with pytest.raises(MarkabError, match="no such replica of 'a'"):
        operations.remove_replicas(store, "a", site="pool")
