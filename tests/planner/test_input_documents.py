"""Reading what the planner is given: one call names the errors of all documents, options and passes, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.planned_workflow import Bench, Entry, task
from markab.errors import DocumentError, MarkabError, PlanningError, Problem, StorageError
from markab.planner.planning import dry_run


@dataclass
class Request:
    """A workflow with its catalogs and options, all right until faults change them."""

    path: Path
    jobs: list[Entry] = field(default_factory=list)
    workflow: Entry = field(default_factory=dict)
    catalogs: dict[str, list[Entry]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)

    def problems(self) -> list[Problem]:
        """Return what planning says is wrong."""
        bench = Bench.__new__(Bench)
        bench.path, bench.replicas, bench.containers = self.path, self.catalogs["replicas"], []
        bench.sites, bench.transformations = self.catalogs["sites"], self.catalogs["transformations"]
        options = bench.options(
            *self.jobs, workflow=self.workflow, properties=self.properties, **self.options
        )
        try:
            dry_run(options)
        except (DocumentError, PlanningError) as error:
            return list(error.problems)
        except StorageError as error:
            return [Problem(error.message, error.hint, kind="unreadable")]
        return []


def make_request(path: Path) -> Request:
    path.mkdir(exist_ok=True)
    (path / "in.txt").write_text("x\n")
    tool = path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    place = {"path": str(path / "scratch"), "type": "sharedScratch"}
    served = {**place, "fileServers": [{"url": f"file://{path}/scratch", "operation": "all"}]}
    return Request(
        path,
        [task("a", reads="in", makes="mid"), task("b", reads="mid", makes="out"), task("c", makes="other")],
        {"jobDependencies": [{"id": "a", "children": ["c"]}]},
        {
            "replicas": [{"lfn": "in", "pfns": [{"site": "local", "pfn": str(path / "in.txt")}]}],
            "sites": [{"name": "here", "directories": [served]}],
            "transformations": [
                {"name": "tool", "sites": [{"name": "here", "type": "installed", "pfn": str(tool)}]}
            ],
        },
        {"output_sites": ["local"]},
    )


def _with(entry: Entry, **keys: Any) -> None:
    entry.update(keys)


FAULTS: dict[str, Callable[[Request], object]] = {
    "unknown job": lambda it: it.workflow["jobDependencies"].append({"id": "a", "children": ["nobody"]}),
    "bad name": lambda it: _with(it.workflow, name="a b"),
    "bad lfn": lambda it: it.jobs.append(task("d", reads="../x", makes="d1")),
    "read and made": lambda it: it.jobs.append(task("e", reads="in", makes="in2 in")),
    "unknown transformation": lambda it: it.jobs.append({**task("f", makes="f1"), "name": "nonesuch"}),
    "missing input": lambda it: it.jobs.append(task("g", reads="absent", makes="g1")),
    "open quote": lambda it: it.jobs.append({**task("h", makes="h1"), "arguments": ["'"]}),
    "cycle": lambda it: it.jobs.extend([task("i", reads="j1", makes="i1"), task("j", reads="i1", makes="j1")]),
    "another cycle": lambda it: it.jobs.extend(
        [task("k", reads="l1", makes="k1"), task("l", reads="k1", makes="l1")]
    ),
    "requested site": lambda it: it.jobs.append(
        {**task("m", makes="m1"), "profiles": {"selector": {"execution.site": "mars"}}}
    ),
    "output site": lambda it: it.options["output_sites"].append("venus"),
    "cleanup": lambda it: _with(it.options, cleanup="zz"),
    "cluster": lambda it: _with(it.options, cluster=["zz"]),
    "property": lambda it: _with(it.properties, **{"pegasus.selector.site": "zz"}),
    "output map": lambda it: _with(it.options, output_map=Path("none.txt")),
    "mapper": lambda it: _with(it.properties, **{"pegasus.dir.storage.mapper": "Fixed"}),
    "profile": lambda it: _with(it.properties, **{"pegasus.memory": "much"}),
}  # fmt: skip
"""Each alone gives exactly one error."""


known: dict[str, set[str]] = {}
"""What is said of each fault alone, once it was asked."""


def _said(problems: Iterable[Problem]) -> set[str]:
    return {problem.message for problem in problems}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_one_error(tmp_path: Path, name: str) -> None:
    request = make_request(tmp_path)
    FAULTS[name](request)

    assert 1 == len(request.problems()), request.problems()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from(sorted(FAULTS)), min_size=2))
def test_one_call_names_what_each_fault_alone_would_give_and_nothing_else(
    tmp_path: Path, names: set[str]
) -> None:
    expected: set[str] = set()
    together = make_request(tmp_path)
    for name in sorted(names):
        if name not in known:
            alone = make_request(tmp_path)
            FAULTS[name](alone)
            known[name] = _said(alone.problems())
        expected |= known[name]
        FAULTS[name](together)

    assert expected == _said(together.problems())


def test_what_may_only_follow_from_a_wrong_catalog_is_not_said(tmp_path: Path) -> None:
    for catalog, entry in (
        ("sites", {"name": "there", "directory": []}),
        ("replicas", {"lfn": "x", "pfn": "/x"}),
        ("transformations", {"name": "other", "site": []}),
    ):
        request = make_request(tmp_path)
        request.jobs += [
            {**task("x", reads="absent", makes="x1"), "name": "nonesuch"},
            task("y", makes="x1"),
        ]
        request.catalogs[catalog].append(entry)
        request.options["sites"] = ["here"]
        problems = request.problems()
        certain = {
            "two jobs make a file": "two-producers",
            "file without replica": "missing-input",
            "no such program": "missing-executable",
        }
        if catalog == "replicas":
            del certain["file without replica"]
        if catalog == "transformations":
            del certain["no such program"]

        assert {*certain.values()} <= {problem.kind for problem in problems}, catalog
        others = [problem for problem in problems if problem.kind not in certain.values()]
        assert others and all(problem.file.endswith(f"{catalog}.yml") for problem in others), others


def test_a_file_whose_maker_is_wrong_is_not_called_missing(tmp_path: Path) -> None:
    request = make_request(tmp_path)
    request.jobs += [
        {**task("b", makes="lost"), "arguments": ["x" * 200_000]},
        task("z", reads="lost", makes="z1"),
    ]

    assert {"duplicate-id", "argument-too-long"} == {problem.kind for problem in request.problems()}


def test_of_a_workflow_with_an_unknown_key_only_that_is_said_which_the_key_cannot_change(
    tmp_path: Path,
) -> None:
    request = make_request(tmp_path)
    request.jobs[0]["usse"] = request.jobs[0].pop("uses")
    request.options["cleanup"] = "zz"

    assert ["unknown-key", "cleanup"] == [problem.kind for problem in request.problems()]


def test_a_workflow_that_is_not_there_hides_no_wrong_catalog_and_alone_is_an_error_of_storage(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    options = bench.options(task("a"))
    (tmp_path / "workflow.yml").unlink()
    with pytest.raises(StorageError):
        dry_run(options)
    (tmp_path / "sites.yml").write_text(json.dumps({"sites": [{"nam": "x"}]}))
    options.cleanup = "zz"

    with pytest.raises(MarkabError) as caught:
        dry_run(options)

    assert isinstance(caught.value, DocumentError)
    assert {"unreadable", "unknown-key", "missing-key"} == {each.kind for each in caught.value.problems}


def test_targets_that_are_understood_are_checked_though_another_is_not(tmp_path: Path) -> None:
    request = make_request(tmp_path)
    request.jobs += [task("n", reads="absent", makes="n1"), task("o", reads="also-absent", makes="o1")]
    request.workflow["jobDependencies"].append({"id": "a", "children": ["nobody"]})
    request.options["until"] = ["n1", "zz"]
    request.options["sites"] = ["zz"]

    assert ["unknown-job", "unknown-target", "unknown-site", "missing-input"] == [
        each.kind for each in request.problems()
    ]
