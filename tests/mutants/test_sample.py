"""Which changes are tried."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice
from pathlib import Path

from mutants.sample import sample, weighted_order
from mutants.tree_copy import ROOT


def test_the_same_seed_gives_the_same_changes_and_another_seed_others() -> None:
    first, again, other = (list(islice(sample(seed, ROOT, "markab/journal"), 20)) for seed in (1, 1, 2))

    assert first == again != other
    assert len({(change.file, change.line) for change in first}) == 20
    assert all(change.file.startswith("src/markab/journal/") for change in first)


def test_more_are_made_where_a_fault_would_cost_results() -> None:
    lines = [(f"src/markab/{folder}/a.py", n) for folder in ("cli", "engine") for n in range(1000)]

    ordered = weighted_order(lines, random.Random(1))

    found = Counter(Path(file).parts[2] for file, _ in ordered[:400])
    assert sorted(ordered) == lines
    assert 2.2 < found["engine"] / found["cli"] < 4
