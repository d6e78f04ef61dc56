"""Remedies do what they promise when they are typed as they are printed."""

from __future__ import annotations

import errno
import re
import shlex
from pathlib import Path

import pytest

from kit.typed import typed
from markab.errors import ChecksumMismatch, quoted
from markab.formatting import shown_path
from markab.transfers.checksum import compare
from markab.transfers.os_errors import reading_failed

WORKFLOW = """
pegasus: "5.0"
name: words
transformationCatalog:
  transformations:
    - {{name: tool, sites: [{{name: local, pfn: "{directory}/tool.sh", type: stageable}}]}}
replicaCatalog:
  replicas:
    - {{lfn: in.txt, pfns: [{{site: local, pfn: "{directory}/in.txt"}}]}}
jobs:
  - type: job
    name: tool
    id: ID1
    stdout: out.txt
    arguments: [in.txt]
    uses:
      - {{lfn: in.txt, type: input}}
      - {{lfn: out.txt, type: output, stageOut: true, registerReplica: false}}
"""
RUN = "markab run -D dagman.retry=0 --sites local --output-dir results --relative-dir 'my run' workflow.yml"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    directory = tmp_path / "it's here"
    directory.mkdir()
    (directory / "in.txt").write_text("42\n")
    (directory / "workflow.yml").write_text(WORKFLOW.format(directory=directory))
    return directory


def program(directory: Path, text: str) -> None:
    (directory / "tool.sh").write_text(text)
    (directory / "tool.sh").chmod(0o755)


def printed(text: str, pattern: str) -> str:
    """Return what is printed in the place of the group."""
    found = re.search(pattern, text)
    assert found, text
    return found[1]


def test_a_staged_program_that_was_edited_is_named_and_taken_anew_by_the_printed_command(
    here: Path,
) -> None:
    program(here, "#!/bin/sh\nexit 3\n")
    assert typed(RUN, here).returncode == 14
    program(here, "#!/bin/sh\ncat $1\n")
    again = typed("markab run 'my run'", here)
    assert again.returncode == 14
    assert (
        "tool.sh was edited after this run had taken it (for tool_ID1); the run goes on with" in again.stderr
    )
    analysis = typed("cd .. && markab analyze */'my run'", here)
    assert "after the correction" not in analysis.stdout
    mended = typed("cd .. && " + printed(analysis.stdout, "to take it anew: `(.*)`;"), here)
    assert mended.returncode == 0, mended.stderr
    assert (here / "results" / "out.txt").read_text() == "42\n"


def test_edited_documents_and_inputs_are_named_before_the_run_goes_on(here: Path) -> None:
    program(here, "#!/bin/sh\nexit 3\n")
    assert typed(RUN, here).returncode == 14
    assert "edited" not in typed("markab run 'my run'; touch workflow.yml tool.sh in.txt", here).stderr
    assert "edited" not in typed("markab run 'my run'", here).stderr, "only touched"
    (here / "in.txt").write_text("43\n")
    assert "in.txt was edited after this run" in typed("markab run 'my run'", here).stderr
    typed("sed -i s/out.txt/other.txt/ workflow.yml; echo dagman.retry=1 > pegasus.properties", here)
    shown = typed("markab run 'my run'", here).stderr
    again = printed(shown, "plan again[^:]*: (.*)")
    assert typed(again, here).returncode == 14 and (here / "my run-2").is_dir(), "it plans again"
    assert "workflow.yml, pegasus.properties were edited after the run was planned; the plan is used" in shown
    assert shown.count("hint: to use what was edited") == 1
    assert "--conf" not in printed(shown, "plan again[^:]*: (.*)"), (
        "the properties are those that were edited"
    )


def test_carriage_returns_are_removed_from_the_file_that_was_staged(here: Path) -> None:
    program(here, "#!/bin/sh\r\ncat $1\r\n")
    failed = typed(RUN, here)
    command = r"(sed -i 's/\\r\$//' \S+)"
    assert printed(failed.stderr, f"hint: remove them: {command}; then `markab run").endswith(" tool.sh")
    analysis = typed("markab analyze 'my run'", here).stdout
    assert "end with a carriage return, as Windows writes them" in analysis
    assert typed(printed(analysis, f"remove them: {command}; then "), here).returncode == 0
    assert typed(printed(analysis, "then `(markab run --refresh 'my run')`, for"), here).returncode == 0


def test_commands_of_a_cause_name_the_run_and_the_job(here: Path) -> None:
    program(here, "#!/bin/sh\necho 'No space left on device' >&2; exit 1\n")
    assert typed(RUN, here).returncode == 14
    for command in ("markab analyze 'my run'", "markab why 'my run' ID1"):
        shown = printed(typed(command, here).stdout, "`(markab run [^`]*)` then continues")
        assert shown == "markab run 'my run'"
    program(here, "#!/bin/sh\nkill -SEGV $$\n")
    typed("markab run --relative-dir 'x y' -Ddagman.retry=0 workflow.yml", here)
    debug = printed(typed("markab analyze 'x y'", here).stdout, "`(markab analyze 'x y' --debug-job [^`]*)`")
    assert typed(debug, here).returncode == 0, "it makes a script that runs the job"


def test_why_without_a_job_prints_a_command_that_explains_one(here: Path) -> None:
    program(here, "#!/bin/sh\nexit 3\n")
    assert typed(RUN, here).returncode == 14
    command = printed(typed("markab why 'my run'", here).stderr, "name a job: (markab why .*)")
    assert "tool_ID1 (compute" in typed(command, here).stdout


def test_what_the_last_line_of_a_failed_run_says_shows_the_job(here: Path) -> None:
    program(here, "#!/bin/sh\nexit 3\n")
    failed = typed(RUN, here).stdout
    assert "exit code 3" in typed(printed(failed, "look: *(markab show .*)"), here).stdout
    program(here, "#!/bin/sh\ncat $1\n")
    assert typed(printed(failed, r"continue: (markab run 'my run') "), here).returncode == 14


def test_paths_in_commands_are_quoted() -> None:
    for name in ("/a/it's here", '/a/"b" $HOME', "/a/`x`;y", "/a/plain"):
        assert shlex.split(f"ls -l {quoted(name)}") == ["ls", "-l", name]
    assert quoted("/a/plain") == "'/a/plain'"
    for number in (errno.ENOENT, errno.EACCES, errno.EIO):
        error = reading_failed(OSError(number, "no"), "/a/it's/x", "/b")
        assert shlex.split(error.hint)[-1].startswith("/a/it's")
    with pytest.raises(ChecksumMismatch) as caught:
        compare("/a/it's", "ab", "cd")
    assert shlex.split(caught.value.hint.partition(";")[0]) == ["sha256sum", "/a/it's"]


def test_a_relative_path_is_not_taken_for_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "-run") == "./-run"
