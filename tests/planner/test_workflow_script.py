"""Scripts that build a workflow: run in a process of their own, and what of it is planned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from markab.errors import DocumentError, StorageError
from markab.planner.options import PlanOptions
from markab.planner.workflow_script import BuiltWorkflow, built_workflow, run_script, script_call
from markab.spec.reader import read_workflow
from markab.spec.script_messages import (
    Call,
    Channel,
    Declared,
    Given,
    Message,
    PlanCalled,
    Written,
    open_channel,
    received,
)

HEAD = "import os, sys\nfrom Pegasus.api import *\nfrom markab.api import parameters\n"
JOB = "wf = Workflow('w').add_jobs(Job('true'))\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(text: str, *given: Given, words: Sequence[str] = (), name: str = "w.py") -> PlanOptions:
    Path(name).write_text(HEAD + text)
    return run_script(Path(name), given, words)


def problem_of(text: str, *given: Given, words: Sequence[str] = ()) -> str:
    with pytest.raises(DocumentError) as caught:
        run(text, *given, words=words)
    (problem,) = caught.value.problems
    return f"{problem}\n{problem.hint}"


def test_what_it_writes_is_planned_with_the_parameters_it_was_given(here: Path) -> None:
    options = run(
        f"p = parameters(n=2)\n{JOB}wf.add_metadata(n=p.n, argv=sys.argv[1:])\nwf.write('x.yml')",
        Given("n", "5", "--set"),
        words=["--fast", "a b"],
    )

    assert (here / "x.yml", here, []) == (options.workflow, options.directory, options.output_sites)
    assert repr(["--fast", "a b"]) in read_workflow(here / "x.yml").metadata.values()
    assert options.script is not None
    assert ("--set", "n=5", "w.py", "--", "--fast", "a b") == options.script.words
    assert {
        "parameter.n": "5", "script": "w.py", "script.arguments": "--fast 'a b'"
    } == options.script.metadata  # fmt: skip


def test_it_is_run_as_python_would_run_it(here: Path) -> None:
    (here / "below").mkdir()
    (here / "below" / "sibling.py").write_text("NAME = 'w'")
    script = (
        "from sibling import NAME\nwf = Workflow(NAME)\nassert __name__ == '__main__'\n"
        "assert os.path.exists('below') and 'markab' not in sys.argv[0]\nwf.write()\n"
    )

    options = run(script, name="below/w.py")

    assert here / "workflow.yml" == options.workflow


def test_a_call_of_plan_ends_the_script_and_says_what_is_planned(here: Path) -> None:
    (here / "elsewhere").mkdir()
    options = run(
        f"{JOB}os.chdir('elsewhere')\n"
        "wf.plan(submit=True, sites=['a'], dir='runs', verbose=3, **{'pegasus.register': False})\n"
        "open('planned twice', 'w')"
    )

    assert here / "elsewhere" / "workflow.yml" == options.workflow
    assert (here / "elsewhere", ["a"], ["local"]) == (options.directory, options.sites, options.output_sites)
    assert (Path("runs"), {"pegasus.register": "false"}) == (options.dir, options.properties)
    assert ["workflow.yml"] == os.listdir(here / "elsewhere"), "it planned nothing itself"
    assert options.script is not None
    assert (str(here / "w.py"),) == options.script.words, "the path works from there, too"


def test_processes_that_it_starts_are_no_workflow_scripts(here: Path) -> None:
    child = "import sys; from markab.api import *; Workflow('other').write('other.yml')"
    options = run(
        f"import subprocess\nsubprocess.run([sys.executable, '-c', {child!r}], check=True)\n{JOB}wf.write()"
    )

    assert (here / "workflow.yml", True) == (options.workflow, (here / "other.yml").exists())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sys.exit(3)", "w.py: the script ended with exit code 3\nits own message stands above; nothing was planned"),
        ("os.kill(os.getpid(), 9)", "w.py: the script was ended by SIGKILL\n"),
        ("for n in range(3):\n  Workflow('w').write(f'{n}.yml')", "w.py: the script writes 3 workflows: 0.yml, 1.yml, 2.yml\n"),
        ("", "w.py: the script writes no workflow\nlet it end with workflow.write(), "),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("here")
def test_a_script_that_fails_or_writes_nothing_is_named(text: str, message: str) -> None:
    assert problem_of(text).startswith(message)


def test_the_traceback_of_its_error_is_shown_and_nothing_is_left(here: Path, capfd) -> None:
    assert "exit code 1" in problem_of(f"print('so far')\n{JOB}wf.plan(conf=1)")

    out, err = capfd.readouterr()
    assert "" == out, "the output of the command is not mixed with that of the script"
    assert "so far" in err and "Traceback" in err and "TypeError: conf is 1" in err
    assert ["w.py"] == os.listdir(here)


def test_its_traceback_ends_with_its_own_call_and_its_parameters_are_named(here: Path, capfd) -> None:
    del here
    text = (
        "p = parameters(sizes=[1])\ndef build():\n  try:\n    p.sizes[0]\n  except IndexError as error:\n    "
    )
    given = [Given("sizes", "", "--set"), Given("sizes", [], "p.yml:1", "p.yml")]

    failed = problem_of(f"{text}raise Job('a').add_args(0).add_profiles('x') from error\nbuild()", *given)

    assert failed.startswith(
        "w.py: the script ended with exit code 1, given --set sizes=, sizes= (p.yml:1)\nits own message"
    )
    _, err = capfd.readouterr()
    assert "IndexError" in err and "in build" in err and "TypeError: the namespace" in err
    assert "/markab/" not in err and "/Pegasus/" not in err


def test_a_script_elsewhere_that_fails_is_told_where_it_was_run(here: Path) -> None:
    (here / "below").mkdir()
    with pytest.raises(DocumentError) as caught:
        run("open('data.txt')", name="below/w.py")
    assert "if it reads files beside it, `cd below` first" in caught.value.hint


def test_wrong_parameters_are_errors_of_the_script(here: Path) -> None:
    del here
    message = problem_of(f"p = parameters(\n  n=2)\n{JOB}wf.write()", Given("n", "x", "--set"))

    assert "w.py:5: parameter 'n' must be a whole number, and is 'x' (--set)\nits default is 2" == message


def test_a_script_that_is_not_there_is_named(here: Path) -> None:
    (here / "dir.py").mkdir()
    for name in ("no.py", "dir.py"):
        with pytest.raises(StorageError, match=f"there is no file '{name}'"):
            run_script(Path(name))


def test_without_room_for_a_temporary_file_nothing_is_run(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(StorageError, match="cannot make a temporary file: No space left on device"):
        run("open('ran', 'w')")
    assert ["w.py"] == os.listdir(here)


# --- decided from what the script told ---------------------------------------

SCRIPT = Path("my script.py")


def written(number: int, path: str | None, *children: str) -> Written:
    return Written(number, path, children)


def built(*messages: Message, given: Sequence[Given] = ()) -> BuiltWorkflow:
    return built_workflow(SCRIPT, given, messages)


def test_of_one_workflow_the_last_document_counts_and_sub_workflows_do_not() -> None:
    found = built(
        written(1, "/a/sub.yml"),
        written(2, "/a/x.yml", "/a/sub.yml"),
        written(2, None),
        written(2, "/a/y.yml"),
    )

    assert (Path("/a/y.yml"), Path.cwd(), {}) == (found.document, found.directory, found.keywords)


def test_what_was_to_be_planned_wins_over_what_was_written() -> None:
    found = built(
        written(1, "/a/x.yml"),
        Declared({"n": "1"}),
        written(2, "/a/y.yml"),
        PlanCalled("/a/x.yml", "/b", {"force": True}),
    )

    assert BuiltWorkflow(Path("/a/x.yml"), Path("/b"), {"force": True}, {"n": "1"}) == found


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([written(1, "/a/x.yml"), written(2, "/a/y.yml")], "writes 2 workflows: /a/x.yml, /a/y.yml\nchoose one: markab run /a/x.yml"),
        ([written(1, None)], "writes its workflow to a stream, not to a file\nlet it write the file: workflow.write()"),
        ([], "writes no workflow"),
    ],
)  # fmt: skip
def test_several_workflows_or_none_are_refused(messages: list[Message], message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        built(*messages)
    assert f"my script.py: the script {message}" in f"{caught.value}\n{caught.value.hint}"


def test_parameters_for_a_script_without_any_are_refused_with_what_works() -> None:
    with pytest.raises(DocumentError) as caught:
        built(written(1, "/x.yml"), given=[Given("n", ["a b", "c"], "p.yml:3")])

    assert "the script has no parameter 'n' (p.yml:3): it does not call markab.api.parameters" in str(
        caught.value
    )
    assert "words for its own command line stand behind `--`: markab run 'my script.py' -- --n 'a b c'" == (
        caught.value.hint
    )


def test_the_words_that_do_it_again_name_files_and_what_was_typed() -> None:
    given = [
        Given("n", "1", "p.yml:1", "p.yml"), Given("m", "2", "p.yml:2", "p.yml"), Given("k", ["a", "b"], "standard input:1"),
        Given("n", "5", "--set"),
    ]  # fmt: skip

    call = script_call(SCRIPT, given, [], BuiltWorkflow(Path("/x.yml"), Path.cwd(), {}, {"n": "5"}))

    assert ("--set-file", "p.yml", "--set", "k=a,b", "--set", "n=5", "my script.py") == call.words
    assert (SCRIPT, Path("p.yml")) == call.files


def test_a_variable_that_names_another_file_is_no_channel(tmp_path: Path) -> None:
    call = Call("w.py", [])
    with (tmp_path / "x").open("a+b") as file, (tmp_path / "y").open("a+b") as other:
        value = open_channel(file, call)
        channel = Channel.of_variable(value)
        assert channel is not None and call == channel.call
        channel.send(written(1, "/x"))
        assert [written(1, "/x")] == [one._replace(children=()) for one in received(file)]  # type: ignore[union-attr]
        number, *identity = value.split(":")
        for wrong in ("", "x", "99999:1:1", ":".join([str(other.fileno()), *identity]), number):
            assert Channel.of_variable(wrong) is None
