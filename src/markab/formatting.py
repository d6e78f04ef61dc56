"""Numbers, times and long texts in a readable form."""

from __future__ import annotations

from pathlib import Path


def size(size_bytes: float) -> str:
    """Return a number of bytes with its unit; units of 1024, in the usual notation: 1.5 GB."""
    value = float(size_bytes)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if abs(value) < 1000:  # not 1024: "1023 KB" is harder to read than "1.0 MB"
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} PB"


def duration(duration_s: float) -> str:
    """Return a time span: 0.3 s, 12 s, 3:07 (minutes), 2:03:07 (hours)."""
    if duration_s < 9.95:
        return f"{max(duration_s, 0):.1f} s"
    whole = round(duration_s)
    if whole < 60:
        return f"{whole} s"
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def moment(epoch_s: float) -> str:
    """Return a time in the local time zone."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(epoch_s))


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 job`, `2 jobs`, `1,000 jobs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def clipped(text: str, characters: int) -> str:
    """Return the beginning of a text, with a note of how much is left out."""
    if len(text) <= characters:
        return text
    return f"{text[:characters]}… ({len(text) - characters:,} more characters)"


def tail(text: str, lines: int) -> str:
    """Return the last lines of a text, with a note of how many are left out."""
    all_lines = text.rstrip("\n").split("\n")
    if len(all_lines) <= lines:
        return "\n".join(all_lines)
    return "\n".join([f"… ({len(all_lines) - lines:,} lines above)", *all_lines[-lines:]])


def relative_path(path: Path) -> Path:
    """Return a path as it is typed: relative if it is below the current directory, which may be gone."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return path
    return path.relative_to(here) if path.is_relative_to(here) else path
