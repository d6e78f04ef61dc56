"""Names, sizes and numbers of files and arguments that are unusual, and right."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from integration.tools import command, ends_of, job_line, markab, plan, script, write_workflow

pytestmark = pytest.mark.integration

DATA = ("condorio", "nonsharedfs", "sharedfs")

NAMES = [
    "two words.txt",
    " blanks at both ends ",
    "100%20sure.txt",
    "%41%2e%2F",
    "number#1.txt",
    "what?a=b&c.txt",
    "-rf",
    "--help",
    "Größe-北京-🙂.txt",
    "e\u0301 and \u00e9.txt",
    'it\'s "quoted" `here` $HOME \\n',
    "*.txt",
    "[a-z]{1,2};|&<>()!~",
    ".hidden",
    "a:b",
    "file:c",
    "key=value,other=1",
    "x" * 255,
    "deep/er/" * 12 + "deepest file",
    "-dir/-file",
]

COPY_ALL = """#!/usr/bin/env python3
# Copies every file named in the list $1 to the name with `.out` at the end of its first part.
import json, os, sys
for source, target in json.load(open(sys.argv[1])):
    with open(source, "rb") as file, open(target, "wb") as copy:
        copy.write(file.read())
"""


def programs(**paths: Path) -> dict[str, Any]:
    """Return a transformation catalog with installed programs."""
    return {
        "transformations": [
            {"name": name, "sites": [{"name": "local", "type": "installed", "pfn": str(path)}]}
            for name, path in paths.items()
        ]
    }


def made_from(lfn: str) -> str:
    return "out/" + lfn


@pytest.mark.parametrize("data", DATA)
def test_files_with_odd_names_go_all_the_way(data: str, tmp_path: Path) -> None:
    pairs = [(name, made_from(name)) for name in NAMES]
    again = [(made, "again/" + made) for _, made in pairs]
    for name in NAMES:
        path = tmp_path / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    (tmp_path / "input" / "list1.json").write_text(json.dumps(pairs))
    (tmp_path / "input" / "list2.json").write_text(json.dumps(again))
    workflow = write_workflow(
        tmp_path,
        [
            job_line(
                "one", "copy", "list1.json", inputs=["list1.json", *NAMES], outputs=[m for _, m in pairs]
            ),
            job_line(
                "two",
                "copy",
                "list2.json",
                inputs=["list2.json", *(m for _, m in pairs)],
                outputs=[m for _, m in again],
            ),
        ],
        transformationCatalog=programs(copy=script(tmp_path / "copy.py", COPY_ALL)),
    )
    submit_dir = plan(
        workflow,
        *("--input-dir", tmp_path / "input", "--output-dir", tmp_path / "results"),
        *("--sites", "local", "-D", f"pegasus.data.configuration={data}"),
        cwd=tmp_path,
    )

    markab("run", submit_dir, cwd=tmp_path)

    results = tmp_path / "results"
    for name in NAMES:
        for made in (made_from(name), "again/" + made_from(name)):
            assert f"content of {name}" == (results / made).read_text(), name
    assert 2 * len(NAMES) == sum(path.is_file() for path in results.rglob("*"))
    assert [] == [path for path in (tmp_path / "wf-scratch").rglob("*") if path.is_file()], "not cleaned up"


@pytest.mark.parametrize("data", DATA)
def test_odd_names_as_replicas_arguments_and_streams(data: str, tmp_path: Path) -> None:
    names = [name for name in NAMES if "/" not in name]
    (tmp_path / "input").mkdir()
    for name in names:
        (tmp_path / "input" / name).write_text(f"{name}\n")
    workflow = write_workflow(
        tmp_path,
        [
            job_line(
                f"j{number}",
                "cat",
                f"-- {shlex.quote(name)}",
                inputs=[name],
                outputs=[f"out of {name[:240]}"],
                stdout=f"out of {name[:240]}",
            )
            for number, name in enumerate(names)
        ],
        replicaCatalog={
            "replicas": [
                {"lfn": name, "pfns": [{"site": "local", "pfn": str(tmp_path / "input" / name)}]}
                for name in names
            ]
        },
    )
    submit_dir = plan(
        workflow,
        *("--output-dir", tmp_path / "results", "--sites", "local"),
        *("-D", f"pegasus.data.configuration={data}"),
        cwd=tmp_path,
    )

    markab("run", submit_dir, cwd=tmp_path)

    found = {path.name: path.read_text() for path in (tmp_path / "results").iterdir()}
    assert {f"out of {name[:240]}": f"{name}\n" for name in names} == found


@pytest.mark.parametrize("data", DATA)
def test_a_file_of_no_bytes_is_a_file(data: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    workflow = write_workflow(
        tmp_path,
        [
            job_line("a", "cp", "empty middle", inputs=["empty"], outputs=["middle"]),
            job_line("b", "cp", "middle last", inputs=["middle"], outputs=["last"]),
        ],
        replicaCatalog={
            "replicas": [{"lfn": "empty", "pfns": [{"site": "local", "pfn": str(tmp_path / "empty")}]}]
        },
    )
    submit_dir = plan(
        workflow,
        *("--output-dir", tmp_path / "results", "--sites", "local"),
        *("-D", f"pegasus.data.configuration={data}"),
        cwd=tmp_path,
    )

    markab("run", submit_dir, cwd=tmp_path)

    assert {"middle": b"", "last": b""} == {
        path.name: path.read_bytes() for path in (tmp_path / "results").iterdir()
    }


@pytest.mark.parametrize("data", DATA)
def test_a_job_may_read_thousands_of_files(data: str, tmp_path: Path) -> None:
    names = [f"part-{number:04}.txt" for number in range(2000)]
    (tmp_path / "input").mkdir()
    for name in names:
        (tmp_path / "input" / name).write_text(f"{name}\n")
    program = script(tmp_path / "join.sh", "#!/bin/sh\ncat part-*.txt > all.txt\n")
    workflow = write_workflow(
        tmp_path,
        [
            job_line("join", "join", inputs=names, outputs=["all.txt"]),
        ],
        transformationCatalog=programs(join=program),
    )
    submit_dir = plan(
        workflow,
        *("--input-dir", tmp_path / "input", "--output-dir", tmp_path / "results", "--sites", "local"),
        *("-D", f"pegasus.data.configuration={data}"),
        cwd=tmp_path,
    )

    markab("run", submit_dir, cwd=tmp_path)

    assert names == (tmp_path / "results" / "all.txt").read_text().splitlines()


COUNT = '#!/bin/sh\necho $#\nshift $(($# - 1))\nprintf %s "$1" | wc -c\n'


def counting(here: Path, arguments: str) -> Path:
    workflow = write_workflow(
        here,
        [job_line("a", "count", arguments)],
        transformationCatalog=programs(count=script(here / "count.sh", COUNT)),
    )
    return plan(workflow, "--sites", "local", "-D", "dagman.retry=0", cwd=here)


def test_a_command_line_may_be_as_long_as_the_system_takes(tmp_path: Path) -> None:
    words = 20_000
    submit_dir = counting(tmp_path, "argument " * (words - 1) + "x" * 100_000)

    markab("run", submit_dir, cwd=tmp_path)

    assert [str(words), "100000"] == ends_of(submit_dir, "count_a")[0]["stdout"].split()


def test_a_command_line_that_is_too_long_is_an_error_that_says_so(tmp_path: Path) -> None:
    limit = int(command("getconf", "ARG_MAX", cwd=tmp_path).stdout)
    submit_dir = counting(tmp_path, "argument " * (limit // 9))

    done = markab("run", "-q", submit_dir, cwd=tmp_path, check=False)

    assert 14 == done.returncode
    size = len(str(tmp_path / "count.sh")) + 1 + limit // 9 * 9
    shown = f"{tmp_path / 'count.sh'} {'argument ' * 60}"[:500]
    assert (
        "count_a failed (attempt 1)\n"
        f"  the arguments of task 'a' are too long for this system: {size} characters\n"
        "    hint: write them into a file that the task reads\n"
        f"  command: {shown}… ({size - 1 - 500:,} more characters)"
    ) == done.stderr.strip()
