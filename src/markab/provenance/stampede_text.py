"""Text as Pegasus stores it in the database: the output of a job, with marks, and `%` escapes."""

from __future__ import annotations

_OUT, _ERR = "#@ 1 stdout\n", "#@ 1 stderr\n"
"""Pegasus writes them before what its wrapper caught of a task; the number is the task's."""
_ESCAPES = {code: f"%{code:02X}" for code in (*range(0x20), 0x22, 0x25, 0x27, *range(0x7F, 0x100))}


def marked_output(out: str | None, err: str | None) -> str | None:
    """Return what an attempt printed as one text: `job_instance.stdout_text`, before it is escaped."""
    parts = [mark + text for mark, text in ((_OUT, out), (_ERR, err)) if text]
    return "\n".join(parts) or None


def without_marks(text: str) -> tuple[str, str]:
    """Return standard output and standard error of what was passed to `marked_output`."""
    out, mark, err = text.partition(_ERR if text.startswith(_ERR) else "\n" + _ERR)
    return out.removeprefix(_OUT), err if mark else ""


def percent_escaped(text: str | None) -> str | None:
    """Return text with `%`, quotes, controls and 0x7F-0xFF as %XX."""
    return text.translate(_ESCAPES) if text else text


def percent_unescaped(text: str) -> str:
    """Return the text that was passed to `percent_escaped`."""
    head, *parts = text.split("%")
    return head + "".join(chr(int(part[:2], 16)) + part[2:] for part in parts)
