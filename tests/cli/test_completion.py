"""Completion of the command line: what is offered, and that a real shell still completes files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.made_run import compute, make_run
from markab.plan.model import Output

MARKAB = Path(sys.executable).with_name("markab")
SHELL = shutil.which("bash")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a run, `first`, one further below, a file and a directory with a blank."""
    make_run(
        tmp_path / "first",
        [compute("a", task={"node_label": "north"}), compute("b", outputs=[Output("f.txt")])],
    )
    make_run(tmp_path / "deep/er/run0001", [compute("z")])
    (tmp_path / "workflow.yml").write_text("")
    (tmp_path / "my files").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answers(*typed: str, shell: str = "bash") -> list[str]:
    """Return the answers for a command line; its last word is completed."""
    known = {"COMP_WORDS": " ".join(("markab", *typed)), "COMP_CWORD": str(len(typed))}
    if shell == "fish":
        known["COMP_CWORD"] = typed[-1]
    done = subprocess.run(
        [MARKAB],
        env={**os.environ, **known, "_MARKAB_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.usefixtures("here")
def test_commands_and_options_are_offered() -> None:
    assert answers("stat") == ["plain,status", "plain,statistics"]
    assert "plain,--cleanup" in answers("plan", "--cl")


@pytest.mark.usefixtures("here")
def test_formats_of_imports_and_their_files_are_offered() -> None:
    assert answers("import", "--from", "s") == ["plain,script", "plain,snakemake"]
    assert answers("import", "work") == ["file,work"]
    assert answers("import", "workflow.cwl", "fir") == ["dir,fir"]


@pytest.mark.usefixtures("here")
def test_where_nothing_is_known_the_shell_completes_files() -> None:
    assert answers("run", "work") == ["file,work"]
    assert answers("plan", "wo") == ["file,wo"]
    assert answers("graph", "-o", "pic") == ["file,pic"]
    assert answers("report", "-o", "pic") == ["file,pic"]
    assert answers("plan", "--conf=peg") == ["file,peg"]
    assert answers("nothing") == []


@pytest.mark.usefixtures("here")
def test_directories_and_the_runs_in_them_are_offered() -> None:
    assert answers("status", "fir") == ["path,first"]
    assert answers("status", "deep/") == ["path,deep/er/run0001"]
    assert answers("status", "./fir") == ["path,./first"]
    assert answers("status", "") == ["path,first", "path,deep/er/run0001", "dir,"]
    assert answers("status", "my") == ["dir,my"]
    assert answers("plan", "-O", "fir") == ["dir,fir"]
    assert answers("plan", "--output-dir=fir") == ["dir,fir"]
    assert answers("statistics", "first", "de") == ["path,deep/er/run0001"]


def test_jobs_of_the_named_run_or_of_the_surrounding_one_are_offered(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("show", "why"):
        assert answers(command, "first", "") == ["plain,wc_a", "plain,wc_b"]
    assert answers("analyze", "first", "--debug-job", "wc_b") == ["plain,wc_b"]
    assert answers("show", "nowhere", "x") == ["file,x"]
    assert answers("show", "first", "wc_a", shell="zsh") == ["plain", "wc_a", "north"]
    monkeypatch.chdir(here / "first")
    assert answers("show", "wc_") == ["plain,wc_a", "plain,wc_b", "dir,wc_"]


@pytest.mark.usefixtures("here")
def test_files_of_a_run_are_offered_to_trace() -> None:
    assert answers("trace", "first", "") == ["plain,f.txt"]


@pytest.mark.usefixtures("here")
def test_values_of_options_are_offered() -> None:
    assert answers("show", "first", "--state", "fa") == ["plain,failed"]
    assert answers("show", "first", "--state", "failed,run") == ["plain,failed,running"]
    assert answers("graph", "-l", "xf") == ["plain,xform", "plain,xform-id"]
    assert answers("graph", "-F", "m") == ["plain,mermaid"]
    assert answers("export", "--format", "p") == ["plain,prov", "plain,parquet", "plain,pegasus"]
    assert answers("plan", "--cleanup", "l") == ["plain,leaf"]
    assert answers("plan", "-C", "label,ho") == ["plain,label,horizontal"]
    assert answers("statistics", "-s", "int") == ["plain,integrity", "plain,int_stats"]


def test_what_a_workflow_can_be_planned_until_is_offered(here: Path) -> None:
    jobs = [
        {"type": "job", "name": "fit", "id": "ID1", "arguments": [], "uses": [{"lfn": "fit.1", "type": "output"}]},
        {"type": "job", "name": "plot", "id": "ID2", "arguments": [], "uses": [{"lfn": "fit.1", "type": "input"}]},
    ]  # fmt: skip
    (here / "other.yml").write_text(json.dumps({"pegasus": "5.0", "name": "w", "jobs": jobs}))
    assert answers("plan", "other.yml", "--until", "fit") == ["plain,fit.1", "plain,fit_ID1", "plain,fit"]
    assert answers("run", "other.yml", "--until", "plo") == ["plain,plot_ID2", "plain,plot"]
    assert answers("plan", "--until", "x") == ["file,x"], "an empty document has no names"
    (here / "workflow.yml").write_text((here / "other.yml").read_text())
    assert answers("plan", "--until", "ID2") == ["plain,ID2"]


def test_the_parameters_of_a_script_are_offered(here: Path) -> None:
    (here / "build.py").write_text(
        "from markab import api\np = api.parameters(\n  size=3, sizes=[1], m=str)\n"
    )
    assert answers("run", "build.py", "--set", "si") == ["plain,size=", "plain,sizes="]
    assert answers("plan", "build.py", "--set", "m=") == ["file,m="]
    (here / "build.py").write_text("x = (\n")
    assert answers("plan", "build.py", "--set", "s") == ["file,s"], "a script with an error has no names"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
@pytest.mark.usefixtures("here")
def test_other_shells_are_answered_alike(shell: str) -> None:
    said = answers("status", "fir", shell=shell)
    assert said == (["path", "first", "_"] if shell == "zsh" else ["path,first"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_every_shell_names_its_function(shell: str) -> None:
    script = subprocess.run([MARKAB, "completion", shell], capture_output=True, text=True, check=True).stdout
    assert "_markab_completion" in script and f"{shell}_complete" in script and "%(" not in script


@pytest.fixture
def bash(here: Path) -> Iterator[object]:
    """An interactive bash that has the script."""
    pexpect = pytest.importorskip("pexpect")
    if SHELL is None:
        pytest.skip("no bash")
    path = f"{MARKAB.parent}:{os.environ['PATH']}"
    child = pexpect.spawn(
        SHELL, ["--norc", "--noprofile"], cwd=here, timeout=20, encoding="utf-8", dimensions=(40, 200),
        env={**os.environ, "PATH": path, "PS1": "ready> ", "TERM": "dumb", "HISTFILE": ""},
    )  # fmt: skip
    child.expect_exact("ready> ")
    child.sendline("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'")
    child.expect_exact("ready> ")
    child.sendline('eval "$(markab completion bash)"')
    child.expect_exact("ready> ")
    yield child
    child.close(force=True)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("markab stati", "markab statistics "),
        ("markab status fir", "markab status first/"),
        ("markab status ./fir", "markab status ./first/"),
        ("markab status dee", "markab status deep/er/run0001/"),
        ("markab status deep/er/r", "markab status deep/er/run0001/"),
        ("markab run work", "markab run workflow.yml "),
        ("markab run my", "markab run my\\ files/"),
        ("markab plan -O my", "markab plan -O my\\ files/"),
        ("markab plan -O fir", "markab plan -O first/"),
        ("markab plan --output-dir=fir", "markab plan --output-dir=first/"),
        ("markab plan --cleanup=le", "markab plan --cleanup=leaf "),
        ("markab plan --conf=work", "markab plan --conf=workflow.yml "),
        ("markab why first wc_b", "markab why first wc_b "),
        ("markab why 'first' wc_b", "markab why 'first' wc_b "),
        ("true; markab export first --format wf", "true; markab export first --format wfformat "),
    ],
)
def test_a_real_bash_completes(bash: object, typed: str, completed: str) -> None:
    # The line is printed, not run: Ctrl-A, `: '`, Ctrl-E is too clever; a comment sign keeps it in the history only.
    import pexpect

    assert isinstance(bash, pexpect.spawn)
    bash.send(typed + "\t")
    bash.expect_exact(completed)
