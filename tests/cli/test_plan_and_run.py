"""The whole way, from a document to a result, as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.typed import typed
from kit.waiting import PATIENCE_S, wait_until
from markab import operations

SOURCES = Path(__file__).parents[2] / "src"
WORKFLOW = """
pegasus: "5.0"
name: words
transformationCatalog:
  transformations:
    - {{name: sort, sites: [{{name: local, pfn: /usr/bin/sort, type: installed}}]}}
    - {{name: sh, sites: [{{name: local, pfn: /bin/sh, type: installed}}]}}
replicaCatalog:
  replicas:
    - {{lfn: in.txt, pfns: [{{site: local, pfn: {directory}/in.txt}}]}}
jobs:
  - type: job
    name: sort
    id: ID1
    stdout: sorted.txt
    arguments: [in.txt]
    uses:
      - {{lfn: in.txt, type: input}}
      - {{lfn: sorted.txt, type: output, stageOut: true, registerReplica: false}}
  - type: job
    name: sh
    id: ID2
    arguments: ["-c", "'{second}'"]
    uses:
      - {{lfn: sorted.txt, type: input}}
      - {{lfn: last.txt, type: output, stageOut: true, registerReplica: false}}
"""
COPY = "cp sorted.txt last.txt"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "in.txt").write_text("b\na\n")
    write(tmp_path, COPY)
    return tmp_path


def write(directory: Path, second: str) -> None:
    (directory / "workflow.yml").write_text(WORKFLOW.format(directory=directory, second=second))


def words_of(name: str, *words: str) -> list[str]:
    """Return the command line that runs `markab …` or `pegasus-… …`."""
    module, function = ("main", "main") if name == "markab" else ("pegasus", name.removeprefix("pegasus-"))
    return [sys.executable, "-c", f"from markab.cli.{module} import {function}; {function}()", *words]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(SOURCES)}


def call(here: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words_of(name, *words), cwd=here, env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )


def wait_for(here: Path, run: str, state: str) -> None:
    wait_until(lambda: operations.read_status(here / run).state == state)
    shown = json.loads(call(here, "pegasus-status", "-j", run).stdout)
    assert shown["dags"]["root"]["state"] == state


PLAN = ("--sites", "local", "--output-sites", "local", "--output-dir", "out", "--relative-dir", "run")


def test_one_command_from_document_to_result(here: Path) -> None:
    done = call(here, "markab", "run", "workflow.yml", *PLAN)
    assert done.returncode == 0, done.stderr
    assert (here / "out" / "last.txt").read_text() == "a\nb\n"
    assert f"results: {here}/out" in done.stdout


SCRIPT = """
import sys
from pathlib import Path
from Pegasus.api import *
from markab.api import parameters

params = parameters(n=1, fails=False)
wf = Workflow("sweep")
for n in range(params.n):
    job = Job("sh").add_args("-c", "'exit 3'" if params.fails and not n else f"'echo {n} {sys.argv[1:]} {Path('text').read_text()}'")
    wf.add_jobs(job.set_stdout(f"{n}.txt", stage_out=False))
tools = TransformationCatalog().add_transformations(Transformation("sh", site="local", pfn="/bin/sh"))
wf.add_transformation_catalog(tools)
wf.plan(submit=True, sites=["local"], output_dir="out", **{"dagman.retry": 0})
raise Exception("it goes on")
"""  # fmt: skip


def test_a_script_is_run_planned_and_run_until_a_target_and_again_by_the_advice(tmp_path: Path) -> None:
    (tmp_path / "w.py").write_text(SCRIPT)
    (tmp_path / "text").write_text("x")

    done = call(tmp_path, "markab", "run", "w.py", "--set", "n=4", "--until", "2.txt", "--", "word")

    assert (0, ["2.txt"]) == (done.returncode, os.listdir(tmp_path / "out")), done.stderr
    assert "2 [word] x\n" == (tmp_path / "out" / "2.txt").read_text()
    assert "3 tasks are left out: --explain says why" in done.stdout
    run = next((tmp_path).glob("*/pegasus/sweep/run0001")).relative_to(tmp_path)
    shown = json.loads(call(tmp_path, "markab", "metadata", "workflow", str(run), "-J").stdout)
    assert {"parameter.n": "4", "parameter.fails": "false", "script.arguments": "word"}.items() <= (
        shown[0]["metadata"].items()
    )
    (tmp_path / "w.py").write_text(SCRIPT.replace("'echo {n}", "'echo again {n}"))
    again = call(tmp_path, "markab", "run", str(run))
    _, _, advice = again.stderr.partition("again: ")
    assert 0 == typed(advice.splitlines()[0], tmp_path).returncode
    assert "again 2 [word] x\n" == (tmp_path / "out" / "2.txt").read_text()


def test_with_fail_fast_a_run_stops_says_so_and_continues(tmp_path: Path) -> None:
    (tmp_path / "w.py").write_text(SCRIPT)
    (tmp_path / "text").write_text("x")
    script = ("w.py", "--set", "n=6", "--set", "fails=yes", "--relative-dir", "run")

    done = call(tmp_path, "markab", "run", *script, "--fail-fast", "--cores", "1")

    assert 14 == done.returncode
    assert "warning: job 'sh_ID0000001' failed: no others are started, as --fail-fast says" in done.stderr
    assert "1 job failed" in done.stdout and "not started" in done.stdout
    going = call(tmp_path, "markab", "run", "run", "--cores", "1")
    assert 14 == going.returncode and "not started" not in going.stdout
    states = json.loads(call(tmp_path, "markab", "show", "run", "-J").stdout)
    assert 5 == sum(one["state"] == "succeeded" for one in states if one["job"].startswith("sh_"))


def test_the_way_of_pegasus_in_the_background(here: Path) -> None:
    planned = json.loads(call(here, "pegasus-plan", "-Dpegasus.mode=development", *PLAN, "--json").stdout)
    assert planned["pegasus-run"] == f"pegasus-run {here}/run"
    started = call(here, "pegasus-run", str(here / "run"))
    assert started.returncode == 0, started.stderr
    wait_for(here, "run", "Success")
    assert (here / "out" / "last.txt").read_text() == "a\nb\n"


def test_a_failed_run_continues_after_the_cause_is_removed(here: Path) -> None:
    flag = here / "mended"
    write(here, f"test -e {flag} || exit 7; {COPY}")
    first = call(here, "markab", "run", "workflow.yml", "-Ddagman.retry=0", *PLAN)
    assert first.returncode == 14
    assert "exit code 7" in first.stderr and "markab run run" in first.stdout
    flag.touch()
    second = call(here, "markab", "run", "run")
    assert second.returncode == 0, second.stderr
    tries = {
        job["job"]: job["attempts"] for job in json.loads(call(here, "markab", "show", "run", "-J").stdout)
    }
    assert (tries["sort_ID1"], tries["sh_ID2"]) == (1, 2)


def test_after_ctrl_c_the_command_that_it_prints_continues_the_run(here: Path) -> None:
    flag = here / "started"
    write(here, f"test -e {flag} || {{ touch {flag}; exec sleep 1000; }}; {COPY}")
    engine = subprocess.Popen(
        words_of("markab", "run", "workflow.yml", *PLAN[:-1], "my runs/first"),
        cwd=here,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    wait_until(flag.exists)
    engine.send_signal(signal.SIGINT)
    out, _ = engine.communicate(timeout=PATIENCE_S)
    assert engine.returncode == 130
    line = out.splitlines()[-1]
    assert "interrupted" in out and line.startswith("  continue: markab run ")
    continued = typed(line.removeprefix("  continue: ").partition("  ")[0], here)
    assert continued.returncode == 0, continued.stderr
    assert "planned into" not in continued.stdout
    assert (here / "out" / "last.txt").exists()


def test_a_run_in_the_background_is_removed(here: Path) -> None:
    write(here, "exec sleep 1000")
    assert call(here, "pegasus-plan", "--submit", *PLAN).returncode == 0
    assert call(here, "markab", "run", "run").returncode == 23, "it is busy"
    removed = call(here, "pegasus-remove", "run")
    assert removed.returncode == 0 and "removed run" in removed.stdout
    wait_for(here, "run", "Removed")


def test_modules_beside_the_workflow_do_not_replace_the_librarys(here: Path) -> None:
    modules = [here / f"{name}.py" for name in ("copy", "random", "dataclasses", "msgspec", "click", "yaml")]
    for module in modules:
        module.write_text("raise SystemExit('the wrong module')\n")
    words = [sys.executable, "-m", "markab", "run", "workflow.yml", "--detach", *PLAN]
    done = subprocess.run(words, cwd=here, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for module in modules:
        module.unlink()
    wait_for(here, "run", "Success")


def test_planning_errors_come_all_at_once(here: Path) -> None:
    text = (here / "workflow.yml").read_text()
    wrong = text.replace("lfn: in.txt, pfns", "lfn: other, pfns").replace(
        "name: sh\n", "name: no-such-program\n"
    )
    (here / "workflow.yml").write_text(wrong)
    failed = call(here, "markab", "plan", *PLAN, "--json")
    assert failed.returncode == 11
    problems = json.loads(failed.stdout)["error"]["problems"]
    assert len(problems) >= 2
    assert failed.stderr.count("error: ") == len(problems)
    assert not (here / "run").exists()
    assert call(here, "pegasus-plan", *PLAN).returncode == 1


GPU_JOB = """
pegasus: "5.0"
name: gpu
transformationCatalog:
  transformations:
    - name: "true"
      sites: [{name: local, pfn: /bin/true, type: installed}]
      profiles: {pegasus: {gpus: 1}}
jobs: [{type: job, name: "true", id: ID1, arguments: [], uses: []}]
"""


def test_a_refused_run_is_an_error_of_every_command_that_starts_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "CUDA_VISIBLE_DEVICES", "")
    (here / "workflow.yml").write_text(GPU_JOB)
    refusal = "this machine has no GPUs, too few for 'true_ID1' (1)"
    words = ("--sites", "local", "--relative-dir", "run")

    started = call(here, "pegasus-plan", "--submit", *words)
    assert (started.returncode, started.stdout) == (1, "")
    assert started.stderr.startswith(f"error: {refusal}\n  hint: "), "once, and not when planning too"
    for name, words, exit_code in (
        ("pegasus-run", ["run"], 1),
        ("markab", ["run", "--detach", "run"], 30),
        ("markab", ["run", "run"], 30),
    ):
        again = call(here, name, *words)
        assert again.returncode == exit_code and f"error: {refusal}" in again.stderr
    assert f"refused: {refusal}" in call(here, "pegasus-status", "run").stdout
    analyzed = call(here, "pegasus-analyzer", "run")
    assert f"refused: {refusal}" in analyzed.stdout and analyzed.returncode == 2

    assert call(here, "markab", "run", "--quiet", "--gpus", "1", "run").returncode == 0


def test_slots_that_a_plan_gives_hold_whenever_it_is_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "CUDA_VISIBLE_DEVICES", "")
    (here / "workflow.yml").write_text(GPU_JOB)
    planned = call(here, "pegasus-plan", "--sites", "local", "--relative-dir", "one", "-F", "gpus=1")
    assert planned.stderr == ""
    assert call(here, "markab", "run", "--quiet", "one").returncode == 0
    submitted = call(
        here, "pegasus-plan", "--submit", "--gpus", "1", "--sites", "local", "--relative-dir", "two"
    )
    assert (submitted.returncode, submitted.stderr) == (0, "")
    wait_for(here, "two", "Success")
    planned = call(here, "markab", "plan", "--sites", "local", "--relative-dir", "three")
    assert (
        "warning: job 'ID1' needs 1 GPU, and this machine has no GPUs: a run here is refused"
        in planned.stderr
    )
    assert planned.returncode == 0
