"""A large document is exported in pieces, and says the same as when it is read whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from markab.errors import DocumentError
from markab.reports.exports import document_stream, public_document
from markab.spec import document_pieces
from markab.spec.writer import emit

HEAD = "pegasus: 5.0.4\nname: w\n"
TASK = "- {id: %s, type: job, name: t, arguments: [%s], uses: []}\n"
TASKS = "jobs:\n" + "".join(TASK % (f"ID{n}", n) for n in range(9))
FLOW_TASKS = "jobs: [" + ", ".join(TASK[2:-1] % (f"ID{n}", n) for n in range(9)) + "]\n"
NOTE_AT_THE_MARGIN = """- id: noted
  type: job
  name: t
  arguments: []
  uses: []
  metadata: {note: "two
lines"}
"""


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_document, "FAST_BYTES", 0)
    monkeypatch.setattr(document_pieces, "PIECE_BYTES", 150)


def both_ways(text: str, directory: Path) -> tuple[str, str, bool]:
    """Return what is exported in pieces, what is exported read whole, and whether it was in pieces to the end."""
    source = directory / "workflow.yml"
    source.write_text(text)
    whole_reads = []
    read_whole = public_document._read_whole

    def noticed(path: Path) -> Any:
        whole_reads.append(path)
        return read_whole(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public_document, "_read_whole", noticed)
        public_document.write_document(source, directory / "in-document_stream.yml")
        in_pieces = not whole_reads
        patch.setattr(public_document, "_in_pieces", lambda path: None)
        public_document.write_document(source, directory / "whole.yml")
    return (
        (directory / "in-document_stream.yml").read_text(),
        (directory / "whole.yml").read_text(),
        in_pieces,
    )


@pytest.mark.parametrize(
    "text",
    {
        "as Markab writes it": HEAD + TASKS,
        "indented entries": HEAD + TASKS.replace("- {", "    - {"),
        "comments and blank lines": HEAD + TASKS.replace("- {", "# more\n\n- {").replace("jobs:\n# more\n", "jobs:\n"),
        "keys after the tasks": HEAD + TASKS + "metadata:\n  a: b\nprofiles:\n  env:\n    A: secret\n",
        "a quoted key after the tasks": HEAD + TASKS + '"metadata":\n  a: b\n',
        "dependencies": HEAD + TASKS + "jobDependencies:\n- id: ID1\n  children: [ID2]\n- id: ID2\n  children:\n  - ID3\n",
        "replicas": HEAD
        + "replicaCatalog:\n  replicas:\n"
        + "".join(f"  - lfn: f{n}\n    pfns:\n    - {{site: local, pfn: 'http://a:secret@b/{n}'}}\n" for n in range(9))
        + TASKS,
        "words that only the careful reader takes": HEAD + TASKS.replace("[4]", "[' %d &x', 1_0, '*']"),
        "profiles": HEAD + TASKS.replace("uses: []", "uses: [], profiles: {env: {A: secret}, dagman: {RETRY: '1'}}"),
        "a profile in disguise": HEAD + TASKS.replace("uses: []", r'uses: [], "prof\u0069les": {env: {A: secret}}'),
        "a comment behind the key": HEAD + "replicaCatalog: # all\n  pegasus: '5.0'\n  replicas: # all\n  # of them\n\n  - lfn: f\n"
        "    pfns:\n    - {site: local, pfn: /f}\n" + TASKS.replace("jobs:", "jobs: # all"),
        "a list of something else before the replicas": HEAD + "replicaCatalog:\n  x-notes:\n  - a\n  replicas:\n  - lfn: f\n"
        "    pfns:\n    - {site: local, pfn: /f}\n" + TASKS,
        "a variable spelt with an escape": HEAD + TASKS.replace("[5]", r'["\x24{HOME}"]'),
        "a block text": HEAD + TASKS + "- id: last\n  type: job\n  name: t\n  uses: []\n  arguments:\n  - |\n    a\n    - b\n",
    }.items(),
    ids=lambda item: item[0],
)  # fmt: skip
def test_a_document_in_pieces_is_the_document(text: tuple[str, str], tmp_path: Path) -> None:
    written, whole, in_pieces = both_ways(text[1], tmp_path)

    assert in_pieces
    assert whole == written
    assert "secret" not in written
    assert 9 <= len(yaml.safe_load(written)["jobs"])


@pytest.mark.parametrize(
    "text",
    {
        "a dash at the margin inside of quotes": HEAD
        + TASKS.replace("[5]", '["one\n- {id: IDx, type: job, name: t, arguments: [], uses: []}\n- two"]'),
        "an alias": HEAD + TASKS.replace("[1]", "&common [x]").replace("[8]", "*common"),
        "JSON": '{"pegasus": "5.0.4", "name": "w", "jobs": [{"id": "a", "type": "job", "name": "t", '
        '"arguments": [], "uses": []}]}',
        "tasks in one line": HEAD + "jobs: [" + TASK[2:-1] % ("a", "'${HOME}'") + "]\n",
        "tasks in one line, and a long list of something else": HEAD
        + FLOW_TASKS
        + "x-2:\n"
        + "- {id: ID1, children: [ID2]}\n" * 20,
        "tasks in one line, and a quoted key": HEAD
        + FLOW_TASKS
        + '"jobDependencies":\n- {id: ID1, children: [ID2]}\n',
        "tasks in one line, and a blank behind a key": HEAD
        + FLOW_TASKS
        + "jobDependencies :\n- {id: ID1, children: [ID2]}\n",
        "a quoted text like dependencies": HEAD
        + TASKS
        + 'metadata:\n  k: "a\njobDependencies:\n- {id: ID1, children: [ID2]}\nx-b: c"\n',
        "a quoted text like tasks": HEAD + 'metadata:\n  k: "a\njobs:\n- x\nb"\n' + TASKS,
        "a quoted text at the margin": HEAD + TASKS + NOTE_AT_THE_MARGIN + TASK[:-1] % ("last", "x") + "\n",
        "a rare line break, U+0085": HEAD + TASKS[:-1] + "\x85metadata: {a: b}\n",
        "a rare line break, U+2028": HEAD + TASKS[:-1] + "\u2028metadata: {a: b}\n",
        "a rare line break, U+2029": HEAD + TASKS[:-1] + "\u2029metadata: {a: b}\n",
        "lines that end as on Windows": (HEAD + TASKS).replace("\n", "\r\n"),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_document_that_cannot_be_cut_is_read_whole(text: tuple[str, str], tmp_path: Path) -> None:
    written, whole, in_pieces = both_ways(text[1], tmp_path)

    assert not in_pieces
    assert whole == written
    assert yaml.safe_load(written)["jobs"]


WORDS = st.text("ab -:#'\"\\\n%&*|>é{}[]$", max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.lists(WORDS, max_size=3), min_size=1, max_size=8))
def test_whatever_the_words_are_pieces_say_the_same(words: list[list[str]], tmp_path: Path) -> None:
    jobs = [
        {"type": "job", "name": "t", "id": f"ID{n}", "arguments": some, "uses": []}
        for n, some in enumerate(words)
    ]
    text = io.StringIO()
    emit({"pegasus": "5.0.4", "name": "w", "jobs": jobs}, text.write)

    written, whole, _ = both_ways(text.getvalue(), tmp_path)

    assert whole == written
    assert [job["arguments"] for job in jobs] == [job["arguments"] for job in yaml.safe_load(written)["jobs"]]


def test_arguments_with_variables_are_found_in_pieces_too(tmp_path: Path) -> None:
    source = tmp_path / "workflow.yml"
    source.write_text(HEAD + TASKS.replace("[7]", "['${HOME}', x]"))

    assert {"ID7": "${HOME} x"} == public_document.arguments_as_written(source)
    source.write_text(HEAD + "jobs: [" + TASK[2:-1] % ("a", "'${HOME}'") + "]\n")
    assert {"a": "${HOME}"} == public_document.arguments_as_written(source)


@pytest.mark.parametrize(
    "text",
    {
        "after a quoted text at the margin": TASKS + NOTE_AT_THE_MARGIN + TASK % ("a", "'${HOME}'"),
        "after one that looks like a key": TASKS.replace("- {", "  - {")
        + "  "
        + NOTE_AT_THE_MARGIN.replace("\n", "\n  ").replace("  lines", "x-lines: #").rstrip(" ")
        + '  - {id: a, type: job, name: t, arguments: ["${HOME}"], uses: []}\n',
        "of an anchor": "x-home: &home '${HOME}'\n" + TASKS + TASK % ("a", "*home"),
        "after a rare line break": TASKS[:-1] + "\x85" + TASK % ("a", "'${HOME}'"),
        r"as \x24": TASKS + TASK % ("a", r'"\x24{HOME}"'),
        r"as \u0024": TASKS + TASK % ("a", r'"\u0024{HOME}"'),
        r"as \U0000007b": TASKS + TASK % ("a", r'"$\U0000007bHOME}"'),
        r"as \x7B": TASKS + TASK % ("a", r'"$\x7BHOME}"'),
        "on two lines": TASKS + TASK % ("a", '"$\\\n   {HOME}"'),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_variable_is_found_wherever_it_stands_and_however_it_is_spelt(
    text: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "workflow.yml"
    source.write_text(HEAD + text[1])

    assert {"a": "${HOME}"} == public_document.arguments_as_written(source)
    monkeypatch.setattr(public_document, "FAST_BYTES", 1 << 30)
    assert {"a": "${HOME}"} == public_document.arguments_as_written(source)


@pytest.mark.parametrize(
    "arguments", ["&#36;{HOME}", "&#x24;&#x7b;HOME}", "$<!-- -->{HOME}", "$<![CDATA[{HOME}]]>"]
)
@pytest.mark.parametrize("before", ["", "\ufeff", "\n" * 2000])
def test_a_variable_in_xml_is_found_however_it_is_spelt(arguments: str, before: str, tmp_path: Path) -> None:
    source = tmp_path / "workflow.dax"
    source.write_text(
        f'{before}<adag version="3.6" name="w"><job id="a" name="t"><argument>{arguments}</argument></job></adag>'
    )

    assert {"a": "${HOME}"} == public_document.arguments_as_written(source)


def test_a_key_given_twice_is_an_error_in_pieces_too(tmp_path: Path) -> None:
    (tmp_path / "workflow.yml").write_text(HEAD + TASKS + "metadata:\n  a: b\n" + TASKS)

    with pytest.raises(DocumentError, match="jobs"):
        public_document.write_document(tmp_path / "workflow.yml", tmp_path / "out.yml")


def test_one_piece_is_in_memory_at_a_time(tmp_path: Path) -> None:
    source = tmp_path / "workflow.yml"
    source.write_text(HEAD + TASKS)

    opened = document_stream.Pieces(source, {})
    sizes = [len(tasks) for _, tasks in opened.tasks()]
    opened.close()

    assert (9, True) == (sum(sizes), max(sizes) <= 4)


def test_a_document_that_is_gone_or_empty_has_no_variables(tmp_path: Path) -> None:
    (tmp_path / "empty.yml").touch()

    assert {} == public_document.arguments_as_written(tmp_path / "gone.yml")
    assert {} == public_document.arguments_as_written(tmp_path / "empty.yml")
