"""How many faults of which kind were made in this session, and what became of them; printed at its end."""

from __future__ import annotations

from collections import Counter, defaultdict

FIGURES: dict[str, Counter[str]] = defaultdict(Counter)
"""Subject → what happened → how often."""
