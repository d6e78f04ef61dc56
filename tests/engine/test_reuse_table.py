"""Each line of the table of what counts as a change, in the documentation: it is done, and what runs again is what the table says."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docs.pages import DOCS
from kit.content_runs import Lab, chain

PAGE = DOCS / "how-to" / "run-again-only-what-changed.md"
_ROW = re.compile(r"^\| (?P<change>[^|]+?) \| (?P<pegasus>yes|no)[^|]*\| (?P<content>yes|no)[^|]*\|$", re.M)


def program(lab: Lab) -> None:
    lab.steps[1].line = "edited"


def input_file(lab: Lab) -> None:
    lab.inputs["in"] = "edited\n"


def arguments(lab: Lab) -> None:
    lab.steps[1].argument = "--fast"


def variable(lab: Lab) -> None:
    lab.steps[1].tag = "night"


def output_name(lab: Lab) -> None:
    lab.steps[1].makes = "renamed"


def another_input(lab: Lab) -> None:
    lab.inputs["more"] = "more\n"
    lab.steps[1].reads = [*lab.steps[1].reads, "more"]


def success_text(lab: Lab) -> None:
    lab.steps[1].keys["profiles"] = {
        "env": {"TAG": ""},
        "pegasus": {"exitcode.failuremsg": "this+never+appears"},
    }


def deleted_result(lab: Lab) -> None:
    (lab.results / "b.out").unlink()


def altered_result(lab: Lab) -> None:
    path = lab.results / "b.out"
    path.write_text(path.read_text().swapcase())


def time_stamps(lab: Lab) -> None:
    for path in (lab.path / "data" / "in", *(lab.path / "bin").iterdir(), *lab.results.iterdir()):
        os.utime(path)


def resources(lab: Lab) -> None:
    lab.steps[1].keys.update(
        nodeLabel="another", metadata={"who": "ada"}, profiles={"env": {"TAG": ""}, "pegasus": {"cores": "2"}}
    )


def shell(lab: Lab) -> None:
    os.environ["MARKAB_TEST_VARIABLE"] = "another"


def moved_program(lab: Lab) -> None:
    lab.programs = lab.path / "elsewhere"


CHANGES: dict[str, Callable[[Lab], None]] = {
    "the text of a program": program,
    "the content of an input": input_file,
    "the arguments": arguments,
    "a variable in an `env` profile": variable,
    "the name of an output": output_name,
    "an input more, or one less": another_input,
    "the texts by which a success or failure is told": success_text,
    "a result was deleted": deleted_result,
    "a result was altered": altered_result,
    "time stamps of anything": time_stamps,
    "cores, priority, label, metadata": resources,
    "variables of the shell that starts the run": shell,
    "the directory of a program": moved_program,
}


def rows() -> Iterator[tuple[str, str, str]]:
    for row in _ROW.finditer(PAGE.read_text()):
        yield row["change"], row["pegasus"], row["content"]


def test_every_line_of_the_table_is_tested() -> None:
    assert [change for change, _, _ in rows()] == list(CHANGES)


@pytest.mark.parametrize(("change", "pegasus", "content"), [pytest.param(*row, id=row[0]) for row in rows()])
def test_a_change_counts_as_the_table_says(
    change: str, pegasus: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKAB_TEST_VARIABLE", "one")
    found = {}
    for policy in ("pegasus", "content"):
        directory = tmp_path / policy
        directory.mkdir()
        lab = Lab(directory, chain("a", "b", is_result=("a",)), {"in": "input\n"})
        lab.options["reuse_policy"] = policy
        first = lab.run()
        if policy == "pegasus":
            lab.options["reuse"] = [first.submit_dir]
        CHANGES[change](lab)
        again = lab.run()
        assert "success" == again.state
        found[policy] = "yes" if "b" in again.executed else "no"

    assert {"pegasus": pegasus, "content": content} == found
