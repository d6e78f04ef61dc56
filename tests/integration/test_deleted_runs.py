"""`markab clean` after real runs, with all that reports leave in a submit directory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from integration.tools import job_line, markab, plan, script, write_workflow


@pytest.mark.integration
@pytest.mark.usefixtures("own_home")
def test_all_that_a_run_and_its_reports_leave_is_known_and_goes(tmp_path: Path) -> None:
    talk = script(tmp_path / "talk.sh", "#!/bin/sh\nseq 100000; echo x > $1; [ $1 = good ]\n")
    jobs = [job_line(name, "talk", name, outputs=[name]) for name in ("good", "bad")]
    place = {"name": "condorpool", "type": "installed", "pfn": str(talk)}
    catalog = {"transformations": [{"name": "talk", "sites": [place]}]}
    run = plan(write_workflow(tmp_path, jobs, transformationCatalog=catalog), "-o", "local", cwd=tmp_path)
    assert markab("run", run, cwd=tmp_path, check=False).returncode == 14
    markab("run", "--detach", run, cwd=tmp_path)
    for words in (
        ["wait"],
        ["statistics", run, "-o", run / "statistics"],
        ["report", run],
        ["logs", run, "bad", "-f"],
    ):
        markab(*words, cwd=tmp_path, check=False)
    markab("remove", run, cwd=tmp_path, check=False)

    assert markab("clean", "--state", "failed,removed,halted", cwd=tmp_path).stdout.startswith(" ")
    found = json.loads(markab("clean", run, "-J", cwd=tmp_path, check=False).stdout)
    assert [one["why_kept"] for one in found] == [""] and found[0]["scratch"]
    done = markab("clean", run, "--yes", cwd=tmp_path)
    assert done.stdout.splitlines()[-1].startswith("1 run, ") and not run.exists()
    assert not os.path.exists(found[0]["scratch"][0]["place"])
    assert (tmp_path / "wf-output/good").read_text() == "x\n"
    assert markab("runs", cwd=tmp_path).stdout == ""


@pytest.mark.integration
def test_a_run_without_its_scratch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    step = script(tmp_path / "step.sh", f"#!/bin/sh\ncat > $1 && [ -e {tmp_path}/ok -o $1 = a ]\n")
    first = job_line("a", "step", "a", outputs=["a"])
    second = job_line("b", "step", "b", inputs=["a"], outputs=["b"])
    place = {"name": "condorpool", "type": "installed", "pfn": str(step)}
    catalog = {"transformations": [{"name": "step", "sites": [place]}]}
    workflow = write_workflow(tmp_path, [first, second], transformationCatalog=catalog)
    run = plan(workflow, "-o", "local", cwd=tmp_path)
    markab("run", run, cwd=tmp_path, check=False)
    markab("clean", run, "--scratch-only", "--yes", cwd=tmp_path)
    (tmp_path / "ok").touch()
    markab("run", run, cwd=tmp_path)
    assert (tmp_path / "wf-output/b").exists()
