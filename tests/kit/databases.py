"""SQLite databases as plain values, and a user without a home directory."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest


def contents(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of an SQLite database, in no order, except when it was made."""
    connection = sqlite3.connect(file)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    finally:
        connection.close()
    rows["dbversion"] = [row[:3] for row in rows["dbversion"]]
    return rows


def ask(file: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(file)
    try:
        return list(connection.execute(sql))
    finally:
        connection.close()


def make_homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user the system does not know, as in a container."""
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
