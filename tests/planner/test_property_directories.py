"""The properties `pegasus.dir.exec` and `pegasus.dir.storage`, and those that say where transfers run, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.engine.run import RunOptions, run
from markab.plan.model import Kind
from markab.planner.property_directories import with_property_directories
from markab.spec.model import Directory, FileServer, Site
from markab.spec.properties import Properties


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.has("in")
    bench.transformations[0]["sites"][0]["name"] = "local"
    return bench


@pytest.mark.parametrize(
    ("given", "path", "url"),
    [("runs/1", "/s/runs/1", "http://h/s/runs/1"), ("/other", "/other", "http://h/other")],
)
def test_a_directory_is_below_that_of_the_site_or_in_its_place(given: str, path: str, url: str) -> None:
    served = [FileServer("http://h/s", "all")]
    site = Site("a", directories=[Directory("sharedScratch", "/s", file_servers=served)])

    for key, kind in (("pegasus.dir.exec", "sharedScratch"), ("pegasus.dir.storage", "localStorage")):
        site.directories[0].type = kind  # type: ignore[assignment]
        changed = with_property_directories({"a": site}, Properties({key: given}))["a"].directories[0]
        other = "pegasus.dir.storage" if key.endswith("exec") else "pegasus.dir.exec"

        assert (path, url) == (changed.path, changed.file_servers[0].url)
        assert {"a": site} == with_property_directories({"a": site}, Properties({other: given}))


def test_scratch_and_results_of_a_run_are_where_the_properties_say(bench: Bench) -> None:
    properties = {"pegasus.dir.exec": str(bench.path / "fast"), "pegasus.dir.storage": "kept"}

    made = bench.plan(task("a", makes="x"), sites=["local"], properties=properties)

    scratch = made.header.sites["local"].scratch
    assert scratch is not None and scratch.path.startswith(f"{bench.path}/fast/")
    assert {"local": f"{bench.path}/wf-output/kept"} == made.header.outputs


def test_transfer_jobs_run_at_the_staging_sites_that_the_properties_name(bench: Bench) -> None:
    tool = str(bench.path / "bin" / "tool")
    (bench.path / "bin" / "tool").write_text("#!/bin/sh\necho 1 > x\n")
    place = str(bench.path / "there")
    served = [{"url": f"file://{place}", "operation": "all"}]
    bench.sites.append(
        {"name": "s2", "directories": [{"type": "sharedScratch", "path": place, "fileServers": served}]}
    )
    bench.transformations[0]["sites"] = [{"name": "s2", "type": "installed", "pfn": tool}]
    entry = task("a", reads="in", makes="x")
    there = {"sites": ["s2"], "workflow": {"profiles": {"pegasus": {"data.configuration": "sharedfs"}}}}

    made = bench.plan(entry, **there, properties={"pegasus.transfer.stagein.remote.sites": "far, s2"})

    assert [("stage_in_remote_s2_0_0", "s2")] == [
        (j.id, j.site) for j in made.jobs if j.kind is Kind.STAGE_IN
    ]
    assert ["stage_out_local_s2_0_0"] == made.names(Kind.STAGE_OUT)
    assert any("names the site 'far', which there is not" in each.message for each in made.planned.warnings)
    every = bench.plan(entry, **there, properties={"pegasus.transfer.*.remote.sites": "*"})
    assert ["stage_out_remote_s2_0_0"] == every.names(Kind.STAGE_OUT)
    assert every.planned.submit_dir is not None
    assert "success" == run(every.planned.submit_dir, RunOptions(cores=1)).state
    assert "1\n" == (bench.path / "wf-output" / "x").read_text()


def test_arguments_for_the_transfer_tool_say_how_many_files_move_at_once_and_how_often(bench: Bench) -> None:
    properties = {"pegasus.transfer.arguments": "-n 5 -m 4 -d", "pegasus.transfer.lite.arguments": "-n 6"}

    made = bench.plan(task("a", reads="in", makes="x"), sites=["local"], properties=properties)

    assert (5, 6, 4) == (
        made["stage_in_local_local_0_0"].threads,
        made["tool_a"].threads,
        made.header.transfer_attempts,
    )
    assert any("pegasus.transfer.arguments': -d has no effect" in w.message for w in made.planned.warnings)
    of_job = task("a", reads="in", profiles={"pegasus": {"transfer.arguments": "-n 7"}})
    assert 7 == bench.plan(of_job, sites=["local"])["stage_in_local_local_0_0"].threads


def test_the_parts_of_the_name_of_a_staged_program_are_joined_as_the_property_says(bench: Bench) -> None:
    tool = bench.transformations[0]
    tool["namespace"], tool["version"] = "ns", "2"
    tool["sites"][0]["type"] = "stageable"
    entry = task("a", namespace="ns", version="2")

    made = bench.plan(entry, sites=["local"], properties={"pegasus.transfer.staging.delimiter": "_"})

    assert "./ns_tool_2" == made["tool_a"].tasks[0].executable
