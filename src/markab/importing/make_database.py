"""What GNU make says it would do: its database of rules, and the commands of each target. Nothing is run but make itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markab.errors import DocumentError, MarkabError, Problem

_RULE = re.compile(r"^(?P<targets>[^#\t\n][^:=]*):(?P<double>:?)(?P<needs>[^=].*|)$")
_PLACE = re.compile(r"^#  recipe to execute \(from '(?P<file>.*)', line (?P<line>\d+)\):$")
_ALSO = re.compile(r"^#  Also makes: (?P<targets>.*)$")
_TRACE = re.compile(
    r"^(?P<file>[^:\n]+):(?P<line>\d+): (?:update )?target '(?P<target>.*?)' (?:does not exist|due to: .*)$"
)
_DATABASE = re.compile(r"^# GNU Make .*?^# Finished Make data base[^\n]*\n", re.M | re.S)
_ENVIRONMENT = "markab-environment"
_WAIT_S = 120


@dataclass
class MakeTarget:
    """A target with its rule."""

    name: str
    needs: list[str] = field(default_factory=list)
    order_only: list[str] = field(default_factory=list)
    also_makes: list[str] = field(default_factory=list)
    is_phony: bool = False
    is_intermediate: bool = False
    """Make removes it at the end."""
    recipe: list[str] = field(default_factory=list)
    """As it stands in the Makefile, without the tabs before it."""
    line: int = 0
    commands: str = ""
    """What make would run, with all variables replaced; empty: make does not make it."""


@dataclass
class MakeDatabase:
    """All targets by name, in the order in which make would make them, and what it exports."""

    targets: dict[str, MakeTarget]
    order: list[str]
    environment: dict[str, str]
    shell: str = "/bin/sh"
    shell_flags: list[str] = field(default_factory=list)
    """Without `-c`."""
    is_one_shell: bool = False
    """All lines of a recipe are run by one shell."""


def read_makefile(path: Path, goals: Sequence[str]) -> MakeDatabase:
    """Ask make for its database, and for what it would do if nothing had been made yet.

    Functions like `$(shell …)` are run by make itself, and it makes again what the Makefile includes.

    Raises:
        DocumentError: make cannot read it, or has no rule for something.
        MarkabError: make is not installed, or is not GNU make.
    """
    program = shutil.which("gmake") or shutil.which("make")
    if program is None:
        raise MarkabError("make is not installed, which reads the Makefile", "install GNU make")
    base = [program, "-f", path.name, "--no-print-directory"]
    printed = _run([*base, "-n", "-p", "-B", "-k", "--trace", *goals], path, {"LC_ALL": "C"})
    databases = _DATABASE.findall(printed)
    if not databases:
        raise MarkabError(f"{program} is not GNU make, which reads the Makefile", "install GNU make")
    database = databases[-1]  # those before it are of other Makefiles, which this one runs make for
    targets = _targets(database.partition("\n# Files\n")[2])
    order = _add_commands(_DATABASE.sub("", printed), targets)
    shown = _run([*base, "-s", "--eval", f"{_ENVIRONMENT}: ; @env -0", _ENVIRONMENT], path)
    flags = _variable(database, ".SHELLFLAGS", "-c").split()
    return MakeDatabase(
        targets,
        order,
        _exported(shown),
        _variable(database, "SHELL", "/bin/sh"),
        [flag for flag in flags if flag != "-c"],
        "\n.ONESHELL:" in database,
    )


def _variable(database: str, name: str, default: str) -> str:
    """Return the value of a variable without references, as the database prints it last."""
    found = re.findall(rf"^{re.escape(name)} :?:?= (.*)$", database, re.M)
    value = str(found[-1]).strip() if found else default
    return default if "$" in value else value


def _run(words: Sequence[str], path: Path, language: Mapping[str, str] = {}) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        words,
        cwd=path.absolute().parent,
        env={**environment, **language},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_WAIT_S,
    )
    if done.returncode:
        raise DocumentError(*_problems(done.stderr.decode(errors="replace"), path))
    return done.stdout.decode(errors="surrogateescape")


def _problems(text: str, path: Path) -> list[Problem]:
    found = []
    for line in text.splitlines():
        message = re.sub(r"^\S*make(\[\d+\])?: \*\*\* ", "", line)
        place = re.match(r"^(?P<file>[^:]+):(?P<line>\d+): (?:\*\*\* )?(?P<text>.*)", message)
        if "***" in line and "not remade because of errors" not in line:
            text = (place["text"] if place else message).removesuffix("  Stop.").rstrip(".")
            found.append(Problem(text, "", str(path), int(place["line"]) if place else 0, "import"))
    return found or [Problem(f"make failed: {text.strip()[:200]}", "", str(path), kind="import")]


def _targets(database: str) -> dict[str, MakeTarget]:
    found: dict[str, MakeTarget] = {}
    for block in database.partition("\n# files hash-table stats:")[0].split("\n\n"):
        lines = block.strip("\n").split("\n")
        rule = _RULE.match(lines[0])
        if lines[0].startswith("# Not a target") or rule is None or rule["targets"].startswith("."):
            continue
        needs, _, order_only = rule["needs"].partition("|")
        target = MakeTarget(rule["targets"].strip(), needs.split(), order_only.split())
        target.is_phony = any(line.startswith("#  Phony target") for line in lines)
        target.is_intermediate = "#  File is an intermediate prerequisite." in lines
        for position, line in enumerate(lines):
            if place := _PLACE.match(line):
                target.line = int(place["line"])
                target.recipe = [each.removeprefix("\t") for each in lines[position + 1 :]]
            elif also := _ALSO.match(line):
                target.also_makes = also["targets"].split()
        found[target.name] = target
    return found


def _add_commands(printed: str, targets: dict[str, MakeTarget]) -> list[str]:
    """Give each target the commands behind its line of `--trace`; return the targets in that order."""
    order: list[str] = []
    lines: list[str] = []
    for line in printed.splitlines():
        if (found := _TRACE.match(line)) and found["target"] in targets:
            order.append(found["target"])
            lines = []
        elif order:
            lines.append(line)
            targets[order[-1]].commands = "\n".join(lines)
    removed = lines[-1].split()[1:] if lines and lines[-1].startswith("rm ") else []
    if removed and all(name in targets and targets[name].is_intermediate for name in removed):
        targets[order[-1]].commands = "\n".join(lines[:-1])  # make says at the end which files it removes
    return order


def _exported(printed: str) -> dict[str, str]:
    """Return the variables that make gives to commands, and did not get itself."""
    ignored = {
        "MAKEFLAGS",
        "MFLAGS",
        "MAKELEVEL",
        "MAKEOVERRIDES",
        "MAKE_TERMOUT",
        "MAKE_TERMERR",
        "SHLVL",
        "_",
        "PWD",
    }
    pairs = (each.partition("=") for each in printed.split("\0"))
    return {
        key: value
        for key, sign, value in pairs
        if sign and re.fullmatch(r"\w+", key) and key not in ignored and os.environ.get(key) != value
    }
