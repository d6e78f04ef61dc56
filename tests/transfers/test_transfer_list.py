"""The input of `pegasus-transfer`."""

from __future__ import annotations

import json
from typing import Any

from markab.transfers.transfer_list import read_work


def transfer(*sources: dict[str, Any], **more: Any) -> dict[str, Any]:
    ends = [{"site_label": "local", "url": "file:///out/f"}]
    return {"type": "transfer", "id": 1, "src_urls": list(sources), "dest_urls": ends, **more}


def the_transfer(*sources: dict[str, Any], **more: Any) -> dict[str, Any]:
    (item,) = read_work(json.dumps([transfer(*sources, **more)])).transfers
    return item


def source(url: str, **more: Any) -> dict[str, Any]:
    return {"site_label": "web", "url": url, **more}


def test_a_transfer_has_everything_that_its_entry_says() -> None:
    assert the_transfer(source("http://h/a/f", checksum={"sha256": "ab"}), lfn="f.txt") == {
        "lfn": "f.txt",
        "sources": [{"site": "web", "url": "http://h/a/f"}],
        "destinations": [{"site": "local", "url": "file:///out/f"}],
        "sha256": "ab",
    }


def test_the_checksum_of_the_first_source_that_has_one_counts() -> None:
    item = the_transfer(
        source("a", checksum={}),
        source("b", checksum="sha256"),
        source("c", checksum={"sha256": "of c"}),
        source("d", checksum={"sha256": "of d"}),
    )

    assert item["sha256"] == "of c"
    assert "sha256" not in the_transfer(source("a"), source("b", checksum={"type": "md5"}))


def test_sources_of_higher_priority_come_first() -> None:
    given = {"a": None, "b": "7", "c": 20, "d": -1, "e": 0.5}
    item = the_transfer(*(source(url, priority=priority) for url, priority in given.items()), source("f"))

    assert ["c", "b", "e", "a", "f", "d"] == [one["url"] for one in item["sources"]]


def test_a_name_is_that_of_the_first_source_if_none_is_given() -> None:
    assert the_transfer(source("http://h/a/f?x"))["lfn"] == "f?x"


def test_a_destination_of_scheme_symlink_permits_a_link() -> None:
    ends = [{"url": "file:///a"}, {"url": "SYMLINK:///b"}]
    assert the_transfer(source("a"), dest_urls=ends)["link"] is True
    assert "link" not in the_transfer(source("a"))


def test_one_object_is_a_list_of_one() -> None:
    assert len(read_work(json.dumps(transfer(source("a")))).transfers) == 1


def test_directories_are_made_and_removed_with_what_is_in_them_only_if_said() -> None:
    def entry(kind: str, **target: Any) -> dict[str, Any]:
        return {"type": kind, "id": 1, "target": {"site_label": "s", "url": "file:///d", **target}}

    made = [entry("mkdir"), *(entry("remove", recursive=value) for value in ("True", True, "false", 0))]
    work = read_work(json.dumps([*made, entry("remove")]))

    assert work.mkdirs == [{"site": "s", "url": "file:///d"}]
    assert [True, True, False, False, False] == [one["recursive"] for one in work.removes]


def test_nothing_to_do_is_no_error() -> None:
    work = read_work(" \n")
    assert (work.mkdirs, work.transfers, work.removes) == ([], [], [])
