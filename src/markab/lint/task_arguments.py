"""The arguments of a task as words, and the file names among them. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from markab.planner.task_files import command_line
from markab.spec.model import Task
from markab.worker.split_arguments import split_words

_FILE = re.compile(r"[\w.+/-]*\w\.[A-Za-z][A-Za-z0-9]{0,7}\Z")
_NUMBER = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?\Z")
_SEPARATORS = re.compile(r"[,:;]")
_READING = re.compile(r"-+(?:i|in|input|inputs|infile|in-file|input-file|input-files)\Z")
_WRITING = re.compile(r"-+(?:o|out|output|outputs|outfile|out-file|output-file|output-files)\Z")


class _Unset:
    """An environment in which every variable has its own name as its value: what it will be is not known."""

    @staticmethod
    def get(name: str, _default: str = "") -> str:
        return f"${name}"


class Word(NamedTuple):
    """A word that may be the name of a file."""

    text: str
    option: str = ""
    """The option before it, or joined to it with `=`."""

    @property
    def is_read(self) -> bool:
        """Whether the option says that it is an input."""
        return _READING.match(self.option) is not None

    @property
    def is_written(self) -> bool:
        """Whether the option says that it is an output."""
        return _WRITING.match(self.option) is not None


def words_of(task: Task) -> list[str] | None:
    """Return the words of a task's arguments; None if they cannot be split, which planning tells."""
    try:
        return split_words(command_line(task), _Unset)  # type: ignore[arg-type]
    except ValueError:
        return None


def file_words(words: list[str]) -> Iterator[Word]:
    """Yield each word that may be a file, with its option: `--out=a.txt` and `a.txt,b.txt` are taken apart too."""
    option = ""
    for word in words:
        if word.startswith("-") and len(word) > 1 and not _NUMBER.match(word):
            option, _, value = word.partition("=")
            parts, following = ([value] if value else []), "" if value else option
        else:
            parts, following = [word], ""
        for part in parts:
            yield Word(part, option)
            pieces = _SEPARATORS.split(part)
            yield from (Word(piece, option) for piece in pieces if piece and piece != part)
        option = following


def normalised(name: str) -> str:
    """Return a relative file name without `./`, `//` and `a/../`."""
    return posixpath.normpath(name) if name else name


def looks_like_file(word: str) -> bool:
    """Return whether a word is written like a relative file name with a suffix, and not like a number or an address."""
    return _FILE.match(word) is not None and not word.startswith(("/", "-")) and not _NUMBER.match(word)
