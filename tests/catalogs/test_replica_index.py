"""Replicas: by name, by pattern, from text files and from directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.catalogs.replica_index import ReplicaIndex, replicas_of_directory
from markab.catalogs.replica_text import parse_replica_file, read_replica_file
from markab.errors import DocumentError, StorageError
from markab.spec.model import Checksum, Pfn, Replica, ReplicaCatalog


def at(lfn: str, *pfns: str, **options: object) -> Replica:
    return Replica(lfn, [Pfn("local", pfn) for pfn in pfns], **options)  # type: ignore[arg-type]


def places(index: ReplicaIndex, lfn: str) -> list[str]:
    replica = index.lookup(lfn)
    return [place.pfn for place in replica.pfns] if replica else []


def test_an_exact_name_wins_over_patterns_and_the_first_pattern_over_later_ones() -> None:
    index = ReplicaIndex(
        [
            ReplicaCatalog(
                [
                    at(r"page_(\d+)\.txt", "/pages/[1]/[0]/[7]", regex=True, checksum=Checksum("1" * 64)),
                    at(r".*\.txt", "/any/[0]", regex=True),
                    at(r"(?<stem>x)(y)?z", "/[1]-[2]-", regex=True),
                    at("page_1.txt", "/exact"),
                ]
            )
        ]
    )

    assert ["/exact"] == places(index, "page_1.txt")
    assert ["/pages/2/page_2.txt/[7]"] == places(index, "page_2.txt")
    assert ["/any/page_x.txt"] == places(index, "page_x.txt")
    assert [] == places(index, "page_2.txt.gz")  # the whole name must match
    assert ["/x--"] == places(index, "xz")
    found = index.lookup("page_3.txt")
    assert found and "page_3.txt" == found.lfn and not found.regex and Checksum("1" * 64) == found.checksum


def test_entries_of_one_catalog_merge_and_an_earlier_catalog_hides_a_later_one() -> None:
    inline = ReplicaCatalog([at("f", "/inline"), at("f", "/inline2", "/inline", metadata={"a": "1"})])
    file = ReplicaCatalog([at("f", "/file"), at("g", "/g")])

    assert ["/inline", "/inline2"] == places(ReplicaIndex([inline, file]), "f")
    assert ["/g"] == places(ReplicaIndex([inline, file]), "g")
    assert ["/inline", "/inline2", "/file"] == places(ReplicaIndex([inline, file], merge=True), "f")
    assert {"a": "1"} == ReplicaIndex([inline]).lookup("f").metadata  # type: ignore[union-attr]
    assert [1, 1] == [len(replica.pfns) for replica in file.replicas]  # the catalogs stay as they were


def test_the_text_form_is_understood() -> None:
    catalog = parse_replica_file(
        '# a comment\n\nf file:///data/f site="local" checksum.type="sha256" checksum.value="'
        + "a" * 64
        + '"\n'
        'f http://example.org/f site=web lang="en \\"US\\""\n'
        '"my file" "/data/my file" pool="local"\n'
        'p_(.*) /data/[1]  regex="true" site="local"\n'
        "g ${HOME}/g\n",
        environment={"HOME": "/home/ada"},
    )

    assert [
        Replica("f", [Pfn("local", "file:///data/f"), Pfn("web", "http://example.org/f")], checksum=Checksum("a" * 64), metadata={"lang": 'en "US"'}),
        Replica("my file", [Pfn("local", "/data/my file")]),
        Replica("p_(.*)", [Pfn("local", "/data/[1]")], regex=True),
        Replica("g", [Pfn("local", "/home/ada/g")]),
    ] == catalog.replicas  # fmt: skip


def test_all_wrong_lines_of_a_text_form_come_at_once() -> None:
    text = 'f\ng /g site="local" oops\nh ${NOPE}/h\ni i.txt\nj /j checksum.value="xyz"\nk /k checksum.type="md5" checksum.value="1"\n'

    with pytest.raises(DocumentError) as caught:
        parse_replica_file(text, "rc.txt", {})

    assert [
        "rc.txt:1: expected a place at ''",
        "rc.txt:2: expected key=\"value\" at 'oops'",
        "rc.txt:3: the environment variable 'NOPE' is not set",
        "rc.txt:4: replica 'i' is at 'i.txt', which is neither a URL nor an absolute path",
        "rc.txt:5: the sha256 'xyz' of replica 'j' is not 64 hexadecimal digits",
        "rc.txt:6: the checksum of 'k' has the type 'md5'; only sha256 is supported",
    ] == [str(problem) for problem in caught.value.problems]


def test_lines_for_one_file_with_different_checksums_are_an_error() -> None:
    lines = "".join(f'f /{i} checksum.value="{str(i) * 64}"\n' for i in range(2))

    with pytest.raises(DocumentError, match=r"rc:2: two lines for 'f' have different checksums"):
        parse_replica_file(lines, "rc")


def test_a_text_form_that_is_binary_or_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rc").write_bytes(b"f /f\n\xff\n")

    with pytest.raises(DocumentError, match="rc:2: not UTF-8 text: byte 0xff"):
        read_replica_file(tmp_path / "rc")
    with pytest.raises(StorageError, match="there is no file"):
        read_replica_file(tmp_path / "nope")


def test_every_file_below_a_directory_becomes_a_replica(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("x.txt", "a/y.txt", "a/b/x.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)

    deep = replicas_of_directory(tmp_path)
    flat = replicas_of_directory(tmp_path, site="web", flat=True, url_prefix="http://h")

    assert ["x.txt", "a/y.txt", "a/b/x.txt"] == [replica.lfn for replica in deep.replicas]
    assert [Pfn("local", f"file://{tmp_path}/a/y.txt")] == deep.replicas[1].pfns
    assert [("x.txt", f"http://h{tmp_path}/x.txt"), ("y.txt", f"http://h{tmp_path}/a/y.txt")] == [
        (replica.lfn, replica.pfns[0].pfn) for replica in flat.replicas
    ]


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"the directory '.*nope' cannot be read: No such file or directory"
    ):
        replicas_of_directory(tmp_path / "nope")
