from pathlib import Path

import pytest

from markab.errors import PlanningError, Problem
from markab.planner.document_places import placed_problems
from markab.planner.options import PlanOptions
from markab.planner.planning import dry_run

WORKFLOW = """\
pegasus: 5.0.4
name: w
transformationCatalog:
  transformations:
  - name: tool
    sites: [{name: condorpool, type: installed, pfn: /not/there}]
jobs:
- {type: job, name: "true", id: a, arguments: ["x 'y"], uses: []}
- {type: job, name: tool, id: b, arguments: [], uses: []}
- type: job
  name: "true"
  id: c
  arguments: []
  uses:
  - {lfn: f, type: input}
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "workflow.yml"
    path.write_text(WORKFLOW)
    return path


def test_each_problem_of_planning_has_the_line_of_what_it_names(document: Path) -> None:
    with pytest.raises(PlanningError) as caught:
        dry_run(PlanOptions(workflow=document, directory=document.parent))

    found = {problem.kind: (problem.file, problem.line) for problem in caught.value.problems}
    assert found == {
        "arguments": (str(document), 8),
        "missing-executable": (str(document), 5),
        "missing-input": (str(document), 15),
    }


def test_a_problem_that_names_nothing_of_the_documents_has_no_place(document: Path) -> None:
    problems = [Problem("site 'moon' is not in the site catalog"), Problem("--until 'x': no such task")]

    assert [problem.where for problem in placed_problems(problems, document, [])] == ["", ""]


def test_a_problem_keeps_the_place_that_it_has(document: Path) -> None:
    problem = Problem("the value of task 'a' is wrong", file="pegasus.properties", line=3)

    assert placed_problems([problem, Problem("task 'b' fails")], document, []) == [
        problem,
        Problem("task 'b' fails", file=str(document), line=9),
    ]


def test_a_workflow_that_is_gone_has_no_places(tmp_path: Path) -> None:
    assert placed_problems([Problem("task 'a' fails")], tmp_path / "gone.yml", []) == [
        Problem("task 'a' fails")
    ]


def test_of_catalogs_those_that_are_gone_have_no_places(document: Path) -> None:
    sites = document.with_name("sites.yml")
    sites.write_text("pegasus: 5.0.4\nsites:\n- name: a\n- name: moon\n")
    problem = Problem("site 'moon' has no scratch")

    found = placed_problems([problem], document, [sites.with_name("gone.yml"), sites])

    assert found == [Problem("site 'moon' has no scratch", file=str(sites), line=4)]
