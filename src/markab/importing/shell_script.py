"""The steps of a shell script: each statement is one; a loop over known words is one for each word.

The script is parsed by `tree-sitter-bash`, and its words are expanded by the shell itself (`shell_words.py`). Nothing of
it is run. Each step gets before it the settings, variables and functions that stand before it in the script.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markab.errors import DocumentError, Problem
from markab.importing.command_files import Files, World, files_of
from markab.importing.extras import imported
from markab.importing.shell_nodes import (
    command_name,
    is_assigned,
    is_in_function,
    is_in_subshell,
    line_of,
    names_used,
    nodes_below,
    text_of,
    word_of,
)
from markab.importing.shell_words import Assignment, ShellState, outside_variables
from markab.importing.step_jobs import StepSource
from markab.importing.steps import Step
from markab.importing.word_quoting import quoted_word
from markab.spec.document_file import read_bytes

_DECLARED = re.compile(r"#\s*markab:\s*(.*)")
_SETTINGS = frozenset(
    ("set", "shopt", "umask", "ulimit", "alias", "unset", "unalias", "module", "conda", "hash")
)
_IMPOSSIBLE = {
    "read": "reads from the terminal",
    "exec": "replaces the shell",
    "eval": "runs text as commands",
    "source": "takes commands from another file",
    ".": "takes commands from another file",
    "trap": "reacts to signals and to the end of the script",
    "pushd": "changes the directory",
    "popd": "changes the directory",
}
_SILENT = frozenset(
    ("echo", "printf", "true", "false", ":", "date", "sleep", "wait", "exit", "test", "[", "mkdir", "cd")
)
"""Commands of which no job is made where they write no file."""
_MOST_STEPS = 20_000
_UNKNOWN_FILES = "declare them above it by `# markab: in=FILE,… out=FILE,…`, or import with --trace"


def read_script(path: Path, arguments: Sequence[str] = (), *, is_traced: bool = False) -> StepSource:
    """Return the steps of a script; with `is_traced`, nothing is said of files that only a trace can tell.

    Raises:
        DocumentError: it cannot be parsed.
        StorageError: it cannot be read.
        MarkabError: the packages that parse are not installed.
    """
    grammar = imported("tree_sitter_bash", "tree-sitter-bash", "shell")
    parsing = imported("tree_sitter", "tree-sitter", "shell")
    text = read_bytes(path)
    parser = parsing.Parser(parsing.Language(grammar.language()))
    root = parser.parse(text).root_node
    while (repaired := _with_braces(text, root)) != text:
        text = repaired
        root = parser.parse(text).root_node
    if root.has_error:
        raise DocumentError(*_syntax_problems(path, text, root))
    return _ScriptReader(path, text, root, arguments, is_traced=is_traced).source


class _ScriptReader:
    def __init__(
        self, path: Path, text: bytes, root: Any, arguments: Sequence[str], *, is_traced: bool
    ) -> None:
        self.source = StepSource(path, _shell(text))
        self._is_traced = is_traced
        self._state = ShellState(self.source.shell, World(str(self.source.directory)))
        self._declared = ""
        self._mentioned: dict[str, Step] = {}
        self._guessed: list[tuple[Step, set[str]]] = []
        self._functions: set[str] = set()
        self._has_ended = False
        if flags := re.match(rb"#!\s*\S+\s+(-[a-z]+)", text):
            self._state.assign(Assignment(f"set {flags[1].decode()}", frozenset(), 1, True, is_setting=True))
        self._take_environment(root, arguments)
        self._statements(root.children)
        self._settle_guesses()
        if not any(
            "-e" in each.text or "errexit" in each.text for each in self._state.before if not each.names
        ):
            self.source.note(
                1, "without `set -e` the script goes on after a step fails; the workflow does not"
            )

    # --- statements ---------------------------------------------------------

    def _take_environment(self, root: Any, arguments: Sequence[str]) -> None:
        assigned = {
            text_of(each) for each in nodes_below(root) if each.type == "variable_name" and is_assigned(each)
        }
        outside = outside_variables(names_used(root), frozenset(assigned), os.environ)
        self._state.environment = outside
        for name, value in outside.items():
            self._state.assign(
                Assignment(
                    f"export {name}={quoted_word(value)}", frozenset((name,)), 0, True, is_setting=True
                )
            )
            self.source.note(0, f"${name} is taken from the environment: {value!r}")
        if arguments:
            words = " ".join(quoted_word(word) for word in arguments)
            self._state.assign(
                Assignment(f"set -- {words}", frozenset("123456789@*#"), 0, True, is_setting=True)
            )

    def _statements(self, nodes: Sequence[Any]) -> None:
        comments = {line_of(each): each for each in nodes if each.type == "comment"}
        for node in nodes:
            if self._has_ended:
                return
            if node.type == "comment":
                if node.prev_named_sibling and node.prev_named_sibling.end_point[0] == node.start_point[0]:
                    continue  # it was read with the statement before it
                self._declared = _declared(node) or self._declared
            elif node.is_named:
                beside = comments.get(node.end_point[0] + 1)
                self._declared = (_declared(beside) if beside else "") or self._declared
                self._statement(node)
                self._declared = ""

    def _statement(self, node: Any) -> None:
        name = command_name(node)
        if node.type in (
            "variable_assignment",
            "variable_assignments",
            "declaration_command",
            "unset_command",
        ):
            self._assign(node)
        elif node.type == "function_definition":
            name = text_of(node.child_by_field_name("name"))
            self._functions.add(name)
            self._state.assign(
                Assignment(text_of(node), frozenset((name,)), line_of(node), True, names_used(node))
            )
        elif node.type == "for_statement":
            self._loop(node)
        elif node.type == "command" and name in _SETTINGS:
            self._state.assign(Assignment(text_of(node), frozenset(), line_of(node), True, is_setting=True))
        elif node.type == "command" and name == "cd":
            self._change_directory(node)
        elif name in _IMPOSSIBLE:
            self.source.leave_out(
                line_of(node), f"`{name}` {_IMPOSSIBLE[name]}", "write its commands into the script itself"
            )
        else:
            self._step(node)

    def _assign(self, node: Any) -> None:
        values = [each for each in nodes_below(node) if each.type == "variable_assignment"]
        names = frozenset(text_of(each.children[0]) for each in values)
        is_known = all(self._state.is_known(each) for value in values for each in value.children[1:])
        reads: set[str] = set()
        if not is_known:
            reads = self._files(node, Files()).reads
        is_exported = text_of(node).startswith(("export", "declare -x")) or any(
            name in os.environ for name in names
        )
        self._state.assign(
            Assignment(text_of(node), names, line_of(node), is_known, names_used(node), is_exported, reads)
        )

    def _change_directory(self, node: Any) -> None:
        (value,) = self._state.expanded([node.children[1]]) if len(node.children) > 1 else [None]
        folder = self._state.world.path(value[0]) if value and len(value) == 1 else ".."
        if folder.startswith("..") or os.path.isabs(folder):
            self.source.leave_out(
                line_of(node), "`cd` leads out of the directory of the script; what follows is left out", ""
            )
            self._has_ended = True
            return
        self._state.world.folder = "" if folder == "." else folder
        self._state.assign(Assignment(text_of(node), frozenset(), line_of(node), True, is_setting=True))

    def _loop(self, node: Any) -> None:
        variable = text_of(node.child_by_field_name("variable"))
        values = node.children_by_field_name("value")
        body = node.child_by_field_name("body")
        words = self._state.expanded(values)
        if not values or body is None or any(each is None for each in words):
            self._step(node)
            return
        before = len(self._state.before)
        for word in [word for each in words if each for word in each]:
            if len(self.source.steps) > _MOST_STEPS:
                raise DocumentError(
                    Problem(f"more than {_MOST_STEPS} steps", "", str(self.source.file), line_of(node))
                )
            self._state.assign(
                Assignment(f"{variable}={quoted_word(word)}", frozenset((variable,)), line_of(node), True)
            )
            self._statements(body.children)
            # What one round assigns, the next one assigns again: the last round is all that may follow the loop.
            last, self._state.before[before:] = self._state.before[before:], []
        if words and any(words):
            self._state.before += last

    # --- one step -----------------------------------------------------------

    def _step(self, node: Any) -> None:
        unknown: list[str] = []
        line = line_of(node)
        before = dict(self._state.unknown)
        inner = [each for each in nodes_below(node) if is_assigned(each)]
        self._state.unknown |= {text_of(each): line for each in inner}
        files = self._files(node, Files(), unknown)
        lasting = {text_of(each): line for each in inner if not is_in_subshell(each, node)}
        self._state.unknown = before | lasting
        names = [command_name(each) for each in nodes_below(node) if each.type == "command"]
        self._state.world.directories |= files.directories
        self.source.directories |= {each for each in files.directories if each[0] not in "./"}
        if "exit" in names and len(names) == 1:
            self._has_ended = True
            return
        if not files.writes and not self._declared and all(name in _SILENT for name in names):
            if any(name in ("echo", "printf", "date") for name in names):
                self.source.note(line, f"`{names[0]}` only prints, and is no job")
            return
        step = self._made(node, names, files)
        if names and all(name in ("rm", "rmdir", "unlink") for name in names) and not files.writes:
            step.is_job = False
            step.reads.clear()
        elif self._declared:
            self._declare(step, self._declared, node)
        elif unknown and not self._is_traced:
            shown = ", ".join(dict.fromkeys(unknown))
            self.source.leave_out(
                line,
                f"{shown}: known only when the script runs, and perhaps not all of its files",
                _UNKNOWN_FILES,
            )
        self._settle_mentions(step, files)
        self.source.steps.append(step)
        self._state.world.written = (self._state.world.written - step.removes) | step.writes

    def _made(self, node: Any, names: list[str], files: Files) -> Step:
        before = self._state.preamble(names_used(node))
        text = "\n".join([*(each.text for each in before), text_of(node)])
        computed = {file for each in before for file in each.reads}
        directories = {
            each for each in (*files.directories, self._state.world.folder) if each and each[0] not in "./"
        }
        name = next((each for each in names if each not in _SILENT), names[0] if names else "step")
        return Step(
            name, line_of(node), text, files.reads | computed, files.writes, files.removes, directories
        )

    def _files(self, node: Any, found: Files, unknown: list[str] | None = None) -> Files:
        """Add to `found` the files of all commands and redirections in a piece of the script."""
        for each in nodes_below(node):
            if each.type == "command" and not is_in_function(each, node):
                words = [child for child in each.children if child.is_named and child.type not in _NO_WORDS]
                values = self._state.expanded([word_of(word) for word in words])
                argv = [word for value in values for word in (value or ["\0"])]
                self._add(found, files_of([word for word in argv if word != "\0"], self._state.world))
                if unknown is not None and argv:
                    is_part = node not in (each, each.parent)
                    unknown += self._unknown_words(argv[0], words, values, is_part=is_part)
            elif each.type == "file_redirect":
                self._redirect(each, found, unknown)
        return found

    def _unknown_words(
        self, name: str, words: list[Any], values: list[list[str] | None], *, is_part: bool
    ) -> list[str]:
        """Return what may name files that cannot be known: of a simple command, only what a function does with it."""
        if name in self._functions:
            return [f"the files of the function {name}"]
        if name == "cd":
            return ["the files behind `cd`"]
        if not is_part or name in _SILENT:
            return []
        return [text_of(w) for w, v in zip(words, values, strict=True) if v is None and text_of(w)[0] != "-"]

    def _add(self, found: Files, other: Files) -> None:
        other.reads -= found.writes  # made by an earlier command of the same step
        found.add(other)

    def _redirect(self, node: Any, found: Files, unknown: list[str] | None) -> None:
        sign = next(text_of(child) for child in node.children if not child.is_named)
        target = node.child_by_field_name("destination")
        if target is None or (sign in (">&", "<&", ">&-", "<&-") and text_of(target).isdigit()):
            return
        (value,) = self._state.expanded([target])
        if value is None or len(value) != 1:
            if unknown is not None:
                unknown.append(text_of(target))
            return
        path = self._state.world.path(value[0])
        if path.startswith("/dev/"):
            return
        if sign.startswith("<"):
            if path not in found.writes:
                found.reads.add(path)
        else:
            found.writes.add(path)

    # --- declared and guessed files -----------------------------------------

    def _declare(self, step: Step, declared: str, node: Any) -> None:
        """Take the files of a step from a comment, in place of those that were found."""
        step.reads, step.writes = set(), set()
        try:
            parts = shlex.split(declared)
        except ValueError:
            parts = [declared]
        for part in parts:
            key, equals, names = part.partition("=")
            if key not in ("in", "out") or not equals:
                self.source.leave_out(
                    line_of(node), f"{part!r} is not in=FILE,… or out=FILE,…", "correct the comment"
                )
                continue
            for name in names.split(","):
                for word in self._state.by_shell([name])[0] or [name]:
                    (step.reads if key == "in" else step.writes).add(self._state.world.path(word))

    def _settle_mentions(self, step: Step, files: Files) -> None:
        """A word that looks like a file, is none yet, and stands in a later step too, is a file that this step makes."""
        for path in sorted(files.guesses):
            maker = self._mentioned.get(path)
            if maker is not None and maker.line != step.line:
                maker.writes.add(path)
                step.reads.add(path)
                self._state.world.written.add(path)
                self.source.note(
                    maker.line, f"{path!r} is taken for a file that it makes: line {step.line} uses it"
                )
        guesses = files.guesses - step.reads
        for path in guesses:
            self._mentioned.setdefault(path, step)
        if guesses and not self._declared and not self._is_traced:
            self._guessed.append((step, guesses))

    def _settle_guesses(self) -> None:
        """What looks like the name of a file, and is none that a step is known to make, is one that its step makes."""
        made = {file for step in self.source.steps for file in step.writes}
        for step, guesses in self._guessed:
            for path in sorted(guesses - made):
                step.writes.add(path)
                self.source.note(step.line, f"{path!r} looks like a file that it makes", _UNKNOWN_FILES)


def _syntax_problems(path: Path, text: bytes, root: Any) -> list[Problem]:
    """Return the errors that the shell finds; where it finds none, the places that the grammar does not know."""
    done = subprocess.run(
        [_shell(text), "-n", str(path)], capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    lines = done.stderr.decode(errors="replace").splitlines()
    found = [re.search(r"(?:line )?(\d+): (.*)", line.removeprefix(f"{path}: ")) for line in lines]
    problems = [
        Problem(each[2], "", str(path), int(each[1]), "import")
        for each in found
        if each and each[2][0] != "`"
    ]
    hint = "write it in another way, or import the script without this statement"
    broken = [each for each in nodes_below(root) if each.type == "ERROR" or each.is_missing]
    return problems or [
        Problem("this cannot be parsed", hint, str(path), line, "import")
        for line in dict.fromkeys(map(line_of, broken[:20]))
    ]


def _with_braces(text: bytes, root: Any) -> bytes:
    """Return a script with `${x}` in place of each `$x` that the grammar takes for a dollar sign and a word.

    It does so with the second variable of an unquoted word like `$a/b/$x.c`, and goes on as if a blank stood there.
    """
    for node in reversed([each for each in nodes_below(root) if each.type == "$"]):
        name = re.match(rb"\$([A-Za-z_]\w*)", text[node.start_byte :])
        if name and node.parent.type == "concatenation":
            end = node.start_byte + len(name[0])
            text = text[: node.start_byte] + b"${" + name[1] + b"}" + text[end:]
    return text


_NO_WORDS = frozenset(
    ("variable_assignment", "file_redirect", "heredoc_redirect", "herestring_redirect", "comment")
)


def _declared(comment: Any) -> str:
    """Return the files that a comment declares."""
    found = _DECLARED.match(text_of(comment))
    return found[1] if found else ""


def _shell(text: bytes) -> str:
    """Return the shell that runs a script: that of its first line, if it is one of this machine."""
    first = text.split(b"\n", 1)[0].decode(errors="replace")
    name = "sh" if re.match(r"#!\s*\S*(/|env )(sh|dash)\b", first) else "bash"
    return f"/bin/{name}"
