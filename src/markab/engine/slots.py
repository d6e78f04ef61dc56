"""How many cores, how much memory and how many GPUs this process may use."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from markab.executors.gpus import visible_devices
from markab.plan.model import GivenSlots


class Slots(NamedTuple):
    """What jobs share on this machine."""

    cores: int
    memory_mb: int
    gpus: int


def detect(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> Slots:
    """Return what this process may use: what the machine has, limited by its control groups."""
    return Slots(
        cores=_cores(root),
        memory_mb=_memory_mb(root),
        gpus=_gpus(root, environ),
    )


def slots_for(
    given: GivenSlots, cores: int | None = None, memory_mb: int | None = None, gpus: int | None = None
) -> Slots:
    """Return what jobs may use here: what is given now, else what the plan says, else what this machine has."""
    found = detect()
    return Slots(
        cores=max(1, _first(cores, given.cores, found.cores)),
        memory_mb=max(1, _first(memory_mb, given.memory_mb, found.memory_mb)),
        gpus=max(0, _first(gpus, given.gpus, found.gpus)),
    )


def _first(*numbers: int | None) -> int:
    return next(number for number in numbers if number is not None)


def _cores(root: Path) -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for quota_us, period_us in _quotas(root):
        if quota_us > 0 and period_us > 0:
            # A quota of 1.5 cores keeps two processes busy three quarters of the time each: better than one.
            allowed = min(allowed, max(1, math.ceil(quota_us / period_us)))
    return max(1, allowed)


def _quotas(root: Path) -> list[tuple[int, int]]:
    """Return (quota, period) of every control group above this process, of both versions."""
    quotas = []
    for group in _groups(root, ""):
        words = _text(group / "cpu.max").split()
        if len(words) == 2 and words[0] != "max":
            quotas.append((int(words[0]), int(words[1])))
    for group in _groups(root, "cpu"):
        quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
        if quota and period:
            quotas.append((int(quota), int(period)))
    return quotas


def _memory_mb(root: Path) -> int:
    match = re.search(r"^MemTotal:\s*(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    limits_bytes = [int(match.group(1)) * 1024] if match else []
    for controller, name in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        for group in _groups(root, controller):
            text = _text(group / name)
            if text.isdigit():
                limits_bytes.append(int(text))
    return max(1, min(limits_bytes) // 2**20) if limits_bytes else 1024


def _gpus(root: Path, environ: Mapping[str, str]) -> int:
    if (visible := visible_devices(environ)) is not None:
        return len(visible)
    try:
        names = os.listdir(root / "dev")
    except OSError:  # no /dev: a bare container
        return 0
    return sum(1 for name in names if re.fullmatch(r"nvidia\d+", name))


def _groups(root: Path, controller: str) -> list[Path]:
    """Return the directories of this process's control group and all above it ("": version 2)."""
    base = root / "sys/fs/cgroup"
    groups = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            top = base / controller if controller else base
            group = top / path.lstrip("/")
            groups += [group, *(parent for parent in group.parents if parent.is_relative_to(top))]
    return groups


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # not this version of control groups, or not this system
        return ""
