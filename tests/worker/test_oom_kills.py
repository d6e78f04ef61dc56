"""What the kernel counts as killed for lack of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.worker.oom_kills import OomKills

PLACES = {
    "0::/me\n": "sys/fs/cgroup/me/memory.events",
    "4:cpu,memory:/me\n1:name=systemd:/\n": "sys/fs/cgroup/memory/me/memory.oom_control",
    "": "proc/vmstat",
}


def write(root: Path, place: str, kills: int) -> None:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"low 0\noom 7\noom_kill {kills}\noom_group_kill 0\n")


@pytest.mark.parametrize(("groups", "place"), PLACES.items())
def test_each_kill_is_claimed_once_and_none_of_the_past(tmp_path: Path, groups: str, place: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/cgroup").write_text(groups)
    write(tmp_path, place, 3)
    kills = OomKills(f"{tmp_path}/")

    assert not kills.claim()
    write(tmp_path, place, 5)
    assert [True, True, False] == [kills.claim() for _ in range(3)]


def test_the_count_of_the_own_group_is_the_one_that_matters(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/me\n")
    write(tmp_path, PLACES["0::/me\n"], 0)
    write(tmp_path, "proc/vmstat", 0)
    kills = OomKills(f"{tmp_path}/")
    write(tmp_path, "proc/vmstat", 9)

    assert not kills.claim()


def test_a_system_that_counts_nothing_proves_nothing(tmp_path: Path) -> None:
    assert not OomKills(f"{tmp_path}/").claim()
