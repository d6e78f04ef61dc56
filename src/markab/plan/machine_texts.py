"""What is said of jobs that need more than this machine has, when planning and when running."""

from __future__ import annotations

from markab.formatting import count, size

RUNS_ALONE = "each runs alone, with what there is"
MORE_GPUS_HINT = (
    "if it has more, say so: plan with `--gpus N`, or run it with `markab run --gpus N`; "
    "else remove the request (profile pegasus.gpus or condor.request_gpus)"
)


def cores_text(number: int) -> str:
    """Return a number of cores."""
    return count(number, "core")


def memory_text(number_mb: int) -> str:
    """Return an amount of memory."""
    return f"{size(number_mb << 20)} of memory"


def gpus_text(number: int) -> str:
    """Return a number of GPUs."""
    return count(number, "GPU") if number else "no GPUs"
