"""Commands of an HTCondor submit file that Markab gives itself, so that no profile can."""

from __future__ import annotations

RESERVED = frozenset(
    {
        "arguments",
        "args",
        "environment",
        "env",
        "executable",
        "transfer_executable",
        "initialdir",
        "initial_dir",
        "iwd",
        "job_iwd",
        "input",
        "stdin",
        "output",
        "stdout",
        "error",
        "stderr",
        "log",
        "userlog",
        "log_xml",
        "submit_event_notes",
        "should_transfer_files",
        "when_to_transfer_output",
        "transfer_output_files",
        "transfer_output_remaps",
        "preserve_relative_paths",
        "output_destination",
        "max_materialize",
        "max_idle",
        "materialize_max_idle",
        "hold",
        "dagman_log",
        "queue",
    }
)
"""In lower case."""

OWN_ATTRIBUTES = "markab"
"""Begins the attributes of jobs by which Markab finds them again."""


def is_reserved(key: str) -> bool:
    """Return whether a command, or an attribute with `+` or `My.` before it, is not the user's to give."""
    key = key.strip().lower()
    for before in ("+", "my."):
        if key.startswith(before):
            return key.removeprefix(before).startswith(OWN_ATTRIBUTES)
    return key in RESERVED or key.split(maxsplit=1)[:1] == ["queue"]
