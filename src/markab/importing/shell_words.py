"""Words of a shell script expanded as the shell expands them, where that starts no other program."""

from __future__ import annotations

import glob
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from markab.importing.command_files import World
from markab.importing.shell_nodes import nodes_below, text_of
from markab.importing.word_quoting import quoted_word

_HARMLESS = frozenset(("basename", "dirname", "seq", "echo", "printf", "pwd"))
"""Commands that may stand in `$(…)` of a word: they change nothing, and give the same everywhere."""
_UNKNOWN_SIGNS = frozenset("?$!_")
_UNKNOWN_NAMES = frozenset(("RANDOM", "SECONDS", "BASHPID", "LINENO", "PPID", "EPOCHSECONDS", "SRANDOM"))
_WAIT_S = 20


@dataclass
class Assignment:
    """A piece of the script that later steps need before them: an assignment, a setting, a function."""

    text: str
    names: frozenset[str]
    line: int
    is_known: bool
    """Its value is known when the script is read."""
    needs: frozenset[str] = frozenset()
    is_setting: bool = False
    """It may have an effect on every step after it: an option of the shell, the directory, an exported variable."""
    reads: set[str] = field(default_factory=set)


@dataclass
class ShellState:
    """What precedes a step: settings, variables and the present directory."""

    shell: str
    world: World
    before: list[Assignment] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    """Name of a variable → the line that gives it a value which is known only when the script runs."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that are taken from outside of the script."""

    def assign(self, assignment: Assignment) -> None:
        """Take an assignment, a setting or a function into what precedes the following steps."""
        self.before.append(assignment)
        for name in assignment.names:
            self.unknown.pop(name, None)
            if not assignment.is_known:
                self.unknown[name] = assignment.line

    def preamble(self, names: frozenset[str]) -> list[Assignment]:
        """Return what must precede a step that uses these variables, in the order of the script."""
        needed = set(names)
        found: list[Assignment] = []
        for each in reversed(self.before):
            if each.is_setting or each.names & needed:
                found.append(each)
                needed |= each.needs
        return found[::-1]

    def is_known(self, node: Any) -> bool:
        """Return whether a word can be expanded now."""
        return all(self._is_harmless(each) for each in nodes_below(node))

    def expanded(self, nodes: Sequence[Any]) -> list[list[str] | None]:
        """Return the words that each node expands to; None if that is known only when the script runs."""
        known = [node for node in nodes if self.is_known(node)]
        values = iter(self.by_shell([text_of(node) for node in known]))
        return [next(values) if node in known else None for node in nodes]

    def _is_harmless(self, node: Any) -> bool:
        if node.type == "process_substitution":
            return False
        if node.type == "command_substitution":
            commands = [
                text_of(each.children[0])
                for each in nodes_below(node)
                if each.type == "command" and each.children
            ]
            kinds = {each.type for each in node.named_children}
            return kinds == {"command"} and all(name in _HARMLESS for name in commands)
        if node.type in ("variable_name", "special_variable_name"):
            name = text_of(node)
            return name not in self.unknown and name not in _UNKNOWN_NAMES and name not in _UNKNOWN_SIGNS
        return True

    def by_shell(self, words: Sequence[str]) -> list[list[str] | None]:
        """Expand words by the shell itself, but file names: files that do not exist yet count too."""
        if not words:
            return []
        prints = [
            f"( set -f; set -- {word}\nfor w; do printf '%s\\0' \"$w\"; done ); printf '\\0\\n\\0'"
            for word in words
        ]
        known = [f"{each.text}\nset +eu" for each in self.before if each.is_known]
        text = "\n".join([*known, f"cd {quoted_word(self._folder())} 2>/dev/null", *prints])
        environment = {key: os.environ[key] for key in ("PATH", "HOME", "USER", "LANG") if key in os.environ}
        try:
            done = subprocess.run(
                [self.shell, "-c", text],
                env={**environment, **self.environment},
                cwd=self.world.root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_WAIT_S,
            )
        except (OSError, subprocess.SubprocessError):
            return [None] * len(words)
        groups = done.stdout.decode(errors="surrogateescape").split("\0\n\0")[:-1]
        if len(groups) != len(words):
            return [None] * len(words)
        return [
            [name for each in group.split("\0")[:-1] for name in self._named(each, word)]
            for group, word in zip(groups, words, strict=True)
        ]

    def _folder(self) -> str:
        return os.path.join(self.world.root, self.world.folder)

    def _named(self, word: str, written: str) -> Iterator[str]:
        """Yield the files that a pattern names, in order; a word that is none, or names none, as it is."""
        unquoted = re.sub(r"'[^']*'|\"[^\"]*\"|\\\\.", "", written)
        is_pattern = re.search(r"[*?\[]", word) and re.search(r"[*?\[$]", unquoted)
        found = matching(word, self.world) if is_pattern else []
        yield from found or [word]


def matching(pattern: str, world: World) -> list[str]:
    """Return the files that are there, or that earlier steps make, of a pattern; as the shell names them."""
    folder = os.path.join(world.root, world.folder)
    there = {
        name for name in glob.glob(pattern, root_dir=folder) if os.path.exists(os.path.join(folder, name))
    }
    prefix = world.folder + "/" if world.folder else ""
    parts = pattern.split("/")
    for path in world.written:
        name = path.removeprefix(prefix)
        pieces = name.split("/")
        if len(pieces) == len(parts) and all(fnmatchcase(p, q) for p, q in zip(pieces, parts, strict=True)):
            there.add(name)
    return sorted(there)


def outside_variables(
    names: frozenset[str], assigned: frozenset[str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that the script takes from its environment, with their values now."""
    usual = {"HOME", "PATH", "USER", "PWD", "SHELL", "LOGNAME", "TMPDIR", "LANG"}
    return {name: environ[name] for name in sorted(names - assigned - usual) if name in environ}
