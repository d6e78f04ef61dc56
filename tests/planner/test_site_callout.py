"""A program of the user's that chooses the site of each job."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.planned_workflow import Bench, task
from markab.errors import DocumentError, PlanningError
from markab.plan.model import Kind
from markab.planner.site_callout import NoSolution, SiteQuestion, solution_in


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Two sites that share this machine; `only` is installed at b. Files of the program are in `tmp`."""
    bench = Bench(tmp_path)
    bench.has("in")
    path = bench.transformations[0]["sites"][0]["pfn"]
    bench.transformations[0]["sites"] = [{"name": s, "type": "installed", "pfn": path} for s in ("a", "b")]
    bench.transformations.append({"name": "only", "sites": [{"name": "b", "type": "installed", "pfn": path}]})
    for site in ("a", "b"):
        place = f"{tmp_path}/{site}"
        servers = [{"operation": "all", "url": f"file://{place}"}]
        directory = {"type": "sharedScratch", "path": place, "fileServers": servers}
        bench.sites.append({"name": site, "directories": [directory]})
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return bench


def placed(bench: Bench, script: str, **more: str) -> dict[str, str]:
    """Return the sites of t0, which makes f0, of t1, which reads it, and of `fixed`, which only b can run."""
    program = bench.options().directory / "choose"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    properties = {
        "pegasus.selector.site": "NonJavaCallout",
        "pegasus.selector.site.path": "choose",
        "pegasus.data.configuration": "sharedfs",
        **{f"pegasus.selector.site.{key}": value for key, value in more.items()},
    }
    tasks = [task("t0", "in", "f0"), task("t1", "in f0", "f1"), task("fixed", "f1", "f2", "only")]
    planned = bench.plan(*tasks, sites=["a", "b"], properties=properties)
    return {job.tasks[0].id: job.site for job in planned.jobs if job.kind is Kind.COMPUTE}


def files(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "tmp")


CHOOSE = 'case $(sed -n "s/^job.id=//p" $1) in t0) echo SOLUTION:b;; *) echo SOLUTION:a:any;; esac'


def test_each_job_with_a_choice_goes_where_the_program_says(bench: Bench, tmp_path: Path) -> None:
    assert placed(bench, "echo thinking\n" + CHOOSE) == {"t0": "b", "t1": "a", "fixed": "b"}
    assert files(tmp_path) == []


def test_the_program_learns_the_facts_of_a_job(bench: Bench, tmp_path: Path) -> None:
    placed(bench, CHOOSE, **{"keep.tmp": "Always"})

    texts = [(tmp_path / "tmp" / name).read_text() for name in files(tmp_path)]
    (text,) = (one for one in texts if "job.id=t1\n" in one)
    lines = text.splitlines()
    assert lines[:5] == ["version=2.0", "transformation=tool", "derivation=t1", "job.level=1", "job.id=t1"]
    sites = [line.split()[0] for line in lines if line.startswith("resource.id=")]
    assert sites == ["resource.id=a", "resource.id=b"]
    assert [line for line in lines if "input" in line] == ["input.lfn=in", "input.lfn=f0"]
    assert {"wf.index=0", "vo.name=NONE", "vo.group=NONE"} < set(lines)


def test_the_program_has_its_own_variables_and_the_working_directory(bench: Bench, tmp_path: Path) -> None:
    script = '[ "$HOW$PWD" = "well$(pwd)" -a -e choose ] && echo SOLUTION:a'

    assert placed(bench, script, **{"env.HOW": "well"})["t0"] == "a"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("true", "it printed no line that begins with 'SOLUTION:'"),
        ("echo SOLUTION:c", "it chose site 'c'; those that can run the job are 'a', 'b'"),
        ("echo SOLUTION:NONE", "it chose no site; those that can run the job are 'a', 'b'"),
        ("echo SOLUTION:a; echo no disk >&2; exit 3", "it ended with exit code 3: no disk"),
        ("kill -9 $$", "it was ended by signal 9"),
    ],
)
def test_without_a_site_there_is_no_plan_and_its_file_is_kept(
    bench: Bench, tmp_path: Path, script: str, why: str
) -> None:
    with pytest.raises(PlanningError) as caught:
        placed(bench, f"echo $1 >> called\n{script}")

    (problem,) = caught.value.problems
    assert f"chose no site for job 't0': {why}" in problem.message
    assert len(files(tmp_path)) == 1 and files(tmp_path)[0] in problem.message
    called = bench.options().directory / "called"
    assert len(called.read_text().splitlines()) == 1, "it is not called for the other jobs"


def test_no_file_is_kept_if_none_is_wanted(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(PlanningError):
        placed(bench, "exit 1", **{"keep.tmp": "never"})

    assert files(tmp_path) == []


def test_a_program_that_does_not_answer_is_ended_with_what_it_started(bench: Bench, tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(PlanningError, match="it gave no answer within 1 s"):
        placed(bench, "sleep 100 & echo SOLUTION:a; sleep 100", timeout="1")

    assert time.monotonic() - begin < 60


def test_a_program_that_cannot_be_started_is_named(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match="none' .*it cannot be started: No such file or directory"):
        placed(bench, "", path="none")


def test_what_is_wrong_with_its_properties_is_an_error_before_planning(bench: Bench) -> None:
    with pytest.raises(DocumentError) as caught:
        placed(bench, "", path=" ", timeout="soon", **{"keep.tmp": "sometimes"})

    said = " ".join(problem.message for problem in caught.value.problems)
    for part in ("it needs the property 'pegasus.selector.site.path' too", "'sometimes'", "'soon'"):
        assert part in said


@given(st.text(), st.text())
def test_a_name_cannot_add_a_line(name: str, lfn: str) -> None:
    facts = SiteQuestion(name, "t", 0, {"a": ""}, [lfn], "w", "0")

    keys = [line.partition("=")[0] for line in facts.text().split("\n")[:-1]]
    assert len(keys) == 13 and "=" in facts.text()


@given(st.text())
def test_whatever_it_prints_is_a_site_that_can_run_the_job_or_an_error(output: str) -> None:
    try:
        assert solution_in(output, ["a", "b"]) in ("a", "b")
    except NoSolution:
        pass


def test_a_program_that_leaves_a_process_with_its_output_is_not_waited_for(bench: Bench) -> None:
    assert placed(bench, "sleep 600 &\n" + CHOOSE, timeout="20")["t0"] == "b"
