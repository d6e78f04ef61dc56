"""Directories as path and URL: what is planned with, what is refused."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab.errors import PlanningError
from markab.plan.model import DirectoryPlace, Kind, local_directory
from markab.planner.places import directory_place, local_path
from markab.planner.planning import plan
from markab.spec.model import Directory, FileServer
from markab.transfers.base import Moved, Scheme, path_of, register_scheme
from markab.transfers.base import _registry as registered
from markab.worker.attempt_spec import make_spec, scratch_place


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def directory(kind: str, path: object, url: str) -> Entry:
    return {"type": kind, "path": str(path), "fileServers": [{"url": url, "operation": "all"}]}


def add_site(bench: Bench, name: str, *directories: Entry) -> None:
    bench.sites.append({"name": name, "directories": list(directories)})
    tool = {"name": name, "type": "installed", "pfn": str(bench.path / "bin" / "tool")}
    bench.transformations[0]["sites"].append(tool)


def problems_of(bench: Bench, *tasks: Entry, **options: Any) -> list[str]:
    options.setdefault("output_sites", ["local"])
    with pytest.raises(PlanningError) as caught:
        plan(bench.options(*tasks, **options))
    return [f"{problem.message} | {problem.hint}" for problem in caught.value.problems]


# --- the type ---


def test_a_file_url_is_a_directory_of_the_submit_host_and_its_path_wins() -> None:
    place = directory_place(
        "s", Directory("sharedScratch", "/a", file_servers=[FileServer("file:///b/", "all")])
    )

    assert local_directory("s", "/b") == place
    assert ("/b", "file:///b", "/b/x") == (place.path, place.url, place.file("x").url)


def test_the_name_of_this_machine_in_a_file_url_is_this_machine() -> None:
    server = FileServer(f"file://{socket.gethostname()}/b", "all")

    assert directory_place("s", Directory("sharedScratch", "/a", file_servers=[server])).is_local


def test_a_directory_elsewhere_has_the_path_of_its_jobs_and_the_url_of_the_submit_host() -> None:
    server = FileServer("scp://host/b", "put")
    place = directory_place("s", Directory("sharedScratch", "/a", file_servers=[server])).below("u/run 1")

    assert ("/a/u/run 1", "scp://host/b/u/run%201") == (place.path, place.url)
    assert ("s", "scp://host/b/u/run%201/f") == (place.file("f").site, place.file("f").url)


def test_a_directory_without_a_file_server_for_writing_is_a_path() -> None:
    server = FileServer("https://host/b", "get")

    assert local_directory("s", "/a") == directory_place(
        "s", Directory("sharedScratch", "/a", file_servers=[server])
    )


def test_of_several_file_servers_the_first_with_a_supported_scheme_counts() -> None:
    servers = [
        FileServer("s3://user@store/b", "all"),
        FileServer("file:///c", "get"),
        FileServer("file:///d", "put"),
    ]

    assert local_directory("s", "/d") == directory_place(
        "s", Directory("sharedStorage", "/a", file_servers=servers)
    )
    assert (
        "s3://user@store/b"
        == directory_place("s", Directory("sharedStorage", "/a", file_servers=servers[:2])).url
    )


def test_an_unsupported_scheme_of_many_inputs_is_one_error(bench: Bench) -> None:
    for n in range(20):
        bench.replicas.append({"lfn": f"f{n}", "pfns": [{"site": "store", "pfn": f"osdf:///x/f{n}"}]})
    bench.replicas.append({"lfn": "other", "pfns": [{"site": "store", "pfn": "s3://b/other"}]})
    many, other = problems_of(bench, task("a", " ".join(f"f{n}" for n in range(20))), task("b", "f0 other"))
    assert many.startswith(
        "file 'f0' has no replica that can be used: osdf:///x/f0 (unsupported URL scheme 'osdf') "
        "(needed by task 'a'); 19 more files likewise | register a copy on this machine"
    )
    assert "s3://b/other (unsupported URL scheme 's3') (needed by task 'b') | " in other


def test_a_file_is_registered_by_a_url_whatever_its_name() -> None:
    assert "file:///a%20b/c%3Fd" == local_directory("s", "/a b").file_url("c?d")


def test_a_name_with_a_blank_and_a_percent_sign_is_quoted_once_in_every_url() -> None:
    lfn, expected = "d/5 %.txt", "scp://host/b/d/5%20%25.txt"
    far = directory_place(
        "s", Directory("sharedScratch", "/a", file_servers=[FileServer("scp://host/b/", "all")])
    )
    near = local_directory("s", "/b")
    job = {"id": "j", "kind": "compute", "site": "s"}

    assert expected == far.file(lfn).url == far.file_url(lfn)
    assert expected == scratch_place(make_spec(job, 1, "u", "w", "/w", scratch_url=far.url), lfn)
    assert ("/b/d/5 %.txt", "file:///b/d/5%20%25.txt") == (near.file(lfn).url, near.file_url(lfn))
    assert "/b/d/5 %.txt" == path_of(near.file(lfn).url) == path_of(near.file_url(lfn))


# --- what is refused ---


@pytest.mark.parametrize("data", ["sharedfs", "nonsharedfs"])
def test_a_scratch_behind_a_scheme_without_a_driver_is_refused(bench: Bench, data: str) -> None:
    add_site(bench, "cluster", directory("sharedScratch", "/scratch", "scp://me@host/scratch"))

    messages = problems_of(
        bench, task("a"), sites=["cluster"], properties={"pegasus.data.configuration": data}
    )

    [message] = messages
    assert message.startswith(
        "unsupported URL scheme 'scp': the scratch directory '/scratch' of site 'cluster' "
        "is reached by 'scp://host/scratch' | in the site catalog, give this directory a file server "
        "of another scheme (these work: file)"
    )
    assert not any(path.name.startswith("scp:") for path in Path.cwd().iterdir())


def test_a_scratch_of_a_site_that_is_not_used_matters_to_no_plan(bench: Bench) -> None:
    add_site(bench, "cluster", directory("sharedScratch", "/scratch", "scp://host/scratch"))

    assert "condorpool" == bench.plan(task("a"), sites=["condorpool"])["tool_a"].site


def test_an_output_site_behind_a_scheme_without_a_driver_is_refused(bench: Bench) -> None:
    add_site(bench, "archive", directory("sharedStorage", "/archive", "gsiftp://host/archive"))

    [message] = problems_of(bench, task("a", makes="x"), sites=["condorpool"], output_sites=["archive"])

    assert message.startswith(
        "unsupported URL scheme 'gsiftp': the output directory '/archive' of site 'archive' "
        "is reached by 'gsiftp://host/archive' | "
    )


def test_an_output_site_behind_a_scheme_that_cannot_write_is_refused(bench: Bench) -> None:
    add_site(bench, "web", directory("sharedStorage", "/www", "https://host/www"))

    [message] = problems_of(bench, task("a", makes="x"), sites=["condorpool"], output_sites=["web"])

    assert message.startswith(
        "URL scheme 'https' cannot write files: the output directory '/www' of site 'web'"
    )


def test_a_scratch_at_a_file_url_of_another_machine_is_refused(bench: Bench) -> None:
    add_site(bench, "cluster", directory("sharedScratch", "/scratch", "file://elsewhere.example.org/scratch"))

    [message] = problems_of(
        bench, task("a"), sites=["cluster"], properties={"pegasus.data.configuration": "sharedfs"}
    )

    assert message.startswith("the URL names another machine: the scratch directory '/scratch'")


def test_an_input_whose_replicas_all_have_schemes_without_a_driver_is_refused(bench: Bench) -> None:
    pfns = [{"site": "grid", "pfn": "gsiftp://host/f"}, {"site": "cloud", "pfn": "srm://me:pw@host/f"}]
    bench.replicas.append({"lfn": "f", "pfns": pfns})

    [message] = problems_of(bench, task("a", "f"))

    assert message.startswith(
        "file 'f' has no replica that can be used: gsiftp://host/f (unsupported URL scheme 'gsiftp'); "
        "srm://host/f (unsupported URL scheme 'srm') (needed by task 'a') | register a copy on this machine, "
        "or at a URL of another scheme (these work: "
    )


def test_a_replica_without_a_driver_is_left_out_if_there_is_another(bench: Bench) -> None:
    bench.has("f")
    bench.replicas[0]["pfns"].insert(0, {"site": "grid", "pfn": "gsiftp://host/f"})

    [transfer] = bench.plan(task("a", "f"))["stage_in_local_local_0_0"].transfers

    assert ["local"] == [place.site for place in transfer.sources]


def test_a_staged_executable_without_a_driver_is_refused(bench: Bench) -> None:
    bench.transformations.append(
        {"name": "far", "sites": [{"name": "grid", "type": "stageable", "pfn": "gsiftp://host/far"}]}
    )

    [message] = problems_of(bench, task("a", tool="far"))

    assert message.startswith(
        "unsupported URL scheme 'gsiftp': executable 'far' is registered at 'gsiftp://host/far' "
        "(needed by task 'a')"
    )


# --- what is planned ---


class Writable(Scheme):
    """A scheme with all that a scratch and an output site need; it is never called while planning."""

    def put(self, *_: Any, **__: Any) -> Moved:
        raise AssertionError

    def mkdir(self, *_: Any, **__: Any) -> None:
        raise AssertionError


@pytest.fixture
def far(bench: Bench) -> MadePlan:
    """A plan with scratch and output at two sites that are reached by URLs of a scheme with a driver."""
    bench.has("raw")
    for site in ("one", "two"):
        add_site(
            bench,
            site,
            directory("sharedScratch", f"/scratch/{site}", f"far://{site}/s"),
            directory("sharedStorage", f"/store/{site}", f"far://{site}/o"),
        )
    at = {name: {"selector": {"execution.site": name}} for name in ("one", "two")}
    register_scheme("far", Writable())
    try:
        return bench.plan(
            task("a", "raw", "x", profiles=at["one"]),
            task("b", "x", "y", profiles=at["two"]),
            sites=["one", "two"],
            output_sites=["two", "local"],
            relative_dir="run",
            properties={"pegasus.data.configuration": "nonsharedfs"},
        )
    finally:
        del registered["far"]


def test_path_and_url_of_a_scratch_are_filled_in_apart(far: MadePlan) -> None:
    expected = DirectoryPlace("one", "/scratch/one/run", "far://one/s/run", is_local=False)

    assert expected == far.header.sites["one"].scratch


def test_the_scratch_of_the_submit_host_is_one_directory(bench: Bench) -> None:
    local = bench.plan(task("a"), relative_dir="run").header.sites["local"]

    assert local_directory("local", f"{bench.path}/wf-scratch/run") == local.scratch


def test_every_transfer_names_the_site_at_both_ends(far: MadePlan, bench: Bench) -> None:
    moved = {
        job.kind: [
            ([(p.site, p.url) for p in each.sources], [(p.site, p.url) for p in each.destinations])
            for each in job.transfers
            if each.lfn in ("raw", "x")
        ]
        for job in far.jobs
        if job.transfers and (job.kind is not Kind.STAGE_OUT or job.staging == "one")
    }
    raw = ("local", str(bench.path / "data" / "raw"))

    assert [([raw], [("one", "far://one/s/run/raw")])] == moved[Kind.STAGE_IN]
    assert [([("one", "far://one/s/run/x")], [("two", "far://two/s/run/x")])] == moved[Kind.STAGE_INTER]
    assert [
        (
            [("one", "far://one/s/run/x")],
            [("two", "far://two/o/x"), ("local", f"{bench.path}/wf-output/x")],
        )
    ] == moved[Kind.STAGE_OUT]
    assert {"two": "far://two/o", "local": f"{bench.path}/wf-output"} == far.header.outputs


def test_registrations_directories_and_cleanup_name_their_site(far: MadePlan, bench: Bench) -> None:
    registered_at = {
        (each.site, each.pfn) for job in far.jobs for each in job.registrations if each.lfn == "x"
    }

    assert {("two", "far://two/o/x"), ("local", f"file://{bench.path}/wf-output/x")} == registered_at
    for kind in (Kind.CREATE_DIR, Kind.CLEANUP):
        assert {"one", "two"} == {job.staging for job in far.jobs if job.kind is kind}


@pytest.mark.parametrize(
    ("pfn", "path"),
    [
        ("/a/b", "/a/b"),
        ("a b", "a b"),
        ("file:/a", "/a"),
        ("file:///a", "/a"),
        ("file://localhost/a", "/a"),
        ("symlink:///a", "/a"),
        ("file:///a%20b", "/a b"),
        ("http://h/a", None),
        ("file://elsewhere/a", None),
    ],
)
def test_a_pfn_means_a_path_of_this_machine_or_none(pfn: str, path: str | None) -> None:
    assert local_path(pfn) == path


def test_a_path_that_exists_as_it_is_written_is_not_unquoted(tmp_path: Path) -> None:
    (tmp_path / "a%20b").touch()
    assert local_path(f"file://{tmp_path}/a%20b") == f"{tmp_path}/a%20b"
