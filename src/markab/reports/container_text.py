"""The containers in which the tasks of an attempt ran, as text: for every report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def container_texts(record: Mapping[str, Any]) -> list[str]:
    """Return each container of a worker's record: its name, what started it, and which image it was."""
    return [_text(one) for one in record.get("containers", ())]


def _text(one: Mapping[str, Any]) -> str:
    digest = f"sha256:{one['sha256']}" if one.get("sha256") else str(one.get("image", ""))
    return f"{one.get('name', '')} ({one.get('program', '')}) {digest}"
