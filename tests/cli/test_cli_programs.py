"""The commands as programs: started as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, failed, gave_up, make_run, start

SOURCES = Path(__file__).parents[2] / "src"


def program(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `markab …`, or `pegasus-… …` when that is the first word."""
    code = "from markab.cli.main import main; main()"
    if words[0].startswith("pegasus-"):
        code = f"from markab.cli.pegasus import {words[0][8:]}; {words[0][8:]}()"
        words = words[1:]
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(SOURCES)} | env,
        timeout=30,
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom markab.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'rich', 'yaml', 'msgspec', 'ryml', 'asyncio', 'subprocess', 'pathlib', 'json', 'socket', 'urllib'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
    )
    # Before 3.11 the standard library itself loads subprocess for uuid, which click needs.
    assert done.stderr.strip() == ("[]" if sys.version_info >= (3, 11) else "['subprocess']")


def test_every_command_has_help() -> None:
    from markab.cli.main import COMMANDS

    listing = program("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in listing
    assert program("plan", "-h").stdout.startswith("Usage: markab plan")


def test_status_by_both_names(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")], [began(), start(0), end(0), ended("success")])
    ours, theirs = program("status", cwd=tmp_path), program("pegasus-status", str(tmp_path))
    assert ours.stdout == theirs.stdout
    assert "100.0" in ours.stdout and ours.returncode == theirs.returncode == 0
    shown = json.loads(program("pegasus-status", "-j", str(tmp_path)).stdout)
    assert shown["dags"]["root"]["state"] == "Success"
    legend = program("pegasus-status", "-L", "-Q", "-l", "-D", "-v", str(tmp_path)).stdout
    assert legend.startswith("UNREADY (UNRDY)") and f"Success {tmp_path}" in legend


def test_watching_a_run_that_is_over_ends_at_once(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")], [began(), start(0), end(0), ended("success")])
    assert program("pegasus-status", "-w", str(tmp_path)).stdout.count("Success:1") == 1


def test_status_of_no_run_has_its_exit_code(tmp_path: Path) -> None:
    ours, theirs = program("status", str(tmp_path)), program("pegasus-status", str(tmp_path))
    assert (ours.returncode, theirs.returncode) == (12, 1)
    assert ours.stderr.startswith("error: ") and "\n  hint: " in ours.stderr


def test_show_lists_jobs_and_describes_one(tmp_path: Path) -> None:
    entries = [began(), start(0), failed(0, stderr="no such file\n"), gave_up(0), ended("failed")]
    make_run(tmp_path, [compute("a"), compute("b", 0)], entries)
    assert program("show", str(tmp_path)).stdout == "failed   wc_a\nskipped  wc_b\n"
    assert program("show", str(tmp_path), "--state", "failed").stdout == "failed  wc_a\n"
    assert "no such file" in program("show", ".", "a", cwd=tmp_path).stdout
    assert json.loads(program("show", "-J", str(tmp_path), "wc_a").stdout)["state"] == "failed"
    assert [job["job"] for job in json.loads(program("show", "--json", str(tmp_path)).stdout)] == [
        "wc_a",
        "wc_b",
    ]


def test_names_that_the_terminal_cannot_print_stop_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("größe")])
    done = program("show", str(tmp_path), PYTHONIOENCODING="iso-8859-5")
    assert (done.returncode, done.stdout) == (0, "waiting  wc_gr??e\n")


def test_halt_and_remove_without_an_engine(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")], [began(), start(0)])
    assert "nothing to halt" in program("pegasus-halt", str(tmp_path)).stdout
    assert "marked as removed" in program("pegasus-remove", "-v", str(tmp_path)).stdout
    assert "Removed:1" in program("status", str(tmp_path)).stdout
    assert program("pegasus-remove", "-d", "12.0").returncode == 2


def test_versions() -> None:
    from markab import __version__

    assert program("version").stdout == f"markab {__version__}\n"
    assert program("pegasus-version").stdout == "5.1.2\n"
    assert program("pegasus-version", "-f").stdout == f"5.1.2 markab {__version__}\n"
    assert program("pegasus-plan", "-V").stdout == "5.1.2\n"
    assert json.loads(program("version", "--json").stdout)["pegasus"] == "5.1.2"


def test_config_prints_what_makes_python_find_us() -> None:
    path = program("pegasus-config", "--python", "--noeoln").stdout
    assert Path(path) == SOURCES
    for flag in ("--python-dump", "--python-hash"):
        known: dict[str, str] = {}
        exec(program("pegasus-config", flag).stdout, known)
        assert known["pegasus_python_dir"] == str(SOURCES) and "pegasus_share_dir" in known
    done = subprocess.run(
        ["sh", "-c", program("pegasus-config", "--sh-dump").stdout + "echo $PEGASUS_PYTHON_DIR"],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(SOURCES)
    assert program("pegasus-config").returncode == 2
    for flag in (
        "--bin",
        "--conf",
        "--java",
        "--python-externals",
        "--r",
        "--schema",
        "--classpath",
        "--perl-dump",
    ):
        assert program("pegasus-config", flag).returncode == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_the_command(shell: str) -> None:
    assert "_MARKAB_COMPLETE" in program("completion", shell).stdout


def test_a_shell_that_asks_gets_commands() -> None:
    done = program("", _MARKAB_COMPLETE="bash_complete", COMP_WORDS="markab statu", COMP_CWORD="1")
    assert sorted(done.stdout.split()) == ["plain,status"]


def test_keg_is_there_under_both_names(tmp_path: Path) -> None:
    assert "usage: pegasus-keg" in program("pegasus-keg").stdout
    assert "Other Arguments: -x y" in program("keg", "-p", "-x", "y", "-o", "-").stdout


def test_the_output_of_a_job_is_checked(tmp_path: Path) -> None:
    output = tmp_path / "job.out"
    output.write_text("- invocation: True\n  mainjob:\n    status:\n      raw: 0\n")
    done = program("pegasus-exitcode", "-s", "done", "-r", "0", "job.out", cwd=tmp_path)
    assert done.returncode == 1 and done.stdout.startswith("Success message missing from output\n{")

    output.write_text("done\n")
    done = program("pegasus-exitcode", "-I", "-s", "done", "-l", "log", "job.out", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads((tmp_path / "log").read_text())["retry"] == 1
    assert program("pegasus-exitcode", "-r", "x", "job.out", cwd=tmp_path).returncode == 2
