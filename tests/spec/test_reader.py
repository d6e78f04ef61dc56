"""Reading documents: what is understood, and what is said about what is not."""

from __future__ import annotations

import contextlib
import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from markab.errors import DocumentError, StorageError
from markab.spec import fast_reader, reader
from markab.spec.model import Checksum, Container, Pfn, Replica, Use
from markab.spec.reader import (
    parse_replicas,
    parse_sites,
    parse_transformations,
    parse_workflow,
    read_workflow,
)

HEAD = "pegasus: 5.0.4\nname: w\n"
JOBS = "jobs:\n- {id: a, name: x, type: job, arguments: [], uses: []}\n"


def problems(text: str | bytes, environment: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """Return messages and hints of everything that is wrong with a workflow."""
    with pytest.raises(DocumentError) as caught:
        parse_workflow(text, "w.yml", environment or {})
    return [(str(problem), problem.hint) for problem in caught.value.problems]


def test_texts_keep_the_characters_of_the_document() -> None:
    workflow = parse_workflow(
        HEAD + "jobs:\n- {id: 007, name: 3.10, arguments: [3.10, 0010, 1e5, yes, 2024-01-01, '', 0x1F]}\n"
    )

    (task,) = workflow.jobs
    assert ("007", "3.10") == (task.id, task.name)
    assert ["3.10", "0010", "1e5", "yes", "2024-01-01", "", "0x1F"] == task.arguments


def test_numbers_and_truth_values_are_understood_in_every_spelling() -> None:
    workflow = parse_workflow(
        HEAD + "jobs:\n- id: a\n  name: x\n  uses:\n"
        "  - {lfn: f, type: output, stageOut: yes, registerReplica: 'false', size: '12'}\n"
        "  - {lfn: g, type: input, size: 5, bypass: True}\n"
    )

    assert [
        Use("f", "output", stage_out=True, register_replica=False, size=12),
        Use("g", "input", size=5, bypass=True),
    ] == workflow.jobs[0].uses


def test_anchors_aliases_and_merge_keys_are_resolved() -> None:
    workflow = parse_workflow(
        HEAD + "jobs:\n- &first {id: a, name: x, arguments: &args [1, 2]}\n- {<<: *first, id: b}\n"
        "- {id: c, name: y, arguments: *args}\n"
    )

    assert [("a", "x"), ("b", "x"), ("c", "y")] == [(t.id, t.name) for t in workflow.jobs]
    assert [["1", "2"]] * 3 == [t.arguments for t in workflow.jobs]


def test_of_several_merged_mappings_the_nearest_wins() -> None:
    workflow = parse_workflow(
        HEAD + "x-base:\n  deep: &deep {name: deep, namespace: deep, version: '1', stdin: deep}\n"
        "  first: &first {<<: *deep, name: first, namespace: first}\n  second: &second {name: second, stdin: second}\n"
        "jobs:\n- {id: a, <<: [*first, *second], name: own}\n"
    )

    (task,) = workflow.jobs
    assert ("own", "first", "1", "deep") == (task.name, task.namespace, task.version, task.stdin)


def test_keys_of_the_user_and_empty_values_are_skipped() -> None:
    workflow = parse_workflow(
        "x-pegasus: {apiLang: python}\n" + HEAD + "profiles:\nhooks: ~\njobs:\n"
        "- {id: a, name: x, x-color: [red], stdout: null, profiles: {x-mine: {a: 1}, env: {A: 1}}}\n"
    )

    assert {} == workflow.profiles
    assert {"env": {"A": "1"}} == workflow.jobs[0].profiles
    assert workflow.jobs[0].stdout is None


def test_a_tag_decides_whether_a_value_is_empty() -> None:
    workflow = parse_workflow(
        HEAD + "jobs:\n- {id: a, name: !!str null, stdin: !!null x, stdout: !mine x, stderr: NULL}\n"
    )

    (task,) = workflow.jobs
    assert ("null", None, "x", None) == (task.name, task.stdin, task.stdout, task.stderr)


@pytest.mark.parametrize("text", [HEAD + JOBS, HEAD, "<adag/>"], ids=["good", "bad", "xml"])
@pytest.mark.parametrize("enabled", [True, False])
def test_reading_leaves_the_garbage_collector_as_it_was(text: str, enabled: bool) -> None:
    was_enabled = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with contextlib.suppress(DocumentError):
            parse_workflow(text)
        assert enabled == gc.isenabled()
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_json_is_read_too_even_indented_with_tabs_and_with_escaped_emoji() -> None:
    document = {
        "pegasus": "5.0",
        "name": "w",
        "jobs": [{"id": "a", "name": "x", "arguments": ["😀", 5, "\t"]}],
    }

    assert ["😀", "5", "\t"] == parse_workflow(json.dumps(document, indent="\t")).jobs[0].arguments


def test_variables_come_from_the_environment_except_those_of_the_node() -> None:
    workflow = parse_workflow(
        HEAD + "profiles: {env: {A: '${B}/x'}}\njobs:\n"
        "- {id: a, name: x, arguments: ['${B}', '${NOPE}', '${_PEGASUS_INITIAL_DIR}/x', '${PEGASUS_SITE}', $B]}\n",
        environment={"B": "b", "PEGASUS_SITE": "wrong", "_PEGASUS_INITIAL_DIR": "wrong"},
    )

    assert {"env": {"A": "b/x"}} == workflow.profiles
    arguments = ["b", "${NOPE}", "${_PEGASUS_INITIAL_DIR}/x", "${PEGASUS_SITE}", "$B"]
    assert arguments == workflow.jobs[0].arguments


def test_a_variable_that_is_not_set_is_named_with_its_line_and_the_remedy() -> None:
    text = HEAD + "jobs:\n- id: a\n  name: x\n  profiles: {globus: {project: '${PROJECT}'}}\n"

    assert problems(text) == [
        (
            "w.yml:6: 'project' of 'globus' of 'profiles' of job 'a' "
            "uses the environment variable 'PROJECT', which is not set",
            "type `export PROJECT=…` before planning",
        )
    ]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (b"", "w.yml: the document is empty", ""),
        (b"# nothing\n", "w.yml: the document is empty", ""),
        (b"- a\n", "w.yml:1: the document is a list; it must be a mapping of keys to values", "begin with a line `pegasus: 5.0.4`"),
        (b"hello\n", "w.yml:1: the document is a single value; it must be a mapping of keys to values", "begin with a line `pegasus: 5.0.4`"),
        (b"a:\n\t- b\n", "w.yml:2: not YAML: while scanning for the next token found character that cannot start any token", "indent with blanks: line 2 has a tab"),
        (b"a: [b\nc: d\n", "w.yml:2: not YAML: while parsing a flow sequence did not find expected ',' or ']'", "check indentation, colons and quotes on this line and the one above"),
        (b"a: b\nc: \0\n", "w.yml:2: not YAML: control character 0x00", "remove the character, or write it as an escape between double quotes"),
        (b"a: \xe9\n", "w.yml:1: not UTF-8 text: byte 0xe9", "convert it, for example with `iconv -f latin1 -t utf-8`"),
        (b"a: b\n---\nc: d\n", "w.yml:2: not YAML: more than one document in one file", "split the file at the `---` above line 2"),
        (b"sites: []\n", "w.yml:1: this is a site catalog, not a workflow", "check which file is passed as which document"),
        (b"a: " + b"[" * 5000, "w.yml: not a document: nested more than 100 deep", ""),
    ],
)  # fmt: skip
def test_a_text_that_is_no_document_gets_one_clear_error(text: bytes, message: str, hint: str) -> None:
    assert [(message, hint)] == problems(text)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("pegasus: 6.0\nname: w\n" + JOBS, "w.yml:1: unsupported document version 6.0: only version 5 can be read", "write `pegasus: 5.0.4`"),
        ("pegasus: new\nname: w\n" + JOBS, "w.yml:1: 'pegasus' is 'new'; it must be a version such as 5.0.4", ""),
        ("name: w\n" + JOBS, "w.yml:1: workflow 'w' has no 'pegasus'", "add a line `pegasus: …`"),
        (HEAD, "w.yml:1: workflow 'w' has no 'jobs'", "add a line `jobs: …`"),
        (HEAD + "jobs: []\n", "w.yml:1: workflow 'w' has no jobs", "add at least one job"),
        (HEAD + "job: []\n" + JOBS, "w.yml:3: unknown key 'job' in workflow 'w'", "did you mean 'jobs'?"),
        (HEAD + "zzz: 1\n" + JOBS, "w.yml:3: unknown key 'zzz' in workflow 'w'", "remove it; keys of your own start with 'x-'"),
        (HEAD + "name: v\n" + JOBS, "w.yml:3: key 'name' of workflow 'w' is given twice, first on line 2", "keep one of them"),
        (HEAD + "jobs: {id: a}\n", "w.yml:3: 'jobs' of workflow 'w' must be a list, not a mapping", ""),
        (HEAD + "jobs: [x]\n", "w.yml:3: item 1 of 'jobs' of workflow 'w' must be a mapping, not 'x'", ""),
        (HEAD + "jobs:\n- {name: x}\n", "w.yml:4: job 'x' has no 'id'", "add a line `id: …`"),
        (HEAD + "jobs:\n- {id: a, name: x, type: jbo}\n", "w.yml:4: 'type' of job 'a' is 'jbo'; it must be one of job, pegasusWorkflow, condorWorkflow", "did you mean 'job'?"),
        (HEAD + "jobs:\n- {id: a, name: x, uses: [{lfn: f, type: inptu}]}\n", "w.yml:4: 'type' of use 'f' is 'inptu'; it must be one of input, output, checkpoint, inout, none", "did you mean 'input'?"),
        (HEAD + "jobs:\n- {id: a, name: x, uses: [{lfn: f, type: input, size: 5kB}]}\n", "w.yml:4: 'size' of use 'f' is '5kB'; it must be a whole number", ""),
        (HEAD + "jobs:\n- {id: a, name: x, uses: [{lfn: f, type: input, bypass: maybe}]}\n", "w.yml:4: 'bypass' of use 'f' is 'maybe'; it must be true or false", ""),
        (HEAD + "jobs:\n- {id: a, name: x, profiles: {pegasuss: {a: b}}}\n", "w.yml:4: unknown key 'pegasuss' in 'profiles' of job 'a'", "did you mean 'pegasus'?"),
        (HEAD + "jobs:\n- {id: a, name: x, arguments: [~]}\n", "w.yml:4: item 1 of 'arguments' of job 'a' is empty", "remove it, or write '' for an empty string"),
        (HEAD + "jobs:\n- &a {<<: *a, id: a}\n", "w.yml:4: '<<' of job 'a' must name a mapping", "write `<<: *anchor`"),
    ],
)  # fmt: skip
def test_a_wrong_key_or_value_is_named_with_line_and_remedy(text: str, message: str, hint: str) -> None:
    assert (message, hint) in problems(text)


def test_all_problems_of_a_document_come_at_once_in_its_order() -> None:
    text = HEAD + "jobs:\n- id: a\n  nmae: x\n  uses:\n  - {lfn: ../x, type: in}\n- {id: a, name: y}\n"

    assert [
        "w.yml:4: job 'a' has no 'name'",
        "w.yml:5: unknown key 'nmae' in job 'a'",
        "w.yml:7: 'type' of use '../x' is 'in'; it must be one of input, output, checkpoint, inout, none",
        "w.yml:8: two jobs have the id 'a', first on line 4",
    ] == [message for message, _ in problems(text)]


def test_catalogs_need_no_version_but_may_not_have_a_wrong_one() -> None:
    text = "replicas:\n- lfn: f\n  pfns: [{site: local, pfn: /f}]\n"
    assert [Replica("f", [Pfn("local", "/f")])] == parse_replicas(text).replicas
    assert [] == parse_sites("pegasus: 5.0\nsites: []\n").sites
    assert [] == parse_transformations("pegasus: '5.1'\ntransformations: []\n").containers

    with pytest.raises(DocumentError, match="unsupported document version 4.2"):
        parse_replicas("pegasus: 4.2\n" + text)


def test_a_container_has_all_that_its_entry_says() -> None:
    text = """
    transformations: []
    containers:
    - name: py
      type: singularity
      image: http://images/py.sif
      image.site: web
      mounts: [/data:/data:ro]
      bypass: true
      checksum: {sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
      profiles: {env: {A: b}}
      metadata: {made: today}
    """

    assert parse_transformations(text).containers == [
        Container(
            "py",
            "singularity",
            "http://images/py.sif",
            "web",
            ["/data:/data:ro"],
            True,
            Checksum("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            {"env": {"A": "b"}},
            {"made": "today"},
        )
    ]


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir()], ids=["missing", "directory"])
def test_a_file_that_cannot_be_read_is_a_storage_error(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "workflow.yml"
    make(path)

    with pytest.raises(
        StorageError, match=r"there is no file '.*workflow.yml'|is a directory, not a document"
    ):
        read_workflow(path)


def test_a_file_without_read_permission_says_what_to_type(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yml"
    path.write_text(HEAD + JOBS)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("the superuser may read everything")

    with pytest.raises(StorageError, match="no permission to read") as caught:
        read_workflow(path)
    assert f"type `chmod u+r '{path}'`" == caught.value.hint


def test_a_document_above_the_limit_is_refused_with_the_property_that_raises_it(tmp_path: Path) -> None:
    path = tmp_path / "big.dax"
    path.write_text(HEAD + JOBS)

    assert "w" == read_workflow(path).name
    with pytest.raises(DocumentError) as caught:
        read_workflow(path, limit_bytes=10)
    assert "allow it with -Dpegasus.parser.document.size=1" == caught.value.hint


def many(extra: str = "", argument: str = "-n") -> str:
    text = f"x-pegasus: {{a: b}}\n{HEAD}jobs:\n"
    for number in range(100):
        text += f"- id: ID{number}\n  name: x\n  arguments:\n  - {argument}\n  - 10\n  uses:\n"
        text += f"  - lfn: in{number}\n    type: input\n"
    return text + extra


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Call 1,000 bytes large, and note of each document whether the fast reader was sure of it."""
    sure = []
    original = fast_reader.read

    def spy(*arguments: Any) -> Any:
        found = original(*arguments)
        sure.append(found is not None)
        return found

    monkeypatch.setattr(reader, "FAST_BYTES", 1000)
    monkeypatch.setattr(fast_reader, "read", spy)
    yield sure


def test_large_documents_go_through_the_fast_reader_with_the_same_result(
    readers: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = many(argument="${HOME}")

    quick = parse_workflow(text, environment={"HOME": "/h"})
    monkeypatch.setattr(reader, "FAST_BYTES", 10**9)

    assert quick == parse_workflow(text, environment={"HOME": "/h"})
    assert ["/h", "10"] == quick.jobs[-1].arguments
    assert [True] == readers


def test_small_documents_do_not(readers: list[bool]) -> None:
    parse_workflow(HEAD + JOBS)

    assert [] == readers


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("  stranger: 1\n", "w.yml:805: unknown key 'stranger' in job 'ID99'"),
        ("  name: y\n", "w.yml:805: key 'name' of job 'ID99' is given twice, first on line 798"),
        ("- {id: ID0, name: x}\n", "w.yml:805: two jobs have the id 'ID0', first on line 5"),
        ("name: ${NOPE}\n", "w.yml:805: key 'name' of workflow 'w' is given twice, first on line 3"),
        ("version: ${NOPE}\n", "w.yml:805: 'version' of workflow 'w' uses the environment variable 'NOPE', which is not set"),
    ],
)  # fmt: skip
def test_errors_in_large_documents_have_lines_too(readers: list[bool], extra: str, message: str) -> None:
    assert [message] == [found for found, _ in problems(many(extra))]
    assert 1 == len(readers)


def test_a_large_document_of_another_version_is_refused_too(readers: list[bool]) -> None:
    text = many().replace("pegasus: 5.0.4", "pegasus: 4.0")

    assert "w.yml:2: unsupported document version 4.0: only version 5 can be read" == problems(text)[0][0]


def test_aliases_may_not_make_more_values_than_the_document_has_bytes() -> None:
    uses = ", ".join(["*use"] * 1000)
    jobs = ", ".join(["*job"] * 1000)
    text = (
        f"pegasus: '5.0'\nname: w\nx-use: &use {{lfn: f, type: input}}\nx-uses: &uses [{uses}]\n"
        f"x-job: &job {{type: job, name: t, id: a, arguments: [], uses: *uses}}\njobs: [{jobs}]\n"
    )
    with pytest.raises(DocumentError, match="the aliases .* repeat too much"):
        reader.parse_workflow(text)


def test_merge_keys_that_multiply_are_refused() -> None:
    lines = ["x-0: &a0 {k: v}"]
    lines += [f"x-{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)]
    with pytest.raises(DocumentError, match="the aliases .* repeat too much"):
        reader.parse_workflow(
            "\n".join(["pegasus: '5.0'\nname: w", *lines, "metadata: {<<: *a39}\njobs: []\n"])
        )
