"""Splitting command lines: the meaning of POSIX words, and nothing else of a shell."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markab.worker.split_arguments import split_words

ENVIRON = {"HOME": "/home/me", "TWO": "a b", "EMPTY": "", "_x1": "under"}
text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(deadline=None)  # the machine may be busy
@given(st.lists(text))
def test_quoting_words_and_splitting_them_gives_them_back(words: list[str]) -> None:
    assert split_words(" ".join(shlex.quote(word) for word in words), ENVIRON) == words


def test_without_variables_it_agrees_with_the_standard_library() -> None:
    """Except where shlex lets a quoted newline stand after a backslash, and a lone backslash be an error."""
    split, refused = [], []

    @settings(deadline=None, max_examples=300)  # the machine may be busy
    @given(
        st.lists(st.text("ab \t\n\\\"'", max_size=6), max_size=5).map(
            lambda parts: "".join(parts).replace("\\\n", "\\ ").rstrip("\\")
        )
    )
    def agree(line: str) -> None:
        try:
            expected = shlex.split(line, posix=True)
        except ValueError:
            with pytest.raises(ValueError, match="is never closed"):
                split_words(line, {})
            refused.append(line)
        else:
            assert split_words(line, {}) == expected
            split.append(line)

    agree()
    assert len(split) > 60 and len(refused) > 60
    assert sum("'" in line or '"' in line or "\\" in line for line in split) > 30


def quoted(quote: str, *inside: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(inside), max_size=4).map(lambda parts: quote + "".join(parts) + quote)


PARTS = ["a", " ", "$TWO", "${HOME}", "$EMPTY", "$_x1", "\t", "\\$"]
WORDS = (
    st.sampled_from([*PARTS, "\\"])
    | quoted('"', *PARTS, "'", "\\\\", '\\"', "\\a")
    | quoted("'", *PARTS, '"', "\\")
)


def test_it_agrees_with_a_real_shell_that_does_not_split_again() -> None:
    split: list[list[str]] = []

    @settings(deadline=None, max_examples=60)  # the machine may be busy
    @given(st.lists(WORDS | st.just(" "), max_size=9).map("".join))
    def agree(line: str) -> None:
        line = line.replace("$$", "$ $")  # a shell would put its pid
        if line.endswith("\\"):
            line += "x"
        try:
            ours = split_words(line, ENVIRON)
        except ValueError:  # a quote behind a backslash opens nothing, and so the next one does
            return
        # IFS= keeps a shell from splitting what it has expanded.
        script = "IFS=; for word in " + line + '\ndo printf "%s\\0" "$word"; done'
        done = subprocess.run(["/bin/sh", "-c", script], env=ENVIRON, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.decode().split("\0")[:-1] == ours
        split.append(ours)

    agree()
    assert len(split) > 20 and sum(len(words) > 1 for words in split) >= 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-i wav/x  -o\tpng/y\n", ["-i", "wav/x", "-o", "png/y"]),
        ("", []),
        ("$TWO", ["a b"]),
        ('"$TWO"x', ["a bx"]),
        ("'$TWO'", ["$TWO"]),
        ('\\$TWO "\\$TWO"', ["$TWO", "$TWO"]),
        ("${HOME}/x $NO/y", ["/home/me/x", "/y"]),
        ("a $NO b", ["a", "b"]),
        ('a "$NO" b', ["a", "", "b"]),
        (
            "* a|b >x $(id) `id` ~ ; & # $ $1 ${a:-b} ${x",
            ["*", "a|b", ">x", "$(id)", "`id`", "~", ";", "&", "#", "$", "$1", "${a:-b}", "${x"],
        ),
        ("a\\ b 'c'\"d\"e", ["a b", "cde"]),
        ('"a\\b\\"c"', ['a\\b"c']),
        ("no\u00a0break", ["no\u00a0break"]),
        ("a\\\nb", ["ab"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert split_words(line, ENVIRON) == words


@pytest.mark.parametrize(("line", "position"), [("a 'b", 3), ('"', 1), ("a\\\"'", 4), ("'ok' \"no", 6)])
def test_an_open_quote_is_named_by_its_position(line: str, position: int) -> None:
    with pytest.raises(ValueError, match=f"at character {position} is never closed"):
        split_words(line, {})
