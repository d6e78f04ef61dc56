"""A process that hangs is told from one that is slow."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from markab.provenance.watchdog import HUNG, Watchdog, processor_time_s


class Meter:
    """Processor time as the test wants it."""

    def __init__(self) -> None:
        self.used_s = 1.0


@pytest.fixture
def meter() -> Meter:
    return Meter()


def test_work_that_uses_no_processor_time_between_two_looks_hangs(meter: Meter) -> None:
    dog = Watchdog(lambda: meter.used_s)
    with dog.watching():
        assert not dog.look(), "it may have begun just now"
        assert dog.look()


def test_work_that_uses_little_is_slow_and_does_not_hang(meter: Meter) -> None:
    dog = Watchdog(lambda: meter.used_s)
    with dog.watching():
        for _ in range(5):
            meter.used_s += 0.002
            assert not dog.look()


def test_between_two_pieces_of_work_nothing_hangs(meter: Meter) -> None:
    dog = Watchdog(lambda: meter.used_s)
    assert not dog.look() and not dog.look()
    with dog.watching():
        assert not dog.look()
    with dog.watching():
        assert not dog.look(), "this is other work than at the last look"
    assert not dog.look()


def test_work_that_raised_is_over(meter: Meter) -> None:
    dog = Watchdog(lambda: meter.used_s)
    with pytest.raises(KeyError), dog.watching():
        raise KeyError
    assert not dog.look() and not dog.look()


def test_a_process_that_hangs_in_a_system_call_ends(tmp_path: object) -> None:
    os.mkfifo(f"{tmp_path}/fifo")
    code = (
        "from markab.provenance import watchdog; watchdog.HANG_S = 0.2; dog = watchdog.Watchdog(); dog.start()\n"
        f"with dog.watching(): open({f'{tmp_path}/fifo'!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (HUNG, "it did nothing for 0 s\n")


def test_the_processor_time_of_a_process_is_known_while_it_lives() -> None:
    before_s = processor_time_s(os.getpid())
    end_s = time.process_time() + 0.05
    while time.process_time() < end_s:
        pass
    after_s = processor_time_s(os.getpid())
    assert before_s is not None and after_s is not None and before_s < after_s
    assert processor_time_s(2**22 + 1) is None
