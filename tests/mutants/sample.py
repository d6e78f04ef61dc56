"""Which changes are tried: lines drawn at random, by a seed, more of them where a fault would cost results."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from mutants.changes import Change, changes_of, is_program

Line = tuple[str, int]
"""File and number."""

_WEIGHTS = {"engine": 3, "worker": 3, "transfers": 3, "planner": 3, "executors": 2, "journal": 2, "plan": 2}
"""By folder; all others have 1."""


def sample(seed: int, root: Path, folder: str) -> Iterator[Change]:
    """Changes of a tree below `src/<folder>`, at most one a line, in random order."""
    chance = random.Random(seed)
    lines = _lines(root, folder)
    for line in weighted_order(lines, chance):
        change = chance.choice(lines[line])
        if is_program(change.applied_to((root / change.file).read_text())):
            yield change


def weighted_order(lines: Iterable[Line], chance: random.Random) -> list[Line]:
    """Each line once, heavier ones tend to the front (Efraimidis and Spirakis 2006)."""
    return sorted(lines, key=lambda line: chance.random() ** (1 / _weight(line[0])), reverse=True)


def _lines(root: Path, folder: str) -> dict[Line, list[Change]]:
    found: dict[Line, list[Change]] = defaultdict(list)
    for path in sorted((root / "src" / folder).rglob("*.py")):
        name = str(path.relative_to(root))
        for change in changes_of(name, path.read_text()):
            found[name, change.line].append(change)
    return found


def _weight(file: str) -> int:
    return _WEIGHTS.get(Path(file).parts[2], 1)
