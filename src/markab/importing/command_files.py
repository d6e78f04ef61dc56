"""Which files a command reads and writes, as far as its words tell. Pure but for questions about files that are there."""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_OUTPUT_OPTIONS = frozenset(
    ["-o", "--out", "--output", "--outfile", "--output-file", "--out-file", "-O", "--output-document"]
)
_OPTION_VALUE = re.compile(r"(--[\w-]+)=(.+)", re.S)
_LIKE_A_FILE = re.compile(r"[\w.+,@%-][\w ./+,@%-]*\.[A-Za-z][\w-]{0,7}")
_PROGRAMS = (".py", ".sh", ".R", ".r", ".pl", ".jl", ".rb", ".js", ".awk", ".sed")
_DEVICES = ("/dev/", "/proc/", "/sys/")


@dataclass
class Files:
    """The files that a piece of shell uses."""

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    removes: set[str] = field(default_factory=set)
    directories: set[str] = field(default_factory=set)
    guesses: set[str] = field(default_factory=set)
    """Words that only look like names of files, and are none that is there."""

    def add(self, other: Files) -> None:
        """Add the files of another piece."""
        for name in ("reads", "writes", "removes", "directories", "guesses"):
            getattr(self, name).update(getattr(other, name))


@dataclass
class World:
    """What is known to be there when a command starts."""

    root: str
    """The directory of the source."""
    folder: str = ""
    """The present directory, below the root."""
    written: set[str] = field(default_factory=set)
    directories: set[str] = field(default_factory=set)

    def path(self, word: str) -> str:
        """Return a word as a path from the root; absolute if it is outside."""
        full = os.path.normpath(os.path.join(self.root, self.folder, word))
        relative = os.path.relpath(full, self.root)
        if os.path.isabs(word):
            return full
        return relative

    def is_file(self, path: str) -> bool:
        """Return whether there is a file, in the directory or made by an earlier command."""
        return path in self.written or os.path.isfile(os.path.join(self.root, path))

    def is_directory(self, path: str) -> bool:
        """Return whether there is a directory."""
        return path in self.directories or os.path.isdir(os.path.join(self.root, path))


def files_of(argv: Sequence[str], world: World) -> Files:
    """Return the files of one command."""
    found = Files()
    if not argv:
        return found
    name = os.path.basename(argv[0])
    if "/" in argv[0] and world.is_file(world.path(argv[0])):
        found.reads.add(world.path(argv[0]))
    plain = [word for word in argv[1:] if not word.startswith("-")]
    special = _SPECIAL.get(name)
    if special is not None:
        special(plain, argv, world, found)
    else:
        _general(argv, world, found)
    found.reads = {path for path in found.reads if not path.startswith(_DEVICES)}
    found.writes = {path for path in found.writes if not path.startswith(_DEVICES)}
    return found


def _filter(plain: list[str], argv: Sequence[str], world: World, found: Files) -> None:
    """Of grep, awk and their like: the first word is no file, unless an option says otherwise."""
    words = list(argv)
    if plain and not any(re.match(r"-[a-zA-Z]*[ef]|--(regexp|file|expression)", word) for word in argv[1:]):
        words.remove(plain[0])
    _general(words, world, found)
    found.guesses.clear()


def _general(argv: Sequence[str], world: World, found: Files) -> None:
    for previous, word in zip(["", *argv[1:]], argv[1:], strict=False):
        option = _OPTION_VALUE.fullmatch(word)
        key, value = (option[1], option[2]) if option else (previous, word)
        if not value or value.startswith("-"):
            continue
        path = world.path(value)
        if key in _OUTPUT_OPTIONS:
            found.writes.add(path)
        elif world.is_file(path):
            found.reads.add(path)
        elif world.is_directory(path):
            if path in world.directories:
                found.directories.add(path)
            elif path != ".":
                found.reads.add(path + "/")
        elif _LIKE_A_FILE.fullmatch(value) and not value.endswith(_PROGRAMS):
            found.guesses.add(path)


def _copy(plain: list[str], argv: Sequence[str], world: World, found: Files) -> None:
    """Of cp, mv, ln and install: the last word is where to, unless -t names it."""
    *sources, target = plain or [""]
    paths = [world.path(source) for source in sources]
    where = world.path(target)
    is_into = target.endswith("/") or world.is_directory(where) or len(sources) > 1
    found.writes |= (
        {os.path.normpath(os.path.join(where, os.path.basename(p))) for p in paths} if is_into else {where}
    )
    found.reads |= set(paths)
    if os.path.basename(argv[0]) == "mv":
        found.removes |= set(paths)


def _remove(plain: list[str], argv: Sequence[str], world: World, found: Files) -> None:
    paths = {world.path(word) for word in plain}
    found.removes |= paths
    found.removes |= {file for file in world.written if any(file.startswith(path + "/") for path in paths)}


def _make_directories(plain: list[str], argv: Sequence[str], world: World, found: Files) -> None:
    found.directories |= {world.path(word) for word in plain}


def _written(plain: list[str], argv: Sequence[str], world: World, found: Files) -> None:
    found.writes |= {world.path(word) for word in plain}


def _compress(plain: list[str], argv: Sequence[str], world: World, found: Files) -> None:
    """Of gzip and its like: FILE becomes FILE.gz, and the reverse."""
    name = os.path.basename(argv[0]).removeprefix("g")
    suffix = {"zip": ".gz", "unzip": ".gz", "bzip2": ".bz2", "bunzip2": ".bz2", "xz": ".xz", "unxz": ".xz"}[
        name
    ]
    options = "".join(word for word in argv[1:] if word.startswith("-"))
    paths = {world.path(word) for word in plain}
    found.reads |= paths
    if "c" in options:
        return
    is_reverse = "un" in name or "d" in options
    found.writes |= {path.removesuffix(suffix) if is_reverse else path + suffix for path in paths}
    if "k" not in options:
        found.removes |= paths


def _edit(plain: list[str], argv: Sequence[str], world: World, found: Files) -> None:
    """Of sed: with -i, its files are changed."""
    _filter(plain, argv, world, found)
    if any(re.fullmatch(r"-[a-zA-Z]*i.*|--in-place.*", word) for word in argv[1:]):
        found.writes |= found.reads


def _tar(plain: list[str], argv: Sequence[str], world: World, found: Files) -> None:
    """Of tar: the first word behind the letters with f is the archive."""
    position = next((i for i, word in enumerate(argv) if i and re.fullmatch(r"-?[a-zA-Z]*f", word)), 0)
    _general([argv[0], *argv[position + 2 :]], world, found)
    found.guesses.clear()
    if position and position + 1 < len(argv):
        archive = world.path(argv[position + 1])
        (found.writes if "c" in argv[position] else found.reads).add(archive)


def _nothing(plain: list[str], argv: Sequence[str], world: World, found: Files) -> None:
    """Of commands whose words are no files."""


_SPECIAL = {
    **dict.fromkeys(("cp", "mv", "ln", "install"), _copy),
    **dict.fromkeys(("grep", "egrep", "fgrep", "awk", "gawk", "mawk"), _filter),
    **dict.fromkeys(("rm", "rmdir", "unlink"), _remove),
    **dict.fromkeys(("tee", "touch", "truncate"), _written),
    **dict.fromkeys(("gzip", "gunzip", "bzip2", "bunzip2", "xz", "unxz"), _compress),
    **dict.fromkeys(
        (
            "tr",
            "kill",
            "echo",
            "printf",
            "true",
            "false",
            ":",
            "sleep",
            "wait",
            "exit",
            "seq",
            "basename",
            "dirname",
        ),
        _nothing,
    ),
    "mkdir": _make_directories,
    "sed": _edit,
    "tar": _tar,
}
