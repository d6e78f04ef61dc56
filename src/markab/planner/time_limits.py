"""When a job is told to write its checkpoint, and how long it may take over that. Pure.

As Pegasus derives the options `-k` and `-K` of Kickstart from two profiles, `checkpoint.time` and `maxwalltime`:
between the signal and the end of the time that a job is given, half is for writing the checkpoint
and half for bringing it away. Other than there, a job without checkpoints has all of its time.
"""

from __future__ import annotations

BEFORE_THE_END_S = 300.0
"""A job that has checkpoints and says nothing else is told so long before its end, or half of its time if that is less."""


def checkpoint_limits(checkpoint_s: float, max_wall_s: float, *, has_checkpoint: bool) -> tuple[float, float]:
    """Return after how many seconds a job gets SIGTERM for its checkpoint, and how many later SIGKILL; 0: never.

    Args:
        checkpoint_s: what was asked for; 0: nothing was.
        max_wall_s: the time that the job is given; 0: no limit.
        has_checkpoint: the job declares a checkpoint.
    """
    if not checkpoint_s and max_wall_s and has_checkpoint:
        checkpoint_s = max(max_wall_s - BEFORE_THE_END_S, max_wall_s / 2)
    if not checkpoint_s or checkpoint_s >= max_wall_s:
        return checkpoint_s, 0.0
    return checkpoint_s, (max_wall_s - checkpoint_s) / 2
