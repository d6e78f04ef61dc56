"""Names of directories that do not exist yet, made of one that does."""

from __future__ import annotations

from pathlib import Path


def free_name(name: str, base: Path) -> str:
    """Return a name below `base` that is free: `name-2`, `name-3`, …"""
    number = 2
    while (base / f"{name}-{number}").exists():
        number += 1
    return f"{name}-{number}"
