from pathlib import Path

import pytest

from api.api_kit import document, struct
from markab.api import DuplicateError, File, ReplicaCatalog


def test_replicas_of_one_file_are_merged_in_the_order_added() -> None:
    catalog = (
        ReplicaCatalog()
        .add_replica("local", File("b").add_metadata(lang="en"), Path("/data/b"), {"sha256": "0f" * 32})
        .add_replica("local", "a", "a.txt")
        .add_replica("web", "b", "http://example.org/b", metadata={"n": 1})
        .add_replica("local", "b", "/data/b")
    )

    assert document(catalog) == {
        "pegasus": "5.0.4",
        "replicas": [
            {
                "lfn": "b",
                "pfns": [{"site": "local", "pfn": "/data/b"}, {"site": "web", "pfn": "http://example.org/b"}],
                "checksum": {"sha256": "0f" * 32},
                "metadata": {"lang": "en", "n": 1},
            },
            {"lfn": "a", "pfns": [{"site": "local", "pfn": "a.txt"}]},
        ],
    }


def test_an_entry_lists_its_places() -> None:
    (entry,) = (
        ReplicaCatalog()
        .add_replica("local", "a", "/a")
        .add_replica("web", "a", "http://x/a")
        .entries.values()
    )
    assert [(pfn.site, pfn.pfn) for pfn in entry.pfns] == [("local", "/a"), ("web", "http://x/a")]


def test_patterns_stand_beside_names_and_come_once() -> None:
    catalog = (
        ReplicaCatalog().add_replica("local", "p.*", "/x").add_regex_replica("local", "p.*", "/pages/[0]")
    )
    assert [replica.regex for replica in struct(catalog).replicas] == [False, True]
    with pytest.raises(DuplicateError, match=r"'p\.\*'"):
        catalog.add_regex_replica("local", "p.*", "/y")


def test_wrong_replicas_are_refused() -> None:
    catalog = ReplicaCatalog()
    with pytest.raises(ValueError, match=r"relative path 'a\.txt'"):
        catalog.add_replica("local", "a", Path("a.txt"))
    with pytest.raises(TypeError):
        catalog.add_replica("local", "a", File("a"))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        catalog.add_replica("local", 3, "/a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sha256"):
        catalog.add_replica("local", "a", "/a", checksum={"md5": "x"})
    assert catalog.entries == {}
