"""What is requested and not given is said when planning: once each, with the number of jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, Entry, task
from markab.errors import PlanningError
from markab.planner import site_executors
from markab.planner.planning import dry_run, plan
from markab.planner.site_executors import EXECUTORS, TITLES
from markab.spec.key_lines import line_of_key
from markab.spec.profile_keys import CREDENTIALS, KEYS, Effect


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def add_site(bench: Bench, name: str, **keys: Any) -> None:
    path = bench.path / name
    servers = [{"url": f"file://{path}", "operation": "all"}]
    scratch = {"type": "sharedScratch", "path": str(path), "fileServers": servers}
    bench.sites.append({"name": name, "directories": [scratch], **keys})
    at = {"name": name, "type": "installed", "pfn": str(bench.path / "bin" / "tool")}
    bench.transformations[0]["sites"].append(at)


def warnings_of(bench: Bench, *tasks: Entry, **options: Any) -> list[str]:
    return [warning.message for warning in dry_run(bench.options(*tasks, **options)).warnings]


def test_requests_to_another_scheduler_are_named_once_with_their_jobs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_executors, "AVAILABLE", frozenset({"local"}))
    pegasus = {
        "style": "glite",
        "queue": "debug",
        "project": "p1",
        "runtime": "1200",
        "glite.arguments": "-x",
    }
    condor = {
        "grid_resource": "batch slurm",
        "requirements": "HasThing",
        "+Own": "1",
        "request_memory": "1 GB",
    }
    grids = [{"type": "batch", "contact": "host", "scheduler": "slurm"}]
    add_site(bench, "cluster", grids=grids, profiles={"pegasus": pegasus, "condor": condor})

    tasks = task("a"), task("b", profiles={"globus": {"maxtime": "1"}}), task("c")

    assert [
        "site 'cluster' asks for Slurm, which this version does not use: its jobs run on this machine "
        "(3 jobs, the first is 'a')",
        "profiles for HTCondor or a batch system do nothing, because no job goes there: "
        "pegasus.queue, pegasus.project, pegasus.glite.arguments, condor.requirements, condor.+Own "
        "(3 jobs, the first is 'a'), globus.maxtime (job 'b')",
    ] == warnings_of(bench, *tasks, sites=["cluster"])


def test_expressions_of_htcondor_are_named_where_a_number_would_have_an_effect(bench: Bench) -> None:
    condor = {"request_memory": "ifthenelse(x, 1, 2)", "request_cpus": "2", "requirements": "x"}
    found = warnings_of(bench, *(task(name, profiles={"condor": condor}) for name in "ab"))
    assert (
        "profile condor.request_memory is an expression of HTCondor, and counts as not given "
        "(2 jobs, the first is 'a')"
    ) in found
    assert len(found) == 2 and "condor.requirements" in found[0]


def test_many_different_requests_are_named_in_part(bench: Bench) -> None:
    tasks = [task(f"t{n}", profiles={"condor": {f"+Own{n}": "1"}}) for n in range(30)]
    [message] = warnings_of(bench, *tasks)
    assert message.endswith("condor.+Own19 (job 't19'), and 10 more")


def test_what_is_there_by_convention_is_no_request(bench: Bench) -> None:
    add_site(bench, "plain")
    assert [] == warnings_of(bench, task("a")) == warnings_of(bench, task("a"), sites=["plain"])


def test_every_executor_has_a_name_for_messages() -> None:
    assert set(TITLES) == set(EXECUTORS.values()) - {"local"}


def test_a_style_that_is_none_is_named_with_the_likely_one(bench: Bench) -> None:
    add_site(bench, "cluster", profiles={"pegasus": {"style": "gliet"}})
    [style, site] = dry_run(bench.options(task("a"), sites=["cluster"])).warnings
    assert "pegasus.style of site 'cluster' is 'gliet', which is no style" in style.message
    assert style.hint == "did you mean 'glite'?" and "asks for HTCondor" in site.message


def test_keys_that_nothing_knows_have_the_likely_one_their_file_and_line(bench: Bench) -> None:
    profiles = {"pegasus": {"memroy": "2GB"}, "env": {"memroy": "b"}, "dagman": {"RETYR": "3"}}
    options = bench.options(
        *(task(name, profiles=profiles) for name in "abc"),
        task("d", profiles={"condor": {"request_memroy": "1", "leave_in_queue": "true"}}),
        properties={"selector.execution.sit": "x"},
    )
    document = bench.path / "workflow.yml"
    document.write_text(json.dumps(json.loads(document.read_text()), indent=1))
    lines = document.read_text().splitlines()
    found = [one for one in dry_run(options).warnings if one.kind == "unknown-profile"]

    assert [
        (
            "profile pegasus.memroy is not known, and does nothing (3 jobs, the first is 'a')",
            "did you mean 'memory'?",
        ),
        (
            "profile dagman.RETYR is not known, and does nothing (3 jobs, the first is 'a')",
            "did you mean 'RETRY'?",
        ),
        (
            "profile condor.request_memroy is not known, and does nothing (job 'd')",
            "did you mean 'request_memory'?",
        ),
    ] == [(one.message, one.hint) for one in found if "selector" not in one.message]
    for one, key in zip(
        (one for one in found if "selector" not in one.message),
        ("memroy", "RETYR", "request_memroy"),
        strict=True,
    ):
        assert one.file == str(document) and f'"{key}"' in lines[one.line - 1]
    [selector] = [one for one in found if "selector" in one.message]
    assert selector.hint == "did you mean 'execution.site'?" and selector.where == ""


def test_a_key_of_a_properties_file_has_its_line(bench: Bench) -> None:
    (bench.path / "pegasus.properties").write_text("# one\nglobus.maxtim = 3\n")
    [warning] = dry_run(bench.options(task("a"))).warnings
    assert warning.where == f"{bench.path}/pegasus.properties:2"
    assert warning.hint == "did you mean 'maxtime'?"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nprofiles: {pegasus: {memroy: 2}}\n", 2),
        ("a: 1\n\nb:\n  memroy : 2\n", 4),
        ('{"a":\n{"memroy": 2}}', 2),
        ("<a>\n<profile namespace='pegasus' key='memroy'>2</profile></a>", 2),
        ("a: memroy\nb: [memroy]\nc: xmemroy\nxmemroy: 1", 0),
    ],
)
def test_a_key_is_found_in_every_kind_of_document(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "document").write_text(text)
    assert line_of_key(tmp_path / "document", "memroy") == line
    assert line_of_key(tmp_path / "none", "memroy") == 0


def test_keys_that_the_planner_sets_itself_and_those_of_later_versions_are_named_once(bench: Bench) -> None:
    profiles = {"condor": {"arguments": "x", "environment": "y"}}
    profiles["pegasus"] = {
        "relative.dir": "/e",
        "worker_node_directory": "/w",
        "cores": "1",
        "clusters.size": "3",
    }
    found = dry_run(bench.options(task("a", profiles=profiles), task("b", profiles=profiles))).warnings

    of = "(2 jobs, the first is 'a')"
    assert {
        (f"profile condor.arguments is ignored: the planner sets it {of}", "remove it"),
        (f"profile condor.environment is ignored: the planner sets it {of}", "use env profiles"),
        (f"profile pegasus.worker.node.directory does nothing in this version {of}", ""),
        (f"profile pegasus.relative.dir is ignored: the planner sets it {of}", "remove it"),
    } == {(one.message, one.hint) for one in found}
    assert len(found) == 4


def contained(bench: Bench, *tasks: Entry, **options: Any) -> Any:
    """Return the options of a workflow whose catalog has a container."""
    made = bench.options(*tasks, **options)
    path = bench.path / "transformations.yml"
    box = {"name": "box", "type": "docker", "image": "docker://python:3.12"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"containers": [box]}))
    return made


def test_a_container_that_cannot_be_started_is_one_line_whatever_the_jobs_and_where_they_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry is good for every site, so what is wrong is the container, and not the site."""
    monkeypatch.setenv("PATH", str(bench.path))
    (at,) = bench.transformations[0]["sites"]
    at |= {"name": "elsewhere", "container": "box", "pfn": "/in/the/image/tool"}
    bench.transformations.append({"name": "other", "sites": [at]})
    tasks = [task("a"), task("b", profiles={"env": {"B": "1"}}), task("c", tool="other")]
    message = (
        "container 'box' (for 'tool', 'other') cannot be started: "
        "docker or podman is not on PATH (3 jobs, the first is 'a')"
    )

    with pytest.raises(PlanningError) as caught:
        plan(contained(bench, *tasks))
    assert [message] == [problem.message for problem in caught.value.problems]
    assert [message] == [warning.message for warning in dry_run(contained(bench, *tasks)).warnings]


def test_every_profile_key_has_one_effect_and_those_that_are_read_are_named_in_the_code() -> None:
    source = Path(__file__).parents[2] / "src" / "markab"
    folders = (source / "spec", source / "planner")
    files = [path for folder in folders for path in folder.glob("*.py") if path.name != "profile_keys.py"]
    code = "\n".join(path.read_text() for path in files)
    for namespace, keys in KEYS.items():
        for key, effect in keys.items():
            if effect is Effect.READ and key not in CREDENTIALS:  # each of these has a test of its own
                assert f'"{key}"' in code or f'"{namespace}.{key}"' in code, (
                    f"{namespace}.{key} is read nowhere"
                )


def test_a_limit_of_a_category_that_no_job_has_is_named_with_the_likely_one(bench: Bench) -> None:
    (bench.path / "pegasus.properties").write_text(
        "dagman.databse.maxjobs = 2\ndagman.database.maxjobs = 2\ndagman.stage-in.maxjobs = 3\ndagman.maxjobs = 9\n"
    )
    [warning] = dry_run(bench.options(task("a", profiles={"dagman": {"category": "database"}}))).warnings
    assert str(warning) == (
        f"{bench.path}/pegasus.properties:1: property 'dagman.databse.maxjobs' limits nothing: "
        "no job has the category 'databse'"
    )
    assert warning.hint == "did you mean 'database'?"


@pytest.mark.parametrize(
    "profiles", [{"selector": {"execution.site": "two"}}, {"hints": {"execution_site": "two"}}]
)
def test_a_job_chooses_its_site_in_every_spelling_of_the_profile(bench: Bench, profiles: Any) -> None:
    add_site(bench, "one")
    add_site(bench, "two")
    tasks = [task(f"t{n}", profiles=profiles) for n in range(5)]
    made = bench.plan(*tasks, sites=["one", "two"])
    assert {"two"} == {made[f"tool_t{n}"].site for n in range(5)} and [] == made.planned.warnings
