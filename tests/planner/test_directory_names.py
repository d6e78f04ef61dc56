"""Directories of a workflow, while it is planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, task
from markab.errors import DocumentError, PlanningError
from markab.plan.model import Kind


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a bench with a replica of the directory `data/`."""
    bench = Bench(tmp_path)
    bench.has("data/a", "data/b")
    bench.replicas[:] = [{"lfn": "data/", "pfns": [{"site": "local", "pfn": f"{tmp_path}/data/data/"}]}]
    return bench


def problems_of(bench: Bench, *tasks: Any, **options: Any) -> list[str]:
    with pytest.raises((PlanningError, DocumentError)) as caught:
        bench.plan(*tasks, **options)
    return [problem.message for problem in caught.value.problems]


def test_a_directory_is_one_packed_file_in_scratch_and_itself_where_it_is_delivered(bench: Bench) -> None:
    made = bench.plan(task("a", "data/", "out/", arguments=["data/", "out/"]), task("b", "out/", "final"))

    (into,) = (t for job in made.jobs if job.kind is Kind.STAGE_IN for t in job.transfers)
    assert "data.markab-tree" == into.lfn
    assert [f"{bench.path}/data/data/"] == [place.url for place in into.sources]
    assert into.destinations[0].url.endswith("/run0001/data.markab-tree")
    outs = {t.lfn: t for job in made.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers}
    assert [f"{bench.path}/wf-output/out"] == [place.url for place in outs["out.markab-tree"].destinations]
    assert made["tool_a"].tasks[0].arguments == "data/ out/"
    assert ["out.markab-tree"] == [file.lfn for file in made["tool_b"].inputs]
    assert "tool_a" in made.ancestors("tool_b")
    removed = {lfn for job in made.jobs for lfn in job.removes}
    assert {"data.markab-tree", "out.markab-tree"} <= removed


def test_a_directory_is_neither_linked_to_nor_fetched_by_the_job(bench: Bench) -> None:
    bench.replicas[0]["pfns"][0]["site"] = "condorpool"
    properties = {"pegasus.transfer.links": "true", "pegasus.transfer.bypass.input.staging": "true"}
    made = bench.plan(task("a", "data/"), properties=properties)
    (into,) = (t for job in made.jobs if job.kind is Kind.STAGE_IN for t in job.transfers)
    assert not into.link
    assert [] == made["tool_a"].inputs[0].sources


@pytest.mark.parametrize(
    ("pfn", "why"),
    [
        ("/none/such", "/none/such (no such directory)"),
        ("{path}/data/data/a", "{path}/data/data/a (not a directory)"),
        ("http://example.org/data/", "http://example.org/data/ (a directory must be on this machine)"),
    ],
)
def test_a_replica_of_a_directory_is_a_directory_of_this_machine(bench: Bench, pfn: str, why: str) -> None:
    bench.replicas[0]["pfns"][0]["pfn"] = pfn.format(path=bench.path)
    expected = (
        f"file 'data/' has no replica that can be used: {why.format(path=bench.path)} (needed by task 'a')"
    )
    assert [expected] == problems_of(bench, task("a", "data/"))


def test_a_directory_without_a_replica_is_named_as_it_was_declared(bench: Bench) -> None:
    assert ["file 'other/' has no replica and no job makes it (needed by 'a')"] == problems_of(
        bench, task("a", "other/")
    )


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            {"lfn": "d/", "type": "checkpoint"},
            "'d/' of job 'a' is a directory, which cannot have 'checkpoint'",
        ),
        (
            {"lfn": "d/", "type": "input", "executable": True},
            "'d/' of job 'a' is a directory, which cannot have 'executable'",
        ),
        (
            {"lfn": "d/", "type": "input", "bypass": True},
            "'d/' of job 'a' is a directory, which cannot have 'bypass'",
        ),
    ],
)
def test_what_only_files_can_have_is_refused(bench: Bench, use: dict[str, Any], message: str) -> None:
    assert [message] == problems_of(bench, task("a", uses=[use]))


def test_no_file_is_in_a_directory_of_the_workflow_and_no_stream_is_one(bench: Bench) -> None:
    assert [
        "stdout of job 'b' is a directory: 'log/'",
        "file 'out/x' needs a directory 'out', which is an input or output as a whole of this workflow",
    ] == problems_of(bench, task("a", makes="out/"), task("b", makes="out/x", stdout="log/"))


def test_a_directory_is_delivered_on_this_machine_only(bench: Bench) -> None:
    (bench.path / "m").write_text('d/ http://example.org/d site="local"\n')
    (found,) = problems_of(bench, task("a", makes="d/"), output_map=Path("m"))[:1]
    assert "directory 'd/' cannot be delivered to 'http://example.org/d': it is not on this machine" == found


def test_an_output_map_gives_a_directory_its_place(bench: Bench) -> None:
    (bench.path / "m").write_text(f'd/ {bench.path}/mapped/dd/ site="local"\n')
    made = bench.plan(task("a", makes="d/"), output_map=Path("m"))
    (out,) = (t for job in made.jobs if job.kind is Kind.STAGE_OUT for t in job.transfers)
    assert [f"{bench.path}/mapped/dd"] == [place.url for place in out.destinations]


def test_a_directory_below_an_input_directory_is_an_input_as_a_whole(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (tmp_path / "in" / "masks").mkdir(parents=True)
    (tmp_path / "in" / "masks" / "1.png").write_text("x")

    made = bench.plan(task("a", reads="masks/"), input_dirs=[Path("in")])

    (job,) = [job for job in made.jobs if job.kind is Kind.STAGE_IN]
    assert [f"{tmp_path}/in/masks"] == [source.url for source in job.transfers[0].sources]
