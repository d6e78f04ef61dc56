"""Files of parameters: values keep their text, and everything that is wrong is named with its line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from markab.errors import DocumentError
from markab.spec.parameter_file import STDIN, parse_parameters, read_parameters
from markab.spec.script_messages import Given


def test_values_and_lists_keep_the_text_of_the_file() -> None:
    text = b"n: 50\nversion: 3.10\nyes: no\ntags: [a, '1,2', 007]\nnames:\n  - b\nempty:\n"

    assert [
        ("n", "50", 1),
        ("version", "3.10", 2),
        ("yes", "no", 3),
        ("tags", ["a", "1,2", "007"], 4),
        ("names", ["b"], 5),
        ("empty", "", 7),
    ] == parse_parameters(text, "p.yml")


def test_json_is_read_too() -> None:
    assert [("n", "50", 1), ("tags", ["a"], 2)] == parse_parameters(b'{"n": 50,\n "tags": ["a"]}', "p.json")


def test_everything_that_is_wrong_is_named_with_its_line() -> None:
    with pytest.raises(DocumentError) as caught:
        parse_parameters(b"n: {a: 1}\nm: 1\nm: 2\n? [x]\n: 1\nl: [[1]]\n", "p.yml")

    assert [
        "p.yml:1: 'n' must be a single value or a list of them",
        "p.yml:3: 'm' has a value on line 2 already",
        "p.yml:4: a parameter must be a single value or a list of them",
        "p.yml:6: 'l' must be a single value or a list of them",
    ] == [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"- 1\n", "p.yml:1: the document is a list; it must be a mapping of keys to values"),
        (b"", "p.yml: the document is empty"),
        (b"a: [\n", "p.yml:2: not YAML"),
        (b"\xff", "p.yml:1: not UTF-8 text: byte 0xff"),
    ],
)
def test_what_is_no_map_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_parameters(text, "p.yml")

    assert str(caught.value).startswith(message)
    assert "pegasus" not in caught.value.hint


def test_parameters_are_read_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.write_text("n: 1\n")

    assert [Given("n", "1", f"{path}:1", str(path))] == read_parameters(str(path), io.BytesIO())
    assert [Given("n", "2", "standard input:1")] == read_parameters(STDIN, io.BytesIO(b"n: 2"))
    with pytest.raises(DocumentError, match="standard input:1: the document is a single value"):
        read_parameters(STDIN, io.BytesIO(b"n"))
