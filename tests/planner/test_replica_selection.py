"""Which replicas of a file are used, and in which order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from markab.planner.doubts import Doubts
from markab.planner.draft import Context, RawInput
from markab.planner.placement import Executable
from markab.planner.replica_order import by_nearness
from markab.planner.replica_selection import select_executables, select_replicas, why_unusable
from markab.planner.request_trace import RequestTrace
from markab.spec.model import Checksum, Grid, Pfn, Replica, Site, Transformation, TransformationSite


class Noted:
    """A context that keeps the problems: site `far` is elsewhere, the others are described as here."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str, str]] = []
        self.replica_order = by_nearness
        self.trace = RequestTrace()
        self.doubts = Doubts()
        self.file_sizes: dict[str, int | str] = {}
        sites = [Site("cluster"), Site("stage"), Site("far", grids=[Grid("batch", "gate", "slurm")])]
        self.sites = {site.name: site for site in sites}

    def problem(self, kind: str, message: str, hint: str) -> None:
        self.problems.append((kind, message, hint))


@pytest.fixture
def here(tmp_path: Path) -> str:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text(name * (ord(name) - ord("a") + 1))
    return str(tmp_path)


def select(*pfns: tuple[str, str], **more: Any) -> RawInput | None:
    """The places for a job at `cluster`, staged at `stage`."""
    replica = Replica("f", [Pfn(*pfn) for pfn in pfns], **more)
    return select_replicas(replica, "cluster", "stage", lambda: "job x", cast("Context", Noted()))


def places(*pfns: tuple[str, str]) -> list[str]:
    found = select(*pfns)
    return [f"{pfn.site} {pfn.pfn.rpartition('/')[2]}" for pfn in found.places] if found else []


def test_a_file_at_which_many_names_are_is_looked_at_once(here: str) -> None:
    context = cast("Context", Noted())

    def size_for(lfn: str, name: str) -> int | None:
        replica = Replica(lfn, [Pfn("local", f"{here}/{name}")])
        found = select_replicas(replica, "cluster", "stage", lambda: "job x", context)
        return found and found.size_bytes

    assert (size_for("first", "c"), size_for("first", "gone")) == (3, None)

    Path(here, "c").unlink()
    Path(here, "gone").write_text("came too late")

    assert (size_for("second", "c"), size_for("second", "gone")) == (3, None)


def test_paths_of_the_staging_site_come_first_then_those_of_the_submit_host_then_urls(here: str) -> None:
    everywhere = [
        ("web", "http://w/u"),
        ("stage", "http://s/v"),
        ("cluster", f"{here}/a"),
        ("local", f"{here}/b"),
        ("stage", f"file://{here}/c"),
        ("other", f"{here}/d"),
    ]

    assert places(*everywhere) == ["stage c", "local b", "stage v", "web u"]
    assert places(*everywhere[:3], *everywhere[5:]) == ["cluster a", "stage v", "web u"]
    assert places(*everywhere[:2], everywhere[3]) == ["local b", "stage v", "web u"]


def test_equally_near_replicas_keep_the_order_of_the_catalog(here: str) -> None:
    assert places(
        ("local", f"{here}/b"), ("local", f"{here}/a"), ("w", "http://w/z"), ("w", "http://w/y")
    ) == [
        "local b",
        "local a",
        "w z",
        "w y",
    ]


def test_a_path_of_another_site_counts_where_there_is_nothing_else(here: str) -> None:
    assert places(("other", f"{here}/d")) == ["other d"]
    assert places(("other", f"{here}/d"), ("web", "http://w/u")) == ["web u"]


def test_a_path_at_a_site_with_a_gateway_is_none_of_this_machine_unless_files_are_staged_there(
    here: str,
) -> None:
    noted = Noted()
    replica = Replica("f", [Pfn("far", f"{here}/a")])

    assert select_replicas(replica, "cluster", "stage", lambda: "job x", cast("Context", noted)) is None
    assert noted.problems[0][0] == "missing-input"
    assert f"{here}/a (a path on site far) (needed by job x)" in noted.problems[0][1]
    assert select_replicas(replica, "cluster", "far", lambda: "job x", cast("Context", noted)) is not None
    # The submit host is never elsewhere, even if the catalog gives it a gateway.
    noted.sites["local"] = Site("local", grids=[Grid("batch", "gate", "slurm")])
    of_local = Replica("f", [Pfn("local", f"{here}/a")])
    assert select_replicas(of_local, "cluster", "stage", lambda: "job x", cast("Context", noted)) is not None


def test_a_job_reads_urls_and_paths_of_its_own_site_itself(here: str) -> None:
    found = select(
        ("cluster", f"{here}/a"), ("stage", f"{here}/c"), ("local", f"{here}/b"), ("web", "http://w/u")
    )

    assert found is not None
    assert found.direct == [Pfn("cluster", f"{here}/a"), Pfn("web", "http://w/u")]


def test_size_and_checksum_are_those_of_the_best_replica_and_of_the_entry(here: str) -> None:
    pfns = (("local", f"{here}/b"), ("stage", f"{here}/c"), ("web", "http://w/u"))

    assert (found := select(*pfns, checksum=Checksum("ab" * 32))) is not None
    assert (found.size_bytes, found.sha256) == (3, "ab" * 32)
    assert (found := select(pfns[2])) is not None
    assert (found.size_bytes, found.sha256) == (None, None)


def test_why_a_path_cannot_be_read_is_said(here: str) -> None:
    os.symlink("nowhere", f"{here}/dangling")
    os.mkfifo(f"{here}/fifo")
    noted = Noted()

    def why(path: str) -> str:
        return why_unusable(Replica("f", [Pfn("local", path)]), cast("Context", noted))

    assert why(f"{here}/a") == ""
    assert why(f"{here}/gone") == f"{here}/gone (no such file)"
    assert why(f"{here}/dangling") == f"{here}/dangling (a link to nothing)"
    assert why(f"{here}/a/x") == f"{here}/a/x (not a directory)"
    assert why(here) == f"{here} (a directory)"
    assert why(f"{here}/fifo") == f"{here}/fifo (a device, pipe or socket)"
    assert why("gsiftp://h/f") == "gsiftp://h/f (unsupported URL scheme 'gsiftp')"
    assert why_unusable(Replica("f", []), cast("Context", noted)) == "its entry names no place"


def test_a_file_that_may_not_be_read_is_no_replica(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)

    why = why_unusable(Replica("f", [Pfn("local", f"{here}/a")]), cast("Context", Noted()))

    assert why == f"{here}/a (not readable)"


@pytest.mark.parametrize(
    ("pfns", "kind", "hint"),
    [
        ([], "missing-input", "put the file where it is registered"),
        (["/no/a"], "missing-input", "put the file where it is registered"),
        (["/no/a", "/no/b"], "missing-input", "put the file where it is registered"),
        (["gsiftp://h/f"], "unsupported-scheme", "at a URL of another scheme"),
        (["/no/a", "gsiftp://h/f"], "missing-input", "at a URL of another scheme"),
    ],
)
def test_a_file_without_a_usable_replica_is_an_error_with_what_to_do(
    pfns: list[str], kind: str, hint: str
) -> None:
    noted = Noted()
    replica = Replica("f", [Pfn("local", pfn) for pfn in pfns])

    assert select_replicas(replica, "cluster", "stage", lambda: "job x", cast("Context", noted)) is None
    ((its_kind, message, its_hint),) = noted.problems
    assert its_kind == kind and hint in its_hint
    assert message.startswith("file 'f' has no replica that can be used: ")
    assert all(pfn in message for pfn in pfns)


def executable(*sites: TransformationSite, chosen: int = 0) -> Executable:
    transformation = Transformation("tool", list(sites), checksum=Checksum("cd" * 32))
    return Executable(transformation, sites[chosen], "tool")


def test_an_executable_is_had_from_the_entry_chosen_then_from_others_that_may_be_staged() -> None:
    sites = [
        TransformationSite("cluster", "installed", "/bin/tool"),
        TransformationSite("web", "stageable", "http://w/tool"),
        TransformationSite("cluster", "stageable", "/opt/tool"),
        TransformationSite("old", "stageable", "gsiftp://h/tool"),
        TransformationSite("local", "stageable", "file:///usr/tool"),
    ]

    found = select_executables(executable(*sites, chosen=2), "cluster", "job x", cast("Context", Noted()))

    assert found.places == [
        Pfn("cluster", "/opt/tool"),
        Pfn("web", "http://w/tool"),
        Pfn("local", "/usr/tool"),
    ]
    assert found.direct == found.places[:2]
    assert found.sha256 == "cd" * 32


def test_an_executable_only_at_urls_of_unsupported_schemes_is_an_error_that_names_it() -> None:
    noted = Noted()
    only = executable(TransformationSite("old", "stageable", "gsiftp://h/tool"))

    assert select_executables(only, "cluster", "job x", cast("Context", noted)).places == []
    ((kind, message, _),) = noted.problems
    assert kind == "missing-executable"
    assert "unsupported URL scheme 'gsiftp'" in message and "(needed by job x)" in message
