"""Reading the pages of `docs/`, and running the commands that they show.

A page is typed from top to bottom in one shell: its ```console blocks, and the files whose
blocks stand below `<!-- file: NAME -->`. Above a block, `<!-- not run -->` keeps it from being
typed, and `<!-- output varies -->` from being compared.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"(?:^<!-- (?P<note>.*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*(?!\w)")
_HEX = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,64}\b")
_SHA256 = re.compile(r"((?:sha256|… →) [0-9a-f]{8,64}\b)")
"""Compared as it is: the same commands make the same bytes."""
_PLAN = re.compile(r"[\w-]+: \d+ jobs? \(")
_VOLATILE = re.compile(r"^\d[\d.:]*(?: s)?: \d")
"""Progress of a run, every few seconds: how many lines there are is up to the machine."""


@dataclass
class Step:
    """One thing to type, and the lines that the page says it prints."""

    command: str
    shown: list[str] = field(default_factory=list)
    compared: bool = True


def steps_of(page: Path) -> list[Step]:
    """Return what a reader types, in order; writing a file counts."""
    steps: list[Step] = []
    for block in _BLOCK.finditer(page.read_text()):
        note, text = block["note"] or "", block["text"]
        if note.startswith("file: "):
            name = note.removeprefix("file: ")
            steps.append(Step(f"cat > {name} <<'END OF FILE'\n{text}END OF FILE", compared=False))
        elif block["kind"] == "console" and note != "not run":
            for line in text.splitlines():
                if line.startswith("$ "):
                    steps.append(Step(line[2:], compared=note != "output varies"))
                elif steps:
                    steps[-1].shown.append(line)
    return steps


def printed_by(steps: list[Step], transcript: str) -> list[list[str]]:
    """Cut the transcript of a shell, which repeats each command behind `$ `, into what each of them printed."""
    printed = []
    rest = transcript
    for position, step in enumerate(steps):
        _, _, rest = rest.partition(f"$ {step.command}\n")
        following = steps[position + 1 : position + 2]
        text = rest.partition(f"$ {following[0].command}\n")[0] if following else rest
        printed.append([line for line in text.splitlines() if not _VOLATILE.match(line)])
    return printed


def as_on_the_page(text: str, tmp_path: Path) -> str:
    """Return what `type_in` gave with the names that pages use for home, clone and host."""
    text = text.replace(f"{tmp_path}/home", "/home/ada").replace(f"{tmp_path}/clone", "/home/ada/markab")
    return re.sub(rf"\b{re.escape(socket.gethostname())}\b", "laptop", text)


def first_missing(shown: list[str], printed: list[str]) -> str | None:
    """Return the first line of `shown` that was not printed, in this order; numbers and `…` lines don't count.

    Those of a plan do.
    """
    rest = iter([_masked(line) for line in printed])
    for line in shown:
        if line.strip() not in ("…", "") and _masked(line) not in rest:
            return line
    return None


def undocumented(shown: list[str], printed: list[str]) -> list[str]:
    """Return the warnings and errors that were printed and that the page does not show."""
    documented = {_masked(line) for line in shown}
    return [
        line
        for line in printed
        if line.startswith(("warning:", "error:")) and _masked(line) not in documented
    ]


def _without_numbers(line: str) -> str:
    """Return a line with `#` for each number, but for those in checksums."""
    parts = _SHA256.split(line)
    return "".join(
        part if number % 2 else _NUMBER.sub("#", _HEX.sub("#", part)) for number, part in enumerate(parts)
    )


def _masked(line: str) -> str:
    if _PLAN.match(line):
        return line  # how many jobs there are is always the same
    return " ".join(_without_numbers(line).split())
