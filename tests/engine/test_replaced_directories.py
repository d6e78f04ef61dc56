"""A job that replaces a directory of the scratch harms no file of the user's, and the remedy that is named works."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.engine.run import RunOptions, run
from markab.planner.planning import plan

SCRIPT = """#!/bin/sh
# READ MADE SCRATCH: makes a file, and the first time that MADE is "bad", replaces the directory d of the scratch
[ "$1" = raw ] && echo content > "$2" || cat "$1" > "$2"
if [ "$2" = bad ] && [ ! -e {flag} ]; then touch {flag}; rm -r "$3/d"; {replace} "$3/d"; fi
"""
PLACE = "root/run"


@pytest.mark.parametrize("data", ["condorio", "nonsharedfs", "sharedfs"])
@pytest.mark.parametrize("replace", ["ln -s {users}", "mkfifo", "touch"])
@pytest.mark.parametrize("cleanup", ["inplace", "none"])
def test_a_directory_of_the_scratch_is_replaced_while_the_run_goes_on(
    tmp_path: Path, data: str, replace: str, cleanup: str
) -> None:
    users = tmp_path / "users"
    users.mkdir()
    for name in ("first", "last"):
        (users / name).write_text("precious")
    bench = Bench(tmp_path)
    bench.has("raw")
    tool = {"name": "local", "type": "installed", "pfn": str(tmp_path / "bin/tool")}
    bench.transformations[0]["sites"].append(tool)
    scratch = tmp_path / "wf-scratch" / PLACE
    text = SCRIPT.replace("{replace}", replace.replace("{users}", str(users)))
    (tmp_path / "bin/tool").write_text(text.replace("{flag}", str(tmp_path / "flag")))
    steps = [("raw", "d/first"), ("d/first", "bad"), ("bad", "d/last")]
    tasks = [
        task(made.replace("/", "-"), read, made, arguments=[read, made, str(scratch)]) for read, made in steps
    ]
    properties = {"dagman.retry": "0", "pegasus.data.configuration": data}
    options = bench.options(
        *tasks,
        output_dir=tmp_path / "out",
        properties=properties,
        cleanup=cleanup,
        relative_dir=PLACE,
        sites=["local"],
    )
    submit_dir = plan(options).submit_dir
    assert submit_dir is not None

    outcome = run(submit_dir, RunOptions(cores=1))
    assert outcome.state == "failed"
    errors = [failure.error for failure in outcome.failed]
    assert any(f"'{scratch}/d' is a" in error["message"] for error in errors), errors
    assert any(f"rm -r '{scratch}/d'" in error.get("hint", "") for error in errors), errors
    assert {path.name: path.read_text() for path in users.iterdir()} == {
        "first": "precious",
        "last": "precious",
    }

    (scratch / "d").unlink()
    assert run(submit_dir, RunOptions(cores=1)).state == "success"
    assert {path.name: path.read_text() for path in users.iterdir()} == {
        "first": "precious",
        "last": "precious",
    }
    for made in ("d/first", "bad", "d/last"):
        assert (tmp_path / "out" / made).read_text() == "content\n"
    shutil.rmtree(tmp_path / "wf-scratch", ignore_errors=True)
