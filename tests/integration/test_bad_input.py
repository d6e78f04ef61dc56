"""Wrong documents, unreadable files, full disks: the message that the user sees, and that nothing is left half-done.

Every message stands here as the user sees it; `HERE` is the directory of the test.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration.full_disk import small_disk
from integration.tools import (
    POWERLESS,
    Gate,
    command,
    environment,
    job_line,
    journal,
    markab,
    plan,
    script,
    write_workflow,
)
from kit.waiting import wait_until

HEAD = "pegasus: '5.0'\nname: w\n"
JOB = "- {type: job, name: 'true', id: a, arguments: [], uses: []}\n"
MARKAB = (sys.executable, "-m", "markab")


def said(done: subprocess.CompletedProcess[str], here: Path) -> str:
    """Return what a command wrote to stderr, without the test's directory."""
    return done.stderr.replace(str(here), "HERE").replace(f"/{getpass.getuser()}/", "/USER/")


def uses(*pairs: str) -> str:
    """Return the `uses` of a job; `<x` is read, `>x` is made."""
    kinds = {"<": "input", ">": "output"}
    return json.dumps([{"lfn": pair[1:], "type": kinds[pair[0]]} for pair in pairs])


def job(name: str, *pairs: str) -> str:
    return f"- {{type: job, name: 'true', id: {name}, arguments: [], uses: {uses(*pairs)}}}\n"


def bad_lfn(lfn: str) -> str:
    return f"{HEAD}jobs:\n{job('a', '<' + lfn)}"


DOCUMENTS = {
    "not YAML": (
        f"{HEAD}jobs: [\n",
        10,
        "error: HERE/workflow.yml:4: not YAML: while parsing a flow node did not find expected node content\n"
        "  hint: check indentation, colons and quotes on this line and the one above\n",
    ),
    "nothing": ("", 10, "error: HERE/workflow.yml: the document is empty\n"),
    "binary": (
        "\x7fELF\x00\x01",
        10,
        "error: HERE/workflow.yml:1: not YAML: control character 0x7f\n"
        "  hint: remove the character, or write it as an escape between double quotes\n",
    ),
    "wrong version": (
        f"pegasus: '4.9'\nname: w\njobs:\n{JOB}",
        10,
        "error: HERE/workflow.yml:1: unsupported document version 4.9: only version 5 can be read\n"
        "  hint: write `pegasus: 5.0.4`\n",
    ),
    "unknown key": (
        f"{HEAD}jobs:\n- {{type: job, name: 'true', id: a, argments: [x], uses: []}}\n",
        10,
        "error: HERE/workflow.yml:4: unknown key 'argments' in job 'a'\n  hint: did you mean 'arguments'?\n",
    ),
    "duplicate job id": (
        f"{HEAD}jobs:\n{JOB}{JOB}",
        10,
        "error: HERE/workflow.yml:5: two jobs have the id 'a', first on line 4\n"
        "  hint: give each an id of its own\n",
    ),
    "two producers of a file": (
        f"{HEAD}jobs:\n{job('a', '>x')}{job('b', '>x')}",
        10,
        "error: HERE/workflow.yml:5: file 'x' is made by two jobs, 'a' and 'b'\n"
        "  hint: let each job write a file of its own\n",
    ),
    "file below a file": (
        f"{HEAD}jobs:\n{job('a', '>x')}{job('b', '<x', '>x/y')}",
        10,
        "error: HERE/workflow.yml:5: file 'x/y' needs a directory 'x', which is a file of this workflow\n"
        "  hint: rename one of the two\n",
    ),
    "cycle": (
        f"{HEAD}jobs:\n{job('a', '<z', '>x')}{job('b', '<x', '>y')}{job('c', '<y', '>z')}{job('d', '<x')}",
        11,
        "error: cyclic dependency detected: 'a' → 'b' → 'c' → 'a'\n"
        "  hint: a workflow cannot loop: let one of these jobs write a file of another name, or drop a dependency\n",
    ),
    "lfn with dots": (
        bad_lfn("in/../../x"),
        10,
        "error: HERE/workflow.yml:4: the file name 'in/../../x' (used by job 'a') has '..' in it\n"
        "  hint: name the file relative to the directory of the run\n",
    ),
    "absolute lfn": (
        bad_lfn("/etc/passwd"),
        10,
        "error: HERE/workflow.yml:4: the file name '/etc/passwd' (used by job 'a') is an absolute path\n"
        "  hint: use a relative name, or allow such names with markab.lfn.absolute = true\n",
    ),
    "lfn with NUL": (
        bad_lfn("a\0b"),
        10,
        "error: HERE/workflow.yml:4: the file name 'a\\x00b' (used by job 'a') has the control character 0x00\n"
        "  hint: use printable characters only\n",
    ),
    "lfn of 300 characters": (
        bad_lfn("n" * 300),
        10,
        f"error: HERE/workflow.yml:4: the file name '{'n' * 57}...' (used by job 'a') has a part of 300 bytes\n"
        "  hint: file systems allow at most 255 bytes between two slashes\n",
    ),
    "empty workflow": (
        f"{HEAD}jobs: []\n",
        10,
        "error: HERE/workflow.yml:1: workflow 'w' has no jobs\n  hint: add at least one job\n",
    ),
    "missing input, executable, site": (
        f"{HEAD}jobs:\n"
        "- {type: job, name: alingn, id: a, arguments: [], uses: [{lfn: reads.fq, type: input}]}\n"
        "- {type: job, name: 'true', id: b, arguments: [], uses: [{lfn: genome.fa, type: input}],\n"
        "   profiles: {selector: {execution.site: frontera}}}\n",
        11,
        "error: HERE/workflow.yml:4: transformation 'alingn' is in no catalog and not on PATH (needed by task 'a')\n"
        "  hint: add it to the transformation catalog, or put the program on PATH\n"
        "error: HERE/workflow.yml:5: site 'frontera' is not in the site catalog (requested by task 'b')\n"
        "  hint: known sites: local, condorpool; add it to sites.yml\n"
        "error: HERE/workflow.yml:4: file 'reads.fq' has no replica and no job makes it (needed by 'a')\n"
        "  hint: register it in the replica catalog, name its directory with --input-dir, or let a task output 'reads.fq'\n"
        "error: HERE/workflow.yml:5: file 'genome.fa' has no replica and no job makes it (needed by 'b')\n"
        "  hint: register it in the replica catalog, name its directory with --input-dir, or let a task output 'genome.fa'\n",
    ),
    "everything wrong in one document": (
        f"{HEAD}jobss: []\njobs:\n{job('a', '<../x', '>y')}{job('b', '>y')}",
        10,
        "error: HERE/workflow.yml:3: unknown key 'jobss' in workflow 'w'\n  hint: did you mean 'jobs'?\n"
        "error: HERE/workflow.yml:5: the file name '../x' (used by job 'a') has '..' in it\n"
        "  hint: name the file relative to the directory of the run\n"
        "error: HERE/workflow.yml:6: file 'y' is made by two jobs, 'a' and 'b'\n"
        "  hint: let each job write a file of its own\n",
    ),
}


@pytest.mark.integration
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_wrong_workflow_is_refused_in_words_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    text, exit_code, message = DOCUMENTS[kind]
    (tmp_path / "workflow.yml").write_text(text)

    done = markab("plan", cwd=tmp_path, check=False)

    assert message == said(done, tmp_path)
    assert (exit_code, "") == (done.returncode, done.stdout)
    assert ["workflow.yml"] == os.listdir(tmp_path), "planning failed, and left something behind"


REPLICAS = "pegasus: '5.0'\nreplicas:\n"
TOOLS = "pegasus: '5.0'\ntransformations:\n"
SITES = "pegasus: '5.0'\nsites:\n"
TOOL_JOB = "- {type: job, name: tool, id: a, arguments: [], uses: []}\n"

DISAGREEING = {
    "two checksums for one file": (
        {
            "workflow.yml": f"{HEAD}jobs:\n{job('a', '<in')}",
            "replicas.yml": REPLICAS
            + f"- {{lfn: in, pfns: [{{site: local, pfn: /x/in}}], checksum: {{sha256: {'0' * 64}}}}}\n"
            + f"- {{lfn: in, pfns: [{{site: far, pfn: /y/in}}], checksum: {{sha256: {'1' * 64}}}}}\n",
        },
        10,
        "error: HERE/replicas.yml:4: two entries for 'in' have different checksums\n"
        "  hint: all places of a file must have the same content; remove the wrong entry\n",
    ),
    "program at a site without jobs": (
        {
            "workflow.yml": f"{HEAD}jobs:\n{TOOL_JOB}",
            "transformations.yml": TOOLS
            + "- {name: tool, sites: [{name: cluster, pfn: /bin/true, type: installed}]}\n",
        },
        11,
        "error: HERE/transformations.yml:3: transformation 'tool' cannot run at condorpool: it is installed at cluster (needed by task 'a')\n"
        "  hint: plan with `--sites cluster`, or add an entry for one of these sites to the catalog\n",
    ),
    "program for another machine": (
        {
            "workflow.yml": f"{HEAD}jobs:\n{TOOL_JOB}",
            "sites.yml": SITES + "- {name: cluster, arch: x86_64, os.type: linux, directories: []}\n",
            "transformations.yml": TOOLS
            + "- {name: tool, sites: [{name: local, pfn: /bin/true, type: stageable, arch: aarch64}]}\n",
        },
        11,
        "error: HERE/transformations.yml:3: transformation 'tool' cannot run at cluster: it is stageable at local for aarch64 (needed by task 'a')\n"
        "  hint: plan with `--sites local`, or add an entry for one of these sites to the catalog\n",
    ),
    "container and requirement that are nowhere": (
        {
            "workflow.yml": f"{HEAD}jobs:\n{TOOL_JOB}",
            "transformations.yml": TOOLS
            + "- {name: tool, requires: [helper], sites: [{name: local, pfn: /bin/true, type: stageable, container: box}]}\n",
        },
        10,
        "error: HERE/transformations.yml:3: transformation 'tool' requires 'helper', which is not in the catalog\n"
        "  hint: add a transformation 'helper'\n"
        "error: HERE/transformations.yml:3: transformation 'tool' at site 'local' names the container 'box', which is not in the catalog\n"
        "  hint: add it to the list 'containers'\n",
    ),
    "several catalogs wrong at once": (
        {
            "workflow.yml": f"{HEAD}jobs:\n{JOB}{JOB}",
            "replicas.yml": REPLICAS + "- {lfn: in, pfns: [{site: local, pfn: data/in}]}\n",
            "sites.yml": SITES
            + "- {name: c, directories: [{type: sharedScratch, path: scratch, fileServers: []}]}\n",
            "transformations.yml": TOOLS
            + "- {name: tool, sites: [{name: local, pfn: /bin/true, type: instaled}]}\n",
        },
        10,
        "error: HERE/workflow.yml:5: two jobs have the id 'a', first on line 4\n"
        "  hint: give each an id of its own\n"
        "error: HERE/sites.yml:3: the path 'scratch' of the sharedScratch directory of site 'c' is not absolute\n"
        "  hint: write the absolute path, such as ${PWD}/scratch\n"
        "error: HERE/sites.yml:3: the sharedScratch directory of site 'c' has no file server\n"
        "  hint: add `fileServers: [{url: 'file://scratch', operation: all}]`\n"
        "error: HERE/replicas.yml:3: replica 'in' is at 'data/in', which is neither a URL nor an absolute path\n"
        "  hint: write the absolute path, such as ${PWD}/data/in\n"
        "error: HERE/transformations.yml:3: 'type' of transformation site 'local' is 'instaled'; it must be one of installed, stageable\n"
        "  hint: did you mean 'installed'?\n",
    ),
}


@pytest.mark.integration
@pytest.mark.parametrize("kind", DISAGREEING)
def test_catalogs_that_disagree_are_refused(kind: str, tmp_path: Path) -> None:
    documents, exit_code, message = DISAGREEING[kind]
    for name, text in documents.items():
        (tmp_path / name).write_text(text)

    done = markab("plan", cwd=tmp_path, check=False)

    assert message == said(done, tmp_path)
    assert (exit_code, "") == (done.returncode, done.stdout)
    assert sorted(documents) == sorted(os.listdir(tmp_path))


# -- files and directories that cannot be used ------------------------------------------------------


def powerless(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `markab …` as a user who is bound by permissions."""
    return command(*POWERLESS, *MARKAB, *words, cwd=cwd, check=False)


def replica(lfn: str, path: Path, **keys: Any) -> dict[str, Any]:
    """Return a replica catalog with one file."""
    return {"replicas": [{"lfn": lfn, "pfns": [{"site": "local", "pfn": str(path)}], **keys}]}


def copying(here: Path, **keys: Any) -> Path:
    """Write a workflow that copies HERE/input to its result `out`."""
    (here / "input").write_text("content\n")
    return write_workflow(
        here,
        [job_line("copy", "cp", "in out", inputs=["in"], outputs=["out"])],
        replicaCatalog=replica("in", here / "input"),
        **keys,
    )


def delivered(here: Path, name: str = "wf-output") -> list[str]:
    """Return everything at the output site, also what begins with a dot."""
    return sorted(os.listdir(here / name)) if (here / name).exists() else []


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def make_forbidden(path: Path) -> None:
    path.chmod(0)


def repair(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    elif path.exists():
        path.unlink()
    path.write_text("content\n")


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


NO_REPLICA = (
    "error: HERE/workflow.yml:1: file 'in' has no replica that can be used: HERE/input ({}) (needed by task 'copy')\n"
    "  hint: put the file where it is registered, or correct the replica catalog\n"
)

UNREADABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, NO_REPLICA.format("no such file")),
    "a directory": (make_directory, NO_REPLICA.format("a directory")),
    "a dangling link": (make_dangling, NO_REPLICA.format("a link to nothing")),
    "forbidden": (make_forbidden, NO_REPLICA.format("not readable")),
    "a pipe": (make_fifo, NO_REPLICA.format("a device, pipe or socket")),
}


@pytest.mark.integration
@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_input_is_found_when_planning(kind: str, tmp_path: Path) -> None:
    damage, message = UNREADABLE[kind]
    copying(tmp_path)
    damage(tmp_path / "input")

    done = powerless("plan", cwd=tmp_path)

    assert message == said(done, tmp_path)
    assert (11, "") == (done.returncode, done.stdout)
    assert {"workflow.yml"} == {*os.listdir(tmp_path)} - {"input"}


STAGED = "HERE/wf-scratch/USER/pegasus/w/run0001/in"
LATER: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone": (Path.unlink, "does not exist\n    hint: ls -l 'HERE'"),
    "a directory": (
        make_directory,
        "is a directory, not a file\n    hint: pack it into an archive, or name the files in it",
    ),
    "forbidden": (make_forbidden, "may not be read\n    hint: chmod u+r 'HERE/input'"),
    "a pipe": (
        make_fifo,
        "is a device, pipe or socket, not a file\n"
        "    hint: correct the replica catalog, or put the file there; then plan again",
    ),
}


@pytest.mark.integration
@pytest.mark.parametrize("kind", LATER)
def test_an_input_that_is_unreadable_later_fails_its_stage_in_until_it_is_readable(
    kind: str, tmp_path: Path
) -> None:
    damage, message = LATER[kind]
    submit_dir = plan(copying(tmp_path), "-D", "dagman.retry=0", "--output-sites", "local", cwd=tmp_path)
    damage(tmp_path / "input")

    done = powerless("run", "-q", submit_dir, cwd=tmp_path)

    assert (
        f"stage_in_local_local_0_0 failed (attempt 1)\n  'HERE/input' (wanted at '{STAGED}') {message}"
    ) == said(done, tmp_path).strip()
    assert 14 == done.returncode
    assert [] == delivered(tmp_path)
    assert not (tmp_path / "wf-scratch" / submit_dir.relative_to(tmp_path) / "in").exists()

    repair(tmp_path / "input")
    assert 0 == powerless("run", submit_dir, cwd=tmp_path).returncode
    assert ["out"] == delivered(tmp_path)


@pytest.mark.integration
def test_an_output_directory_that_is_not_writable_is_found_when_planning(tmp_path: Path) -> None:
    copying(tmp_path)
    (tmp_path / "results").mkdir(mode=0o500)

    done = powerless("plan", "--output-dir", "results/today", cwd=tmp_path)

    assert (
        "error: output directory 'HERE/results/today' is not writable: you may not write to 'HERE/results'\n"
        "  hint: name another directory, or change its permissions\n"
    ) == said(done, tmp_path)
    assert 11 == done.returncode
    assert ["input", "results", "workflow.yml"] == sorted(os.listdir(tmp_path))


@pytest.mark.integration
def test_an_output_directory_that_becomes_unwritable_fails_the_stage_out_alone(tmp_path: Path) -> None:
    submit_dir = plan(copying(tmp_path), "-D", "dagman.retry=0", "--output-dir", "results", cwd=tmp_path)
    (tmp_path / "results").mkdir(mode=0o500)

    done = powerless("run", "-q", submit_dir, cwd=tmp_path)

    assert (
        "stage_out_local_local_0_0 failed (attempt 1)\n"
        "  cannot write 'HERE/results/out' (from 'HERE/wf-scratch/USER/pegasus/w/run0001/out'): permission denied\n"
        "    hint: ls -ld 'HERE/results'"
    ) == said(done, tmp_path).strip()
    assert 14 == done.returncode
    assert [] == delivered(tmp_path, "results")

    (tmp_path / "results").chmod(0o700)
    assert 0 == powerless("run", submit_dir, cwd=tmp_path).returncode
    assert ["out"] == delivered(tmp_path, "results")
    assert 1 == len(starts_of(submit_dir, "cp_copy")), "the job was done again"


def starts_of(submit_dir: Path, name: str) -> list[dict[str, Any]]:
    return [r for r in journal(submit_dir) if r["event"] == "start" and r["id"] == name]


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["unwritable", "a file"])
def test_a_submit_directory_that_cannot_be_made_is_an_error(kind: str, tmp_path: Path) -> None:
    copying(tmp_path)
    if kind == "a file":
        (tmp_path / "runs").touch()
    else:
        (tmp_path / "runs").mkdir(mode=0o500)

    done = powerless("plan", "--dir", "runs", cwd=tmp_path)

    reason = "Not a directory" if kind == "a file" else "Permission denied"
    assert (
        f"error: cannot make a submit directory below 'HERE/runs': {reason}\n"
        "  hint: choose a directory you may write to with --dir\n"
    ) == said(done, tmp_path)
    assert 13 == done.returncode
    assert ["input", "runs", "workflow.yml"] == sorted(os.listdir(tmp_path))


# -- full disks ----------------------------------------------------------------------------------------

MANY = [job_line(f"j{number}", "true") for number in range(400)]


@pytest.mark.integration
def test_a_disk_that_is_full_while_planning_leaves_nothing(tmp_path: Path) -> None:
    write_workflow(tmp_path, MANY)
    with small_disk(tmp_path / "disk", "64k") as disk:
        done = disk.command(*MARKAB, "plan", "--dir", disk.path, cwd=tmp_path)

        assert (
            "error: cannot write 'HERE/disk/USER/pegasus/w/run0001/plan.jsonl': No space left on device\n"
            "  hint: make room or choose another directory, then run the command again\n"
        ) == said(done, tmp_path)
        assert 13 == done.returncode
        assert [] == disk.files()

        disk.fill()
        done = disk.command(*MARKAB, "plan", "--dir", disk.path, cwd=tmp_path)

        assert (
            "error: cannot write to 'HERE/disk/USER/pegasus/w/run0001': No space left on device\n"
            "  hint: make room, then plan again\n"
        ) == said(done, tmp_path)
        assert 13 == done.returncode
        assert [] == disk.files()


@pytest.mark.integration
def test_a_journal_on_a_full_disk_stops_the_run_and_room_continues_it(tmp_path: Path) -> None:
    write_workflow(tmp_path, MANY)
    with small_disk(tmp_path / "disk", "1m") as disk:
        place = disk.path / "run"
        no_database = ("-D", "pegasus.monitord.events=false")  # it would find no room even before the journal
        words = ("plan", *no_database, "--relative-dir", "run", "--dir", disk.path)
        disk.command(*MARKAB, *words, cwd=tmp_path)
        disk.fill(leave_bytes=40_000)

        done = disk.command(*MARKAB, "run", "-q", place, cwd=tmp_path)

        assert (
            "warning: cannot write 'HERE/disk/run/journal.jsonl': No space left on device; "
            "nothing new is started until that works\n"
            "error: cannot write 'HERE/disk/run/journal.jsonl': No space left on device\n"
            "  hint: make room on its disk; the run goes on as soon as there is some, "
            "or with `markab run HERE/disk/run`\n"
        ) == said(done, tmp_path)
        assert 13 == done.returncode
        before = succeeded(disk.seen / "run")
        assert before

        disk.make_room()
        again = disk.command(*MARKAB, "run", place, cwd=tmp_path)
        assert 0 == again.returncode, again.stderr
        after = succeeded(disk.seen / "run")
        assert len(after) == len(set(after)), "a job succeeded twice"
        assert before == after[: len(before)]


@pytest.mark.integration
def test_a_run_whose_journal_finds_no_room_goes_on_by_itself_once_there_is_some(tmp_path: Path) -> None:
    with Gate(tmp_path / "gate") as gate, small_disk(tmp_path / "disk", "1m") as disk:
        write_workflow(tmp_path, [job_line("held", *gate.program.split(" ", 1)), *MANY])
        disk.command(*MARKAB, "plan", "--relative-dir", "run", "--dir", disk.path, cwd=tmp_path)
        disk.fill(leave_bytes=40_000)

        with disk.start(*MARKAB, "run", "-q", disk.path / "run", cwd=tmp_path) as engine:
            assert engine.stderr is not None
            assert any("nothing new is started until that works" in line for line in engine.stderr)
            disk.make_room()
            gate.let(1)
            assert 0 == engine.wait(60), engine.stderr.read()


WRITE = """#!/bin/sh
# Writes $2 bytes into $1.
exec head -c "$2" /dev/zero > "$1"
"""
TWO_MB = 2_000_000


def writing(here: Path, *words: str | Path, read: bool = False) -> Path:
    """Plan a workflow that makes (or reads) 2 MB, its scratch in HERE/scratch; return the submit directory."""
    write = script(here / "write.sh", WRITE)
    scratch = str(here / "scratch")
    site = {
        "name": "local",
        "directories": [
            {
                "type": "sharedScratch",
                "path": scratch,
                "fileServers": [{"url": f"file://{scratch}", "operation": "all"}],
            }
        ],
    }
    make = job_line("a", "write", f"big {TWO_MB}", outputs=["big"])
    use = job_line("a", "write", "small 1", inputs=["big"], outputs=["small"])
    workflow = write_workflow(
        here,
        [use if read else make],
        replicaCatalog=replica("big", here / "big"),
        siteCatalog={"sites": [site]},
        transformationCatalog=program("write", write),
    )
    return plan(workflow, "--output-dir", here / "results", "-D", "dagman.retry=0", *words, cwd=here)


def program(name: str, path: Path) -> dict[str, Any]:
    """Return a transformation catalog with one program of this machine."""
    sites = [{"name": site, "type": "installed", "pfn": str(path)} for site in ("local", "condorpool")]
    return {"transformations": [{"name": name, "sites": sites}]}


@pytest.mark.integration
@pytest.mark.parametrize("data", ["condorio", "nonsharedfs", "sharedfs"])
def test_a_scratch_that_is_full_fails_the_job_that_writes_to_it(data: str, tmp_path: Path) -> None:
    submit_dir = writing(tmp_path, "--sites", "local", "-D", f"pegasus.data.configuration={data}")
    with small_disk(tmp_path / "scratch", "4m") as disk:
        disk.fill(leave_bytes=1_000_000)

        done = disk.command(*MARKAB, "run", "-q", submit_dir, cwd=tmp_path)

        place = "" if data == "sharedfs" else "/.work/write_a.1"
        run = "HERE/scratch/USER/pegasus/w/run0001"
        assert (
            "write_a failed (attempt 1)\n"
            f"  there is no room in '{run}{place}' any more: No space left on device\n"
            f"    hint: df -h '{os.path.dirname(run + place)}'; make room, then run again\n"
            "  task 'a' ended with exit code 1\n"
            "  command: HERE/write.sh big 2000000\n"
            "  stderr:\n"
            "    head: error writing 'standard output': No space left on device"
        ) == said(done, tmp_path).strip()
        assert 14 == done.returncode
        assert [] == delivered(tmp_path, "results")

        disk.make_room()
        assert 0 == disk.command(*MARKAB, "run", submit_dir, cwd=tmp_path).returncode
    assert ["big"] == delivered(tmp_path, "results")
    assert b"\0" * TWO_MB == (tmp_path / "results" / "big").read_bytes()


@pytest.mark.integration
def test_an_output_site_that_is_full_fails_the_stage_out_and_keeps_no_part_of_the_file(
    tmp_path: Path,
) -> None:
    submit_dir = writing(tmp_path)
    with small_disk(tmp_path / "results", "4m") as disk:
        disk.fill(leave_bytes=1_000_000)

        done = disk.command(*MARKAB, "run", "-q", submit_dir, cwd=tmp_path)

        assert (
            "stage_out_local_local_0_0 failed (attempt 1)\n"
            "  cannot write 'HERE/results/big' (from 'HERE/scratch/USER/pegasus/w/run0001/big'): "
            "No space left on device\n"
            "    hint: df -h 'HERE/results'"
        ) == said(done, tmp_path).strip()
        assert 14 == done.returncode
        assert [] == disk.files()

        disk.make_room()
        assert 0 == disk.command(*MARKAB, "run", submit_dir, cwd=tmp_path).returncode
        assert ["big"] == disk.files()
        assert b"\0" * TWO_MB == (disk.seen / "big").read_bytes()
    assert 1 == len(starts_of(submit_dir, "write_a")), "the job was done again"


@pytest.mark.integration
def test_an_input_that_does_not_fit_into_scratch_fails_its_stage_in(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(TWO_MB))
    submit_dir = writing(tmp_path, "--sites", "local", read=True)
    with small_disk(tmp_path / "scratch", "4m") as disk:
        disk.fill(leave_bytes=1_000_000)

        done = disk.command(*MARKAB, "run", "-q", submit_dir, cwd=tmp_path)

        assert (
            "stage_in_local_local_0_0 failed (attempt 1)\n"
            "  cannot write 'HERE/scratch/USER/pegasus/w/run0001/big' (from 'HERE/big'): No space left on device\n"
            "    hint: df -h 'HERE/scratch/USER/pegasus/w/run0001'"
        ) == said(done, tmp_path).strip()
        assert 14 == done.returncode
        assert [] == [name for name in disk.files() if "big" in name]

        disk.make_room()
        assert 0 == disk.command(*MARKAB, "run", submit_dir, cwd=tmp_path).returncode
    assert ["small"] == delivered(tmp_path, "results")


def succeeded(submit_dir: Path) -> list[int]:
    """Return the positions of the jobs that succeeded, in the order in which they did."""
    return [r["job"] for r in journal(submit_dir) if r["event"] == "end" and r["record"]["ok"]]


# -- submit directories that cannot be run ---------------------------------------------------------------


@pytest.mark.integration
def test_a_submit_directory_that_is_being_run_is_refused(tmp_path: Path) -> None:
    submit_dir = plan(write_workflow(tmp_path, [job_line("a", "sleep", "1000")]), cwd=tmp_path)
    first = subprocess.Popen([*MARKAB, "run", "-q", str(submit_dir)], cwd=tmp_path, env=environment())
    wait_until(lambda: (submit_dir / "journal.jsonl").exists() and starts_of(submit_dir, "sleep_a"))

    done = markab("run", submit_dir, cwd=tmp_path, check=False)
    first.send_signal(signal.SIGINT)

    run = "HERE/USER/pegasus/w/run0001"
    host = os.uname().nodename
    assert (
        f"error: '{run}' is being run by process {first.pid} on {host}\n"
        f"  hint: watch it with `markab status {run}`; "
        f"stop it with `markab halt {run}` or `markab remove {run}`\n"
    ) == said(done, tmp_path)
    assert (23, "") == (done.returncode, done.stdout)
    assert 130 == first.wait(10), "the engine that was there first was disturbed"
    assert 1 == len(starts_of(submit_dir, "sleep_a"))


@pytest.mark.integration
def test_a_plan_of_a_newer_markab_is_refused(tmp_path: Path) -> None:
    submit_dir = plan(write_workflow(tmp_path, [job_line("a", "true")]), cwd=tmp_path)
    file = submit_dir / "plan.jsonl"
    text = file.read_text()
    assert '"format":1,' in text
    file.write_text(text.replace('"format":1,', '"format":2,', 1))

    for words in (["run", submit_dir], ["status", submit_dir], ["show", submit_dir]):
        done = markab(*words, cwd=tmp_path, check=False)

        assert (
            "error: 'HERE/USER/pegasus/w/run0001/plan.jsonl' has format 2; this Markab reads up to 1\n"
            "  hint: update Markab, or plan the workflow again with this one\n"
        ) == said(done, tmp_path)
        assert (22, "") == (done.returncode, done.stdout)
    assert not (submit_dir / "journal.jsonl").exists()

    file.write_text(text)
    assert 0 == markab("run", submit_dir, cwd=tmp_path).returncode


@pytest.mark.integration
def test_a_plan_that_is_damaged_is_refused(tmp_path: Path) -> None:
    submit_dir = plan(write_workflow(tmp_path, [job_line("a", "true")]), cwd=tmp_path)
    file = submit_dir / "plan.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:-1], lines[-1][:40]]) + "\n")

    done = markab("run", submit_dir, cwd=tmp_path, check=False)

    assert (
        f"error: 'HERE/USER/pegasus/w/run0001/plan.jsonl', line {len(lines)}: "
        "it was changed since it was planned: its checksum differs\n"
        "  hint: plan the workflow again; what has run stays in the journal of this directory\n"
    ) == said(done, tmp_path)
    assert 20 == done.returncode
    assert not (submit_dir / "journal.jsonl").exists(), "it was run as far as it could be read"


@pytest.mark.integration
def test_something_that_is_no_submit_directory_is_refused(tmp_path: Path) -> None:
    done = markab("run", tmp_path, cwd=tmp_path, check=False)

    assert (
        "error: 'HERE' is not a submit directory: it has no plan.jsonl\n"
        "  hint: name the directory that `markab plan` printed, such as …/run0001\n"
    ) == said(done, tmp_path)
    assert 12 == done.returncode
    assert [] == os.listdir(tmp_path)


@pytest.mark.integration
def test_a_journal_damaged_in_the_middle_is_refused_and_its_hint_helps(tmp_path: Path) -> None:
    jobs = [job_line(f"j{n}", "true") for n in range(5)] + [job_line("last", "ls", str(tmp_path / "mended"))]
    after = [{"id": f"j{n}", "children": ["last"]} for n in range(5)]
    workflow = write_workflow(tmp_path, jobs, jobDependencies=after)
    submit_dir = plan(workflow, "-D", "dagman.retry=0", cwd=tmp_path)
    assert 14 == markab("run", submit_dir, cwd=tmp_path, check=False).returncode
    file = submit_dir / "journal.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2
    at = sum(map(len, lines[:middle]))
    damaged = bytearray(b"".join(lines))
    damaged[at + 20] ^= 1
    file.write_bytes(damaged)

    done = markab("run", submit_dir, cwd=tmp_path, check=False)

    path = "HERE/USER/pegasus/w/run0001/journal.jsonl"
    assert (
        f"error: '{path}', line {middle + 1} (byte {at}): the record fails its checksum\n"
        "  hint: the file was changed or damaged; all above that line is sound. Keep a copy, cut the rest off with "
        f"`truncate -s {at} {path}`, and run again; what came later is done again\n"
    ) == said(done, tmp_path)
    assert 21 == done.returncode
    assert damaged == file.read_bytes(), "a damaged journal was written to"

    found = re.search("`(truncate [^`]+)`", done.stderr)
    assert found
    command(*found[1].split(), cwd=tmp_path)
    (tmp_path / "mended").touch()
    assert 0 == markab("run", submit_dir, cwd=tmp_path).returncode
    assert sorted(set(succeeded(submit_dir))) == sorted(succeeded(submit_dir))


# -- the same by other ways ----------------------------------------------------------------------------


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["not YAML", "cycle", "missing input, executable, site"])
def test_running_a_wrong_workflow_prints_the_same_as_planning_it(kind: str, tmp_path: Path) -> None:
    text, exit_code, message = DOCUMENTS[kind]
    (tmp_path / "workflow.yml").write_text(text)

    done = markab("run", "workflow.yml", cwd=tmp_path, check=False)

    assert message == said(done, tmp_path)
    assert (exit_code, "") == (done.returncode, done.stdout)
    assert ["workflow.yml"] == os.listdir(tmp_path)


@pytest.mark.integration
def test_programs_get_every_problem_as_json(tmp_path: Path) -> None:
    text, exit_code, message = DOCUMENTS["missing input, executable, site"]
    (tmp_path / "workflow.yml").write_text(text)

    done = markab("plan", "--json", cwd=tmp_path, check=False)

    error = json.loads(done.stdout)["error"]
    assert exit_code == error["exit_code"] == done.returncode
    kinds = [problem["kind"] for problem in error["problems"]]
    assert ["missing-executable", "unknown-site", "missing-input", "missing-input"] == kinds
    shown = [
        f"error: {p['file']}:{p['line']}: {p['message']}\n  hint: {p['hint']}\n" for p in error["problems"]
    ]
    assert message == "".join(shown).replace(str(tmp_path), "HERE")


@pytest.mark.integration
@pytest.mark.parametrize(
    "kind", ["unknown key", "duplicate job id", "two producers of a file", "absolute lfn"]
)
def test_a_document_of_a_megabyte_gets_the_same_errors(kind: str, tmp_path: Path) -> None:
    """Such documents go through another reader."""
    text, exit_code, message = DOCUMENTS[kind]
    filler = "".join(job(f"filler{number}") for number in range(16_000))
    assert len(filler) > 1_000_000
    (tmp_path / "workflow.yml").write_text(text + filler)

    done = markab("plan", cwd=tmp_path, check=False)

    assert message == said(done, tmp_path)
    assert (exit_code, "") == (done.returncode, done.stdout)
    assert ["workflow.yml"] == os.listdir(tmp_path)
