"""Jobs that misbehave: the message that the user sees of each, and that the run continues once they are corrected."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.tools import (
    POWERLESS,
    command,
    ends_of,
    environment,
    job_line,
    journal,
    markab,
    plan,
    processes_of_run,
    script,
    write_workflow,
)
from kit.waiting import is_alive, wait_until

pytestmark = pytest.mark.integration

DATA = ("condorio", "nonsharedfs", "sharedfs")


def programs(**paths: Path) -> dict[str, Any]:
    """Return a transformation catalog with installed programs."""
    return {
        "transformations": [
            {
                "name": name,
                "sites": [
                    {"name": site, "type": "installed", "pfn": str(path)} for site in ("local", "condorpool")
                ],
            }
            for name, path in paths.items()
        ]
    }


def one_job(here: Path, program: Path | str, arguments: str = "", *flags: str, **keys: Any) -> Path:
    """Plan a workflow of one job, which is tried once and delivers to HERE/results."""
    workflow = write_workflow(
        here,
        [job_line("a", "program", arguments, **keys)],
        transformationCatalog=programs(program=Path(program)),
    )
    return plan(workflow, "--output-dir", here / "results", "-D", "dagman.retry=0", *flags, cwd=here)


def said(done: subprocess.CompletedProcess[str], here: Path) -> str:
    """Return what a command wrote to stderr, without the test's directory."""
    return done.stderr.replace(str(here), "HERE").replace(f"/{getpass.getuser()}/", "/USER/").strip()


def fails(submit_dir: Path, here: Path) -> str:
    """Run; return the message about the job that failed."""
    done = markab("run", "-q", submit_dir, cwd=here, check=False)
    assert 14 == done.returncode, done.stdout + done.stderr
    assert not (here / "results").exists() or [] == os.listdir(here / "results")
    return said(done, here)


def goes_on(submit_dir: Path, here: Path) -> None:
    """Run again, to the end."""
    done = markab("run", submit_dir, cwd=here)
    assert "succeeded in" in done.stdout
    assert [] == processes_of_run(uuid_of(submit_dir))


def uuid_of(submit_dir: Path) -> str:
    return str(yaml.safe_load((submit_dir / "braindump.yml").read_text())["wf_uuid"])


def test_a_program_removed_after_planning(tmp_path: Path) -> None:
    program = script(tmp_path / "program", "#!/bin/sh\n")
    submit_dir = one_job(tmp_path, program)
    program.unlink()

    assert (
        "program_a failed (attempt 1)\n"
        "  program 'HERE/program' of task 'a' does not exist\n"
        "    hint: correct its pfn in the transformation catalog, or install it there\n"
        "  command: HERE/program"
    ) == fails(submit_dir, tmp_path)

    script(program, "#!/bin/sh\n")
    goes_on(submit_dir, tmp_path)


def test_a_program_that_is_not_executable(tmp_path: Path) -> None:
    program = script(tmp_path / "program", "#!/bin/sh\n")
    submit_dir = one_job(tmp_path, program)
    program.chmod(0o644)

    assert (
        "program_a failed (attempt 1)\n"
        "  program 'HERE/program' of task 'a' is not executable\n"
        "    hint: chmod +x 'HERE/program'\n"
        "  command: HERE/program"
    ) == fails(submit_dir, tmp_path)

    program.chmod(0o755)
    goes_on(submit_dir, tmp_path)


def test_a_program_without_its_interpreter(tmp_path: Path) -> None:
    program = script(tmp_path / "program", "#!/opt/no/such/python\n")
    submit_dir = one_job(tmp_path, program)

    assert (
        "program_a failed (attempt 1)\n"
        "  the interpreter '/opt/no/such/python' in the first line of 'HERE/program' (task 'a') does not exist\n"
        "    hint: correct the #! line, or install the interpreter\n"
        "  command: HERE/program"
    ) == fails(submit_dir, tmp_path)

    script(program, "#!/bin/sh\n")
    goes_on(submit_dir, tmp_path)


def test_a_program_that_is_neither_binary_nor_script(tmp_path: Path) -> None:
    program = script(tmp_path / "program", "hello\n")
    submit_dir = one_job(tmp_path, program)

    assert (
        "program_a failed (attempt 1)\n"
        "  program 'HERE/program' of task 'a' is neither a binary for this machine nor a script\n"
        "    hint: begin a script with a line like #!/bin/sh; a binary must be made for "
        f"{os.uname().machine}\n"
        "  command: HERE/program"
    ) == fails(submit_dir, tmp_path)

    script(program, "#!/bin/sh\n")
    goes_on(submit_dir, tmp_path)


SIGNALS = {
    "SEGV": "  task 'a' was ended by SIGSEGV (11)\n"
    "    hint: this is an error in the program; "
    "`markab analyze USER/pegasus/w/run0001 --debug-job program_a` runs it again by hand, for a debugger",
    "KILL": "  task 'a' was ended by SIGKILL (9)\n"
    "    hint: the machine may have run out of memory; ask for more with the profile pegasus.memory",
}


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_job_that_is_killed_by_a_signal(signal: str, tmp_path: Path) -> None:
    message = SIGNALS[signal].replace("USER", getpass.getuser())
    program = script(tmp_path / "program", f"#!/bin/sh\nulimit -c 0\nkill -{signal} $$\n")
    submit_dir = one_job(tmp_path, program)

    assert f"program_a failed (attempt 1)\n{message}\n  command: HERE/program" == fails(submit_dir, tmp_path)

    script(program, "#!/bin/sh\n")
    goes_on(submit_dir, tmp_path)


MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def test_a_job_that_writes_a_gigabyte_to_stdout(tmp_path: Path) -> None:
    size = 1 << 30
    submit_dir = one_job(tmp_path, "/usr/bin/head", f"-c {size} /dev/zero")
    disk = os.statvfs(tmp_path)
    if disk.f_bavail * disk.f_frsize < 2 * size:
        pytest.skip("a disk with 2 GB free is needed")

    # By a small process: a child of this one counts what is in memory here as its own.
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, sys.executable, "-m", "markab", "run", "-q", str(submit_dir)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    code, maxrss_kb = map(int, measured.stdout.split()[-2:])
    assert code == 0
    assert maxrss_kb < 200 * 1024, "the engine held the output in memory"
    (end,) = ends_of(submit_dir, "program_a")
    assert size == end["stdout_bytes"]
    kept = (submit_dir / end["stdout_file"]).read_bytes()
    assert f"\n[... {size - (1 << 18)} of {size} bytes left out ...]\n".encode() in kept
    assert len(kept) < (1 << 18) + 100
    used = sum(path.stat().st_size for path in submit_dir.rglob("*") if path.is_file())
    assert used < 1 << 20, "the gigabyte is still there"


def test_a_job_that_closes_its_stdout(tmp_path: Path) -> None:
    program = script(tmp_path / "program", "#!/bin/sh\nexec >&- 2>&-\necho lost\necho done > out\n")
    submit_dir = one_job(tmp_path, program, outputs=["out"])

    goes_on(submit_dir, tmp_path)

    assert "done\n" == (tmp_path / "results" / "out").read_text()


DAEMON = """#!/usr/bin/env python3
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        with open(sys.argv[1], "w") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1], sys.argv[1] + ".pid")
        time.sleep(1000)
    os._exit(0)
while not os.path.exists(sys.argv[1] + ".pid"):
    time.sleep(0.01)
print("the daemon runs")
"""


def test_a_job_that_leaves_a_daemon_behind(tmp_path: Path) -> None:
    submit_dir = one_job(tmp_path, script(tmp_path / "program", DAEMON), str(tmp_path / "daemon"))

    goes_on(submit_dir, tmp_path)

    pid = int((tmp_path / "daemon.pid").read_text())
    assert not is_alive(pid), "the daemon outlives its job"
    assert "the daemon runs\n" == ends_of(submit_dir, "program_a")[0]["stdout"]


STUBBORN = """#!/bin/sh
trap '' TERM
echo $$ > "$1.part"
mv "$1.part" "$1"
while :; do sleep 0.05; done
"""


def test_a_job_that_ignores_sigterm_ends_when_its_time_is_up(tmp_path: Path) -> None:
    profiles = {"pegasus": {"maxwalltime": "0.01"}}  # minutes
    submit_dir = one_job(
        tmp_path,
        script(tmp_path / "program", STUBBORN),
        str(tmp_path / "pid"),
        profiles=profiles,
    )

    assert (
        "program_a failed (attempt 1)\n"
        "  task 'a' was ended after 0.6 s, the wall time it is given\n"
        "    hint: raise the profile pegasus.maxwalltime\n"
        "  task 'a' was ended by SIGKILL (9)\n"
        "  command: HERE/program HERE/pid"
    ) == fails(submit_dir, tmp_path)

    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_job_that_ignores_sigterm_ends_when_its_run_is_removed(tmp_path: Path) -> None:
    program = script(tmp_path / "program", STUBBORN)
    submit_dir = one_job(tmp_path, program, str(tmp_path / "pid"))
    engine = subprocess.Popen(
        [sys.executable, "-m", "markab", "run", "-q", str(submit_dir)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until((tmp_path / "pid").exists)

    done = markab("remove", submit_dir, cwd=tmp_path)

    shown = submit_dir.relative_to(tmp_path)
    assert f"removed {shown}\n  its files are kept; `markab run {shown}` continues it\n" == done.stdout
    assert 15 == engine.wait(10)
    assert not is_alive(int((tmp_path / "pid").read_text()))
    script(program, "#!/bin/sh\n")
    goes_on(submit_dir, tmp_path)


@pytest.mark.parametrize("data", DATA)
def test_a_job_without_its_outputs_and_with_an_exit_code(data: str, tmp_path: Path) -> None:
    program = script(tmp_path / "program", "#!/bin/sh\necho half > out1\necho no licence >&2\nexit 3\n")
    submit_dir = one_job(
        tmp_path,
        program,
        "",
        "--sites",
        "local",
        "-D",
        f"pegasus.data.configuration={data}",
        outputs=["out1", "out2", "deep/out3"],
    )

    assert (
        "program_a failed (attempt 1)\n"
        "  task 'a' ended with exit code 3\n"
        "  output 'out2' of job 'program_a' is missing, and 1 more output\n"
        "  command: HERE/program\n"
        "  stderr:\n"
        "    no licence"
    ) == fails(submit_dir, tmp_path)

    script(program, "#!/bin/sh\necho 1 > out1\necho 2 > out2\necho 3 > deep/out3\n")
    goes_on(submit_dir, tmp_path)
    assert "3\n" == (tmp_path / "results" / "deep" / "out3").read_text()


def test_a_job_that_exits_with_0_without_its_output(tmp_path: Path) -> None:
    program = script(tmp_path / "program", "#!/bin/sh\n")
    submit_dir = one_job(tmp_path, program, outputs=["out"])

    assert (
        "program_a failed (attempt 1)\n"
        "  output 'out' of job 'program_a' is missing\n"
        "    hint: the task must write it to 'out' in its directory\n"
        "  command: HERE/program"
    ) == fails(submit_dir, tmp_path)

    script(program, "#!/bin/sh\n> out\n")
    goes_on(submit_dir, tmp_path)
    assert 0 == (tmp_path / "results" / "out").stat().st_size


@pytest.mark.parametrize("data", DATA)
def test_a_job_that_leaves_locked_directories_behind(data: str, tmp_path: Path) -> None:
    lock = "mkdir -p cache/deep; echo > cache/deep/file; chmod 0500 cache/deep; chmod 0 cache"
    program = script(tmp_path / "program", f"#!/bin/sh\n{lock}\necho done > out\n")
    flags = ["--sites", "local", "-D", f"pegasus.data.configuration={data}"]
    submit_dir = one_job(tmp_path, program, "", *flags, outputs=["out"])

    command(*POWERLESS, sys.executable, "-m", "markab", "run", submit_dir, cwd=tmp_path)

    assert ["out"] == os.listdir(tmp_path / "results")
    assert [] == [path for path in (tmp_path / "wf-scratch").rglob("*") if path.is_file()]


CHANGE = "#!/bin/sh\ncp in seen-by-me\necho changed >> in\nmv seen-by-me out\n"


def changing(here: Path, data: str) -> Path:
    """Plan two jobs that read `in`, one after the other; the first changes it."""
    (here / "input").write_text("original\n")
    program = script(here / "program", CHANGE)
    workflow = write_workflow(
        here,
        [
            job_line("first", "change", inputs=["in"], outputs=["out"]),
            job_line("second", "cp", "in copy", inputs=["in"], outputs=["copy"]),
        ],
        jobDependencies=[{"id": "first", "children": ["second"]}],
        transformationCatalog=programs(change=program),
        replicaCatalog={"replicas": [{"lfn": "in", "pfns": [{"site": "local", "pfn": str(here / "input")}]}]},
    )
    flags = ["-D", f"pegasus.data.configuration={data}", "-D", "dagman.retry=0", "--sites", "local"]
    return plan(workflow, "--output-dir", here / "results", *flags, cwd=here)


@pytest.mark.parametrize("data", ["condorio", "nonsharedfs"])
def test_a_job_that_changes_its_input_changes_its_own_copy(data: str, tmp_path: Path) -> None:
    submit_dir = changing(tmp_path, data)

    goes_on(submit_dir, tmp_path)

    assert "original\n" == (tmp_path / "results" / "out").read_text()
    assert "original\n" == (tmp_path / "results" / "copy").read_text()
    assert "original\n" == (tmp_path / "input").read_text()


def test_a_job_that_changes_a_shared_input_is_an_error(tmp_path: Path) -> None:
    submit_dir = changing(tmp_path, "sharedfs")

    assert (
        "change_first failed (attempt 1)\n"
        "  job 'change_first' changed its input 'in', which other jobs may read, at "
        "'HERE/wf-scratch/USER/pegasus/w/run0001/in'\n"
        "    hint: let the task write to a copy, and restore the file\n"
        "  command: HERE/program"
    ) == fails(submit_dir, tmp_path)

    assert "original\n" == (tmp_path / "input").read_text(), "the user's own file was changed"
    assert [] == [r for r in journal(submit_dir) if r["event"] == "start" and r["id"] == "cp_second"]

    script(tmp_path / "program", "#!/bin/sh\ncp in out\n")
    shutil.copy(tmp_path / "input", tmp_path / "wf-scratch" / submit_dir.relative_to(tmp_path) / "in")
    goes_on(submit_dir, tmp_path)
    assert "original\n" == (tmp_path / "results" / "copy").read_text()
