"""The command line of `pegasus-kickstart`."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.worker.kickstart_options import (
    ALL,
    WrongCommandLine,
    find_program,
    read_options,
    substituted,
)


def none(name: str) -> list[str]:
    raise AssertionError(name)


def test_options_end_where_the_program_begins() -> None:
    options = read_options(["-n", "wc", "-Rlocal", "-fq", "-Ball", "prog", "-n", "other"], none)

    assert options.words == ["prog", "-n", "other"]
    assert (options.value("n"), options.value("R")) == ("wc", "local")
    assert options.has("f") and options.has("q") and not options.has("X")
    assert options.kept_bytes == ALL


def test_two_hyphens_end_the_options_too() -> None:
    assert read_options(["-f", "--", "-odd"], none).words == ["-odd"]


def test_files_have_an_lfn_or_their_path_is_it() -> None:
    texts = {"list": ["# outputs", "", "c=/tmp/c", "d"]}
    options = read_options(["-s", "a=/tmp/a=1", "-s", "b", "-s@list", "-S", "in", "prog"], texts.__getitem__)

    assert options.final == [("a", "/tmp/a=1"), ("b", "b"), ("c", "/tmp/c"), ("d", "d")]
    assert options.initial == [("in", "in")]


def test_program_and_arguments_may_stand_in_a_file() -> None:
    texts = {"job": ["/bin/echo", "", "two words"]}

    assert read_options(["-I", "job", "ignored"], texts.__getitem__).words == ["/bin/echo", "", "two words"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name the program to run"),
        (["-n", "x"], "name the program to run"),
        (["-n"], "-n needs a value"),
        (["-y", "prog"], "there is no option -y; -h lists them"),
        (["-k", "soon", "prog"], "-k needs a number of 0 or more, not 'soon'"),
        (["-B", "-1", "prog"], "-B needs a number of 0 or more, not '-1'"),
        (["-w", "a", "-W", "b", "prog"], "-w and -W exclude each other"),
    ],
)
def test_a_wrong_command_line_is_refused_with_the_reason(words: list[str], message: str) -> None:
    with pytest.raises(WrongCommandLine) as caught:
        read_options(words, none)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("$A/${B}x", "1/2x"),
        (r"\$A", "$A"),
        ("$NONE", ""),
        ("$", "$"),
        ("'$A' \"b\" \\n", "'1' \"b\" \\n"),
        ("$A$$", "1$$"),
    ],
)
def test_variables_are_replaced_and_nothing_else_is_touched(word: str, result: str) -> None:
    assert substituted(word, {"A": "1", "B": "2"}) == result


def test_a_program_is_searched_here_and_then_in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, names in ((here, ["one"]), (there, ["one", "two"])):
        folder.mkdir()
        for name in names:
            (folder / name).touch(mode=0o755)
    monkeypatch.chdir(here)
    environ = {"PATH": str(there)}

    assert find_program("one", environ) == str(here / "one")
    assert find_program("two", environ) == str(there / "two")
    assert find_program("/not/there", environ) == "/not/there"
    assert find_program("none", environ) == str(here / "none")
