"""Projects with one defect each: the linter finds it, and finds nothing in the projects without one."""

from pathlib import Path

import pytest

from kit.workflow_mutants import KINDS, OF_THE_MEANING, build, mutants
from markab import operations
from markab.planner.options import PlanOptions

OF_THE_FORM = [kind for kind in KINDS if kind not in OF_THE_MEANING]


def is_found(directory: Path) -> bool:
    return operations.lint(PlanOptions(workflow=Path("workflow.yml"), directory=directory)).is_failed()


def missed(templates: list[str], number: int, place: Path, step: int = 1) -> list[tuple[str, str]]:
    projects = {name: build(name, place / name) for name in templates}
    assert [name for name, directory in projects.items() if is_found(directory)] == []
    projects.pop(
        "sub-workflows", None
    )  # its documents and catalogs are several files, and defects are put into one
    made = mutants(projects, number, place / "mutants", kinds=OF_THE_FORM[::step])
    return [(template, kind) for template, kind, directory in made if not is_found(directory)]


def test_defects_are_found_and_clean_projects_are_clean(tmp_path: Path) -> None:
    assert missed(["map-merge"], 11, tmp_path, step=4) == []


@pytest.mark.integration
def test_nearly_all_defects_of_every_kind_and_template_are_found(tmp_path: Path) -> None:
    found = missed(list(operations.TEMPLATES), 200, tmp_path)

    # An option whose default is the same, the last job, and a file that is left out everywhere are no defects of the form.
    assert {kind for _, kind in found} <= {"dropped_option", "dropped_job", "forgotten_part"}
    assert len(found) <= 200 * 0.05
