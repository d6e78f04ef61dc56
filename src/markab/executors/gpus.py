"""Which GPUs this process may use, and which of them an attempt gets: no two attempts get the same one."""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping
from itertools import takewhile

VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""They name the devices that a program sees: CUDA, containers, ROCm."""


def visible_devices(environ: Mapping[str, str]) -> list[str] | None:
    """Return the devices that CUDA_VISIBLE_DEVICES names; None when it is not set.

    CUDA reads the list up to the first entry that is no device; "-1" and "" name none.
    """
    value = environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return None
    entries = (entry.strip() for entry in value.split(","))
    return list(takewhile(re.compile(r"\d+|GPU-\S+|MIG-\S+").fullmatch, entries))


class Gpus:
    """The devices, assigned lowest first.

    The engine counts how many are in use; this class assigns which. They are named as in
    CUDA_VISIBLE_DEVICES, or else by their position.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._names = visible_devices(environ) or []
        self._free: list[int] = []
        self._made = 0

    def take(self, count: int) -> list[int]:
        """Return the positions of `count` devices that no other attempt has."""
        while len(self._free) < count:
            heapq.heappush(self._free, self._made)
            self._made += 1
        return [heapq.heappop(self._free) for _ in range(count)]

    def give_back(self, taken: list[int]) -> None:
        """Take devices back."""
        for position in taken:
            heapq.heappush(self._free, position)

    def environ(self, taken: list[int]) -> dict[str, str]:
        """Return the variables by which a program sees only these devices; {} for none."""
        if not taken:
            return {}
        value = ",".join(self._name(position) for position in taken)
        return dict.fromkeys(VARIABLES, value)

    def _name(self, position: int) -> str:
        return self._names[position] if position < len(self._names) else str(position)
