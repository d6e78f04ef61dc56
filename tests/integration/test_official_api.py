"""The API of `pegasus-wms.api` and ours, asked the same: they write the same documents."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.official_packages import python_with
from integration.tools import environment
from markab.planner.options import PlanOptions
from markab.planner.planning import plan

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).parent / "random_documents.py"
NUMBER = 1200


def answers(python: Path | str, **variables: str) -> list[dict[str, Any]]:
    words = [str(python), str(SCRIPT), "0", str(NUMBER)]
    done = subprocess.run(words, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_random_workflows_and_catalogs_are_written_as_the_official_api_writes_them(tmp_path: Path) -> None:
    theirs = answers(python_with("pegasus-wms.api"), PATH="/usr/bin:/bin", HOME=str(tmp_path))
    ours = answers(sys.executable, **environment())

    assert [answer for answer, own in zip(theirs, ours, strict=True) if answer != own] == []
    assert sum(answer["document"] is not None for answer in theirs) > NUMBER * 0.9
    assert {"TypeError", "ValueError", "DuplicateError"} & {
        name for answer in theirs for name in answer["raised"]
    }


def test_every_property_that_the_official_package_lists_is_listed(tmp_path: Path) -> None:
    words = ["-c", "from Pegasus.api import Properties; Properties.ls()"]
    ours, theirs = (
        subprocess.run([python, *words], env=variables, stdout=subprocess.PIPE, text=True, check=True).stdout
        for python, variables in (
            (sys.executable, environment()),
            (python_with("pegasus-wms.api"), {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}),
        )
    )
    assert len(theirs.split()) == 191
    assert set(theirs.split()) - set(ours.split()) == set()


def test_the_official_class_reads_the_braindump_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "workflow.yml").write_text(
        'pegasus: "5.0"\nname: one\njobs: [{id: a, type: job, name: "true"}]\n'
    )
    run = plan(PlanOptions(workflow="workflow.yml", directory=tmp_path)).submit_dir
    assert run is not None
    code = "import Pegasus.braindump as b, sys; print(b.load(open(sys.argv[1])).submit_dir)"
    words = [python_with("pegasus-wms.common"), "-c", code, run / "braindump.yml"]
    assert f"{run}\n" == subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
