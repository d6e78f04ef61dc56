"""Starting processes."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from markab.executors.spawn import Environ, SlowSpawner, Spawner

SPAWNERS = [Spawner, SlowSpawner]


def output_of(
    spawner: Spawner | SlowSpawner, script: str, cwd: Path, environ: list[bytes] | None = None
) -> str:
    with open(cwd / "out", "w+b") as out, open(os.devnull, "r+b") as null:
        fds = (null.fileno(), out.fileno(), null.fileno())
        pid = spawner.start(
            "/bin/sh", ["/bin/sh", "-c", script], str(cwd), environ or [b"PATH=/usr/bin:/bin"], fds
        )
        assert os.waitpid(pid, 0)[1] == 0
        out.seek(0)
        return out.read().decode()


@pytest.mark.parametrize("make", SPAWNERS)
def test_a_process_runs_in_its_directory_and_group_and_ours_stay(make: type[Spawner], tmp_path: Path) -> None:
    before = os.getcwd()
    cwd, pid, group = output_of(make(), "pwd; echo $$; ps -o pgid= -p $$", tmp_path).split()

    assert cwd == str(tmp_path)
    assert pid == group
    assert os.getcwd() == before


@pytest.mark.parametrize("make", SPAWNERS)
def test_no_descriptor_of_ours_is_inherited(make: type[Spawner], tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        lines = output_of(make(), "ls /proc/$$/fd", tmp_path).split()
        assert str(read) not in lines and str(write) not in lines
        assert {"0", "1", "2"} <= set(lines)
    finally:
        os.close(read)
        os.close(write)


def test_signals_that_we_ignore_are_not_ignored_by_tasks(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        lines = output_of(Spawner(), "grep Sig /proc/self/status", tmp_path).splitlines()
    finally:
        signal.signal(signal.SIGINT, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    masks = {
        line.split(":")[0]: int(line.split()[1], 16)
        for line in lines
        if line.startswith(("SigBlk", "SigIgn"))
    }
    assert masks["SigBlk"] == 0
    assert not masks["SigIgn"] & (1 << (signal.SIGINT - 1) | 1 << (signal.SIGPIPE - 1))


@pytest.mark.parametrize("make", SPAWNERS)
def test_a_program_that_does_not_exist_raises(make: type[Spawner], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        make().start("./none", ["./none"], str(tmp_path), [], (0, 1, 2) if make is SlowSpawner else (5, 5, 5))
    assert caught.value.errno == errno.ENOENT


def test_own_variables_replace_those_of_the_engine(tmp_path: Path) -> None:
    environ = Environ({"PATH": "/usr/bin:/bin", "A": "1", "B": "ä"}).with_own({"A": "2", "C": "3"})
    lines = output_of(Spawner(), "env", tmp_path, environ).splitlines()

    assert {"A=2", "B=ä", "C=3"} <= set(lines)
    assert "A=1" not in lines
