"""How many faults of which kind a test has made, and what became of them; printed at the end of all of them."""

from __future__ import annotations

from collections import Counter, defaultdict

FIGURES: dict[str, Counter[str]] = defaultdict(Counter)
"""Subject → what happened → how often."""
