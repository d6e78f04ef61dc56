"""What the cleanup `constraint` makes of sizes and bounds, and what it says when they are wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, Entry, MadePlan, task
from markab.errors import DocumentError, PlanningError
from markab.plan.model import Kind
from markab.planner.planning import dry_run, plan

CONSTRAINT = "pegasus.file.cleanup.constraint"
BOUND = f"{CONSTRAINT}.maxspace"


def chain(*sizes: int | None, **keys: Any) -> list[Entry]:
    """Return tasks of which each reads what the one before it made; the files have these sizes."""
    tasks = []
    for number, size in enumerate(sizes):
        entry = task(f"t{number}", f"f{number - 1}" if number else "", f"f{number}", **keys)
        entry["uses"][-1]["stageOut"] = number == len(sizes) - 1
        if size is not None:
            entry["uses"][-1]["size"] = size
        tasks.append(entry)
    return tasks


def bounded(bench: Bench, tasks: list[Entry], bound: str, **properties: str) -> MadePlan:
    return bench.plan(*tasks, cleanup="constraint", properties={BOUND: bound, **properties})


def test_a_job_that_cannot_fit_is_named_with_what_it_lacks_and_a_bound_that_is_enough(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tasks = chain(4000, 3000, 2000)

    with pytest.raises(PlanningError) as caught:
        bounded(bench, tasks, "10000")

    (problem,) = caught.value.problems
    assert problem.message == (
        "the run does not fit into the bound of 9.8 KB (10,000 bytes) on the scratch of site 'local': job 't1' needs "
        "10.7 KB (11,000 bytes) for its own files at one time, 1.0 KB (1,000 bytes) too many"
    )
    found = re.search(r"-D (\S+)=(\d+)`", problem.hint)
    assert found
    made = bench.plan(*tasks, cleanup="constraint", properties={found[1]: found[2]})
    assert made.header.scratch["local"].most_bytes == int(found[2]) == 11000


def test_the_files_that_others_need_count_too(tmp_path: Path) -> None:
    """Three jobs fit each, but the files of the first two are needed to the end."""
    tasks = [task("a", "", "fa"), task("b", "", "fb"), task("c", "", "fc"), task("z", "fa fb fc", "fz")]
    for entry, size in zip(tasks, (1000, 1000, 1000, 0), strict=True):
        entry["uses"][-1]["size"] = size
    bench = Bench(tmp_path)

    with pytest.raises(PlanningError, match="job 'z' needs 5.9 KB"):
        bounded(bench, tasks, "2500", **{"pegasus.data.configuration": "condorio"})


def test_amounts_may_have_units_and_wrong_ones_are_all_named(tmp_path: Path) -> None:
    made = bounded(Bench(tmp_path), chain(10), "1.5 MB")
    assert made.header.scratch["local"].most_bytes == 3 * 2**19

    with pytest.raises(DocumentError) as caught:
        (tmp_path / "other").mkdir()
        wrong = {f"{CONSTRAINT}.local.maxspace": "12 parsecs", "markab.cleanup.assumed.size": "-1"}
        bounded(Bench(tmp_path / "other"), chain(10), "1..2", **wrong)
    found = [problem.message for problem in caught.value.problems]
    assert len(found) == 3
    assert all("it must be a number of bytes, or an amount such as '20 GB'" in message for message in found)


def test_the_bound_of_a_site_wins_over_that_for_all(tmp_path: Path) -> None:
    made = bounded(Bench(tmp_path), chain(10), "1 MB", **{f"{CONSTRAINT}.local.maxspace": "2 MB"})

    assert made.header.scratch["local"].most_bytes == 2 * 2**20


def test_a_bound_that_can_have_no_effect_is_a_warning(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    made = bounded(bench, chain(10), "1 MB", **{f"{CONSTRAINT}.locl.maxspace": "100"})
    (warning,) = [one for one in made.planned.warnings if one.kind == "scratch-bound"]
    assert warning.message == f"property '{CONSTRAINT}.locl.maxspace' does nothing: there is no site 'locl'"
    assert warning.hint == "did you mean 'local'?"

    made = bench.plan(
        *chain(10), cleanup="leaf", properties={BOUND: "1 MB", f"{CONSTRAINT}.local.maxspace": "9"}
    )
    assert [one.message for one in made.planned.warnings if one.kind == "scratch-bound"] == [
        f"property {key!r} does nothing: the cleanup strategy is 'leaf'"
        for key in (BOUND, f"{CONSTRAINT}.local.maxspace")
    ]


def test_files_of_unknown_size_are_named_with_what_is_assumed(tmp_path: Path) -> None:
    made = bounded(Bench(tmp_path), chain(10, None, None), "1 GB", **{"markab.cleanup.assumed.size": "3 MB"})

    (warning,) = [one for one in made.planned.warnings if one.kind == "unknown-size"]
    assert "the size of 2 files is not known, and taken to be 3.0 MB each" in warning.message
    assert "'f1', 'f2'" in warning.message
    space = made["tool_t1"].space
    assert space is not None
    assert space.adds_bytes == 3 * 2**20


def test_a_size_comes_from_the_use_then_metadata_then_the_table_then_earlier_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tasks = chain(1, None, None, None)
    tasks[1]["uses"][-1]["metadata"] = {"size": "2 KB"}
    (tmp_path / "sizes.csv").write_text("lfn,size\nf0,500\nf1,500\nf2,3\n")
    options = bench.options(
        *tasks,
        cleanup="constraint",
        output_sites=["local"],
        properties={f"{CONSTRAINT}.csv": "sizes.csv"},
    )

    def recorded(workflow: str) -> Mapping[str, int]:
        assert workflow == "w"
        return {"f1": 7, "f2": 7, "f3": 4}

    planned = dry_run(options, recorded_sizes=recorded)

    # While t2 runs there are f0, whose byte nothing needs, f1, which is 2 KB, a copy of that, and f2.
    assert planned.summary.scratch["local"].predicted_bytes == 1 + 2048 + 2048 + 3
    assert [one for one in planned.warnings if one.kind == "unknown-size"] == []


def test_a_wrong_line_of_the_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "sizes.csv").write_text("f0,12\nf1\nf2,a lot\n,5\nf0,13\nf3,1,2\n")

    with pytest.raises(PlanningError) as caught:
        bounded(Bench(tmp_path), chain(None), "1 GB", **{f"{CONSTRAINT}.csv": "sizes.csv"})
    assert [(one.line, one.message.split(" is not")[0]) for one in caught.value.problems] == [
        (2, "'f1'"),
        (3, "'f2,a lot'"),
        (4, "',5'"),
        (5, "'f0,13'"),
        (6, "'f3,1,2'"),
    ]

    with pytest.raises(PlanningError, match="the table cannot be read: No such file"):
        (tmp_path / "other").mkdir()
        bounded(Bench(tmp_path / "other"), chain(None), "1 GB", **{f"{CONSTRAINT}.csv": "gone.csv"})


def test_metadata_that_is_no_size_does_not_count_and_is_named(tmp_path: Path) -> None:
    tasks = chain(None)
    tasks[0]["uses"][-1]["metadata"] = {"size": "large"}

    made = bounded(Bench(tmp_path), tasks, "1 GB")

    assert any("metadata 'size' of file 'f0' is 'large'" in one.message for one in made.planned.warnings)


def test_results_that_stay_in_scratch_are_counted_and_never_removed(tmp_path: Path) -> None:
    made = Bench(tmp_path).plan(*chain(100, 200), cleanup="constraint", output_sites=[])

    assert [lfn for job in made.jobs for lfn in job.removes] == ["f0"]
    space = made["tool_t1"].space
    assert space is not None
    assert space.kept_bytes == {"f1": 200}


def test_files_outside_scratch_are_never_removed(tmp_path: Path) -> None:
    """Inputs that bypass scratch are not in it."""
    bench = Bench(tmp_path)
    bench.has("raw", "other")
    scratch = str(tmp_path / "scratch")
    directory = {
        "type": "sharedScratch",
        "path": scratch,
        "fileServers": [{"url": f"file://{scratch}", "operation": "all"}],
    }
    bench.sites.append({"name": "condorpool", "directories": [directory]})
    for replica in bench.replicas:
        replica["pfns"][0]["site"] = "condorpool"
    entry = task("t", "raw other", "made")
    entry["uses"][0]["bypass"] = True

    made = bench.plan(entry, cleanup="constraint", properties={"pegasus.data.configuration": "nonsharedfs"})

    assert {"other", "made"} == {lfn for job in made.jobs for lfn in job.removes}
    assert (tmp_path / "data" / "raw").exists()


@pytest.mark.parametrize(
    ("properties", "groups"),
    [
        ({}, [3, 4, 4]),
        ({"pegasus.file.cleanup.clusters.size": "4"}, [3, 4, 4]),
        ({"pegasus.file.cleanup.clusters.num": "1"}, [11]),
        ({"pegasus.file.cleanup.clusters.num": "20"}, [1] * 11),
    ],
)
def test_the_cleanup_jobs_of_a_level_are_as_many_as_properties_say(
    tmp_path: Path, properties: dict[str, str], groups: list[int]
) -> None:
    tasks = [task(f"t{number}", "", f"f{number}") for number in range(11)]
    for entry in tasks:
        entry["uses"][-1]["stageOut"] = False

    made = Bench(tmp_path).plan(*tasks, cleanup="inplace", properties=properties)

    found = sorted(len(job.removes) for job in made.jobs if job.kind is Kind.CLEANUP and job.removes)
    assert found == groups


@pytest.mark.parametrize("scope", ["fullahead", "deferred"])
def test_with_sub_workflows_files_are_removed_early_only_when_that_is_asked_for(
    tmp_path: Path, scope: str
) -> None:
    bench = Bench(tmp_path)
    bench.has("inner.yml")
    inner = {"type": "pegasusWorkflow", "id": "inner", "file": "inner.yml", "arguments": [], "uses": []}
    first = task("t", "", "f")
    first["uses"][-1]["stageOut"] = False
    options = bench.options(first, inner, cleanup="inplace", properties={"pegasus.file.cleanup.scope": scope})

    assert (dry_run(options).summary.deletions == 0) == (scope == "fullahead")


def test_the_plan_is_the_same_each_time(tmp_path: Path) -> None:
    texts = []
    bench = Bench(tmp_path)
    bench.has("raw")
    tasks = [task(f"t{n}", f"f{n - 1} raw" if n else "raw", f"f{n} g{n}") for n in range(8)]
    for _ in range(2):
        options = bench.options(
            *tasks, cleanup="constraint", relative_dir="run", force_replan=True, output_sites=["local"]
        )
        planned = plan(options)
        assert planned.submit_dir is not None
        texts.append((planned.submit_dir / "plan.jsonl").read_text())
        for path in sorted(planned.submit_dir.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        planned.submit_dir.rmdir()
    assert texts[0] == texts[1]
