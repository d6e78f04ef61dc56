"""Documents written to break their reader, and files in their place that have no end or never answer."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.figures import FIGURES
from faults.test_fuzzed_readers import alarm
from integration.tools import environment
from markab.errors import MarkabError
from markab.spec import reader
from markab.transfers.tree_removal import remove_tree

HEAD = "pegasus: '5.0'\nname: w\n"
JOB = "- {type: job, name: 'true', id: a, arguments: [], uses: []}\n"
MOST_S_PER_MB = 30.0


def bomb(levels: int) -> str:
    """Return nine times nine times … the same list: a "billion laughs"."""
    lines = ["x-0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"x-{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(lines) + "\n"


def multiplied() -> str:
    """Return uses and jobs that are aliases: a hundred million uses in a document of a megabyte."""
    uses = ", ".join(["*use"] * 10_000)
    jobs = ", ".join(["*job"] * 10_000)
    return (
        f"{HEAD}x-use: &use {{lfn: f, type: input}}\nx-uses: &uses [{uses}]\n"
        f"x-job: &job {{type: job, name: t, id: a, arguments: [], uses: *uses}}\njobs: [{jobs}]\n"
    )


def merges(levels: int) -> str:
    """Return merge keys, each of which merges the one above it twice."""
    lines = ["x-0: &a0 {k: v}"]
    for level in range(1, levels):
        lines.append(f"x-{level}: &a{level} {{<<: [*a{level - 1}, *a{level - 1}]}}")
    return "\n".join(lines) + f"\nmetadata: {{<<: *a{levels - 1}}}\n"


def deep(begin: str, end: str = "", count: int = 100_000) -> str:
    return f"{HEAD}x-deep: {begin * count}{end * count}\njobs:\n{JOB}"


DOCUMENTS: dict[str, str | bytes] = {
    "lists inside of lists": deep("[", "]"),
    "maps inside of maps": deep("{a: ", "}"),
    "lists that hide how deep they are": deep('["]",', "]"),
    "compact lists inside of lists": deep("\n" + "- " * 200, "", 100),
    "maps by indentation": HEAD + "x-a:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 1500)),
    "keys that are keys": deep("? "),
    "keys without anything": HEAD + "?\n" * 50_000,
    "JSON lists inside of lists": '{"pegasus": "5.0", "name": "w", "jobs": ' + "[" * 100_000,
    "a billion laughs": HEAD + bomb(12) + "metadata: {k: *a11}\njobs: *a11\n",
    "aliases that multiply": multiplied(),
    "merge keys that multiply": HEAD + merges(60) + f"jobs:\n{JOB}",
    "a list in itself": f"{HEAD}jobs: &a [*a, *a]\n",
    "a map in itself": f"{HEAD}metadata: &a {{<<: *a, k: v}}\njobs:\n{JOB}",
    "a scalar of ten megabytes": f"{HEAD}metadata: {{k: '{'x' * 10_000_000}'}}\njobs: []\n",
    "a name of a megabyte": f"pegasus: '5.0'\nname: {'n' * 1_000_000}\njobs:\n{JOB}",
    "a key of a megabyte": f"{HEAD}{'k' * 1_000_000}: v\njobs:\n{JOB}",
    "ten thousand unknown keys": HEAD + "".join(f"key{n}: v\n" for n in range(10_000)),
    "ten thousand equal keys": HEAD + "metadata: {a: b}\n" * 10_000,
    "ten thousand equal jobs": f"{HEAD}jobs:\n" + JOB * 10_000,
    "ten thousand unknown parents": f"{HEAD}jobs:\n{JOB}jobDependencies:\n"
    + "".join(f"- {{id: p{n}, children: [a]}}\n" for n in range(10_000)),
    "ten thousand variables that are not set": f"{HEAD}metadata: {{{', '.join(f'k{n}: ${{NO{n}}}' for n in range(10_000))}}}\n",
    "a variable inside of a variable": f"{HEAD}metadata: {{k: '{'${' * 100_000}'}}\njobs: []\n",
    "bytes that are no UTF-8": HEAD.encode() + b"metadata: {k: \xff\xfe}\n",
    "UTF-16": HEAD.encode("utf-16"),
    "half a character": f'{HEAD}metadata: {{k: "\\ud800"}}\njobs: []\n',
    "NUL": f"{HEAD}metadata: {{k: a\0b}}\n",
    "NUL as an escape": f'pegasus: "5.0"\nname: "a\\0b"\njobs:\n{JOB}',
    "escape sequences": f'pegasus: "5.0"\nname: "\\e[2J\\e]0;x\\a"\njobs:\n{JOB}',
    "a number of a megabyte": f"{HEAD}jobs:\n- {{type: job, name: t, id: a, arguments: [], uses: [{{lfn: f, type: input, size: {'9' * 1_000_000}}}]}}\n",
    "an exponent without end": f"{HEAD}jobs:\n- {{type: job, name: t, id: a, arguments: [], uses: [{{lfn: f, type: input, size: 1e999999999}}]}}\n",
    "a Python object": f"{HEAD}metadata: !!python/object/apply:os.system ['touch pwned']\njobs: []\n",
    "a Python name": f"{HEAD}metadata: {{k: !!python/name:os.system x}}\njobs: []\n",
    "unknown directives": "%FOO\n%YAML 9.9\n---\n" + HEAD,
    "many documents": "---\n" * 100_000,
    "only comments": "#" * 1_000_000,
    "only tabs": "\t" * 100_000,
    "only quotes": "'" * 100_001,
    "only colons": ": " * 50_000,
    "XML entities": '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12)) + "]><adag>&m;</adag>",
    "an XML entity of a file": '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><adag name="&a;"/>',
    "XML inside of XML": "<adag version='3.6' name='w'>" + "<job>" * 100_000,
    "XML attributes": "<adag version='3.6' name='w'><job " + " ".join(f"a{n}='x'" for n in range(20_000)) + "/></adag>",
    "XML comments": "<adag version='3.6' name='w'>" + "<!-- x -->" * 100_000,
    "XML text": "<adag version='3.6' name='w'><job id='a' name='t'><argument>" + '"' * 200_001 + "</argument></job></adag>",
}  # fmt: skip


LARGE = {
    "a scalar of ten megabytes", "keys without anything", "ten thousand unknown keys", "aliases that multiply",
    "XML attributes", "ten thousand equal jobs", "ten thousand unknown parents", "a number of a megabyte",
}  # fmt: skip
"""These take seconds."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.faults) if name in LARGE else name for name in DOCUMENTS]
)
def test_a_hostile_workflow_is_read_or_refused_in_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = DOCUMENTS[name]
    data = text if isinstance(text, bytes) else text.encode()
    began_s = time.process_time()
    with alarm():
        try:
            reader.parse_workflow(data)
        except MarkabError as error:
            assert len(str(getattr(error, "problems", [error])[0])) < 4000
    assert time.process_time() - began_s < 5 + MOST_S_PER_MB * len(data) / 1e6
    assert os.listdir(tmp_path) == []
    FIGURES["hostile documents"][name] += 1


# -- files that are none ----------------------------------------------------------------


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def random_bytes(path: Path) -> None:
    path.symlink_to("/dev/urandom")


IN_PLACE: dict[str, Callable[[Path], None]] = {
    "a FIFO": fifo,
    "an endless device": endless,
    "a device of random bytes": random_bytes,
    "a directory": Path.mkdir,
    "a socket": listening,
    "a link to itself": loop,
}
CATALOG = "pegasus.catalog"
DOCUMENTS_OF_A_PLAN = {
    "workflow.yml": (),
    "sites.yml": (f"{CATALOG}.site.file=sites.yml",),
    "replicas.yml": (f"{CATALOG}.replica.file=replicas.yml",),
    "rc.txt": (f"{CATALOG}.replica=File", f"{CATALOG}.replica.file=rc.txt"),
    "rc.db": (f"{CATALOG}.replica=JDBCRC", f"{CATALOG}.replica.db.url=jdbc:sqlite:rc.db"),
    "transformations.yml": (f"{CATALOG}.transformation.file=transformations.yml",),
    "pegasus.properties": (),
    "in": (f"{CATALOG}.replica=Directory", f"{CATALOG}.replica.directory=in"),
    "bin": (f"{CATALOG}.transformation=Directory", f"{CATALOG}.transformation.directory=bin"),
}


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))


def plan_with(directory: Path, document: str) -> subprocess.CompletedProcess[str]:
    """Plan a workflow, with little memory and time."""
    if document != "workflow.yml":
        (directory / "workflow.yml").write_text(f"{HEAD}jobs:\n{JOB}")
    words = [f"-D{key}" for key in DOCUMENTS_OF_A_PLAN[document]]
    if document == "pegasus.properties":
        words = ["--conf", document]
    return subprocess.run(
        [sys.executable, "-m", "markab", "plan", "--dry-run", *words, "workflow.yml"],
        cwd=directory,
        env=environment({"HOME": str(directory)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limit_memory,
    )


def check_refusal(directory: Path, document: str, what: str) -> None:
    done = plan_with(directory, document)
    assert done.returncode in ((0, 10, 11, 13) if what == "a directory" else (10, 11, 13)), done
    assert "Traceback" not in done.stderr and "unexpected" not in done.stderr, done.stderr
    assert done.returncode == 0 or document in done.stderr, done.stderr
    FIGURES["no file in place of a document"][f"{what}, refused"] += 1


@pytest.mark.parametrize("what", ["a FIFO", "an endless device"])
def test_what_is_no_file_is_not_read_as_a_workflow(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    IN_PLACE[what](tmp_path / "workflow.yml")
    check_refusal(tmp_path, "workflow.yml", what)


@pytest.mark.faults
@pytest.mark.parametrize("document", DOCUMENTS_OF_A_PLAN)
@pytest.mark.parametrize("what", IN_PLACE)
def test_what_is_no_file_is_not_read_as_a_document(
    what: str, document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    IN_PLACE[what](tmp_path / document)
    check_refusal(tmp_path, document, what)


def test_a_directory_of_inputs_is_searched_however_deep_it_is_and_whatever_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from markab.catalogs.replica_index import replicas_of_directory

    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "loop").symlink_to(inside)
    (inside / "a.txt").write_text("x")
    fifo(inside / "fifo")
    endless(inside / "zero")
    monkeypatch.chdir(inside)
    for _ in range(1400):
        os.mkdir("d")
        os.chdir("d")
    try:
        with alarm():
            found = replicas_of_directory(inside)
    finally:  # pytest's own removal calls itself for each level
        monkeypatch.chdir(tmp_path)
        remove_tree(str(inside / "d"))
    assert [replica.lfn for replica in found.replicas] == ["a.txt"]


def test_a_broken_document_of_a_megabyte_prints_nothing_but_its_error(tmp_path: Path) -> None:
    (tmp_path / "workflow.yml").write_text(HEAD + "# a comment\n" * 100_000 + "a: b: c\n")
    done = plan_with(tmp_path, "workflow.yml")
    assert done.returncode == 10
    assert [line for line in done.stderr.splitlines() if not line.startswith(("error: ", "  hint: "))] == []


def test_json_that_ends_in_the_middle_is_refused_at_every_byte() -> None:
    text = json.dumps(
        {"pegasus": "5.0", "name": "w", "jobs": [{"type": "job", "name": "t", "id": "a", "arguments": ["é"]}]}
    )
    for size in range(len(text)):
        with pytest.raises(MarkabError):
            reader.parse_workflow(text.encode()[:size])
