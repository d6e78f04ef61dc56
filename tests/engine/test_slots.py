from __future__ import annotations

import os
from pathlib import Path

import pytest

from markab.engine.slots import Slots, detect, slots_for
from markab.plan.model import GivenSlots


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def test_without_control_groups_the_whole_machine_is_used(tmp_path: Path) -> None:
    put(tmp_path, "proc/meminfo", "MemTotal:       16384000 kB\nMemFree: 1 kB\n")
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        put(tmp_path, f"dev/{name}")

    assert detect(tmp_path, {}) == (8, 16000, 2)


def test_a_version_2_group_above_ours_limits_us(tmp_path: Path) -> None:
    put(tmp_path, "proc/meminfo", "MemTotal:       16384000 kB\n")
    put(tmp_path, "proc/self/cgroup", "0::/box/job\n")
    put(tmp_path, "sys/fs/cgroup/box/cpu.max", "250000 100000\n")
    put(tmp_path, "sys/fs/cgroup/box/job/cpu.max", "max 100000\n")
    put(tmp_path, "sys/fs/cgroup/box/memory.max", f"{2**30}\n")
    put(tmp_path, "sys/fs/cgroup/box/job/memory.max", "max\n")

    assert detect(tmp_path, {}) == (3, 1024, 0)


def test_version_1_groups_limit_us(tmp_path: Path) -> None:
    put(tmp_path, "proc/meminfo", "MemTotal:       16384000 kB\n")
    put(tmp_path, "proc/self/cgroup", "5:memory:/m\n3:cpu,cpuacct:/c\n")
    put(tmp_path, "sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "50000\n")
    put(tmp_path, "sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n")
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    put(tmp_path, "sys/fs/cgroup/memory/m/memory.limit_in_bytes", f"{512 * 2**20}\n")
    put(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")

    assert detect(tmp_path, {}) == (1, 512, 0)


@pytest.mark.parametrize(
    ("visible", "count"),
    [("", 0), ("-1", 0), ("0", 1), ("2,3", 2), ("0,-1,2", 1), ("GPU-8932f937,MIG-a/1", 2)],
)
def test_cuda_visible_devices_limits_the_gpus(tmp_path: Path, visible: str, count: int) -> None:
    put(tmp_path, "dev/nvidia0")

    assert detect(tmp_path, {"CUDA_VISIBLE_DEVICES": visible}).gpus == count


def test_this_machine_has_cores_and_memory() -> None:
    cores, memory_mb, gpus = detect()
    assert cores >= 1 and memory_mb > 10 and gpus >= 0


def test_what_is_given_now_wins_over_the_plan_and_that_over_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("markab.engine.slots.detect", lambda: Slots(8, 16000, 1))

    assert slots_for(GivenSlots()) == (8, 16000, 1)
    assert slots_for(GivenSlots(2, 100, 0)) == (2, 100, 0)
    assert slots_for(GivenSlots(2, 100, 3), cores=4, memory_mb=0, gpus=0) == (4, 1, 0)
