"""Starting processes through the launcher."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.waiting import is_alive, wait_for_line
from markab.executors import launcher, launcher_client
from markab.executors.launcher_client import (
    Event,
    LauncherClient,
    ProcessEnded,
    ProcessLost,
    ProcessRefused,
    ProcessStart,
    ProcessUnstarted,
)
from markab.executors.launcher_messages import Decoder, encode
from markab.executors.orphan_processes import has_engine, kill_all

UNHURRIED = "; from markab.executors import launcher; launcher._SERIES_S = 60.0; main()"
ENGINE = f"test{os.getpid()}"


class Shell:
    """Starts scripts in a directory; what they print goes to the file `out` there."""

    def __init__(self, top: Path, environ: dict[str, str] | None = None) -> None:
        self.top = top
        self.launching = LauncherClient(environ or {"PATH": "/usr/bin:/bin"}, ENGINE, 1024)
        self.count = 0
        self.null = os.open(os.devnull, os.O_RDWR)

    def start(self, script: str, program: str = "/bin/sh", cwd: Path | None = None, **own: str) -> int:
        self.count += 1
        with open(self.top / "out", "ab") as out:
            command = ProcessStart(self.count, program, [program, "-c", script], {})
            fds = self.null, out.fileno(), self.null
            self.launching.start([command], str(cwd or self.top), own, fds)
        return self.count

    def start_series(self, *scripts: str) -> list[int]:
        numbers = list(range(self.count + 1, self.count + 1 + len(scripts)))
        self.count += len(scripts)
        with open(self.top / "out", "ab") as out:
            commands = [
                ProcessStart(number, "/bin/sh", ["sh", "-c", script], {"NUMBER": str(number)})
                for number, script in zip(numbers, scripts, strict=True)
            ]
            self.launching.start(commands, str(self.top), {}, (self.null, out.fileno(), self.null))
        return numbers

    def wait(self, count: int = 1, timeout_s: float = 20.0) -> list[Event]:
        events: list[Event] = []
        give_up = time.monotonic() + timeout_s
        while len(events) < count:
            assert time.monotonic() < give_up, events
            events += self.launching.wait(1.0)
        return events

    def run(self, script: str, **own: str) -> ProcessEnded:
        self.start(script, **own)
        (end,) = self.wait()
        assert isinstance(end, ProcessEnded)
        return end

    def output_of(self, script: str, **own: str) -> str:
        (self.top / "out").write_text("")
        assert self.run(script, **own).status == 0
        return os.fsdecode((self.top / "out").read_bytes())


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.launching.close()
    os.close(made.null)


def read_pid(path: Path) -> int:
    return int(wait_for_line(path))


def test_a_process_runs_in_its_directory_and_group_and_its_end_is_reported(
    shell: Shell, tmp_path: Path
) -> None:
    before = time.time()
    end = shell.run("pwd; echo $$; cat /proc/$$/stat; exit 3")
    cwd, pid, stat = (tmp_path / "out").read_text().splitlines()
    group = stat.rpartition(")")[2].split()[2]  # proc(5): after the name come state, ppid, pgrp

    assert cwd == str(tmp_path)
    assert pid == group == str(end.pid)
    assert end.status == 3 << 8 and not end.left
    assert before <= end.start <= end.start + end.duration_s <= time.time()
    assert end.usage.ru_utime + end.usage.ru_stime < 5


def test_the_memory_of_the_engine_is_not_counted_as_the_tasks(shell: Shell) -> None:
    """It would be, if the engine started tasks itself."""
    ballast = bytearray(b"x") * (200 << 20)

    assert shell.run("exec /bin/true").usage.ru_maxrss < 20_000
    del ballast


def test_no_descriptor_but_the_three_streams_is_inherited(shell: Shell) -> None:
    assert shell.output_of("exec ls /proc/self/fd").split() == ["0", "1", "2", "3"]  # 3 is ls's own


def test_tasks_may_open_as_many_files_as_the_engine_could_at_first(shell: Shell) -> None:
    assert shell.output_of("ulimit -n") == "1024\n"


def test_a_signal_that_is_not_permitted_ends_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task may have become another user's."""

    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", forbidden)
    launcher._signal_group(12345, signal.SIGTERM)


def test_signals_that_the_launcher_ignores_are_not_ignored_by_tasks(shell: Shell) -> None:
    lines = shell.output_of("grep Sig /proc/self/status").splitlines()
    masks = dict(line.split(":\t") for line in lines)

    assert int(masks["SigBlk"], 16) == 0
    ignored = int(masks["SigIgn"], 16)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
        assert not ignored & 1 << (number - 1), number


def test_own_variables_replace_those_of_the_engine(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin", "A": "1", "B": "ä", "C": "\udce4"})
    lines = shell.output_of("env", A="2", D="3").splitlines()
    shell.launching.close()

    assert set(lines) - {f"PWD={tmp_path}", "SHLVL=0", "_=/usr/bin/env"} == {
        "PATH=/usr/bin:/bin",
        "A=2",
        "B=ä",
        "C=\udce4",
        "D=3",
        f"MARKAB_ENGINE={ENGINE}",
    }


def test_what_cannot_be_started_is_refused_with_the_reason(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("just text")
    (tmp_path / "text").chmod(0o755)
    shell.start("", program="./none")
    shell.start("", cwd=tmp_path / "none")
    shell.start("", program="./text")
    shell.start("", WITH="\0")

    reasons = [one.errno for one in shell.wait(4) if isinstance(one, ProcessRefused)]
    assert reasons == [errno.ENOENT, errno.ENOENT, errno.ENOEXEC, errno.EINVAL]


def test_a_program_that_is_still_being_written_is_tried_again(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(Path("/bin/true").read_bytes())
    (tmp_path / "tool").chmod(0o755)
    writer = open(tmp_path / "tool", "ab")
    shell.run("exit 0")
    threading.Timer(0.01, writer.close).start()
    shell.start("", program="./tool")
    (end,) = shell.wait()
    assert isinstance(end, ProcessEnded), end

    with open(tmp_path / "tool", "ab"):
        shell.start("", program="./tool")
        assert [ProcessRefused(3, errno.ETXTBSY)] == shell.wait()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no series end early on a busy machine: the launcher is started with this in its code."""
    monkeypatch.setattr(launcher_client, "_BOOT", launcher_client._BOOT.replace("; main()", UNHURRIED))


@pytest.mark.usefixtures("unhurried")
def test_a_series_runs_in_order_each_command_with_its_own_variables(shell: Shell, tmp_path: Path) -> None:
    numbers = shell.start_series("echo a $NUMBER", "echo b $NUMBER", "echo c $NUMBER")
    ends = shell.wait(3)

    assert [one.number for one in ends] == numbers
    assert all(isinstance(one, ProcessEnded) and one.status == 0 for one in ends)
    assert (tmp_path / "out").read_text() == "a 1\nb 2\nc 3\n"


@pytest.mark.usefixtures("unhurried")
def test_a_series_ends_at_the_first_command_that_fails_or_is_refused(shell: Shell, tmp_path: Path) -> None:
    shell.start_series("exit 0", "exit 3", "touch ran")
    first, failed, unstarted = shell.wait(3)
    assert isinstance(first, ProcessEnded) and isinstance(failed, ProcessEnded)
    assert (first.status, failed.status) == (0, 3 << 8)
    assert unstarted == ProcessUnstarted(3)

    null = shell.null
    commands = [
        ProcessStart(4, "./none", ["none"], {}),
        ProcessStart(5, "/bin/sh", ["sh", "-c", "touch ran"], {}),
    ]
    shell.launching.start(commands, str(tmp_path), {}, (null, null, null))
    assert shell.wait(2) == [ProcessRefused(4, errno.ENOENT), ProcessUnstarted(5)]
    assert not (tmp_path / "ran").exists()


def test_a_series_ends_at_a_signal_also_if_its_command_ignores_it(shell: Shell, tmp_path: Path) -> None:
    script = "trap '' TERM; echo $$ > pid; while [ ! -e go ]; do sleep 0.01; done"
    numbers = shell.start_series(script, "touch ran")
    read_pid(tmp_path / "pid")
    for number in numbers:
        shell.launching.signal(number, signal.SIGTERM)
    (tmp_path / "go").touch()
    end, unstarted = shell.wait(2)

    assert isinstance(end, ProcessEnded) and end.status == 0
    assert unstarted == ProcessUnstarted(numbers[1])


def test_a_series_that_takes_long_ends_early(shell: Shell) -> None:
    shell.start_series("sleep 0.06", "exit 0")
    end, unstarted = shell.wait(2)

    assert isinstance(end, ProcessEnded) and unstarted == ProcessUnstarted(2)


def test_a_signal_reaches_the_whole_group_and_no_process_after_its_end(shell: Shell, tmp_path: Path) -> None:
    number = shell.start("sleep 1000 & echo $! > pid; wait")
    pid = read_pid(tmp_path / "pid")
    shell.launching.signal(number, signal.SIGTERM)
    (end,) = shell.wait()

    assert isinstance(end, ProcessEnded) and end.status == signal.SIGTERM
    assert not is_alive(pid)
    shell.launching.signal(number, signal.SIGTERM)
    assert shell.run("exit 0").status == 0


def test_what_a_process_leaves_has_ended_when_its_end_is_reported(shell: Shell, tmp_path: Path) -> None:
    ways = {
        "group": "sh -c 'echo $$ > group; exec sleep 1000' &",
        "session": "setsid sh -c 'echo $$ > session; exec sleep 1000' &",
        "nameless": "setsid env -i sh -c 'cd /; echo $$ > {top}/nameless; exec sleep 1000' &",
        "deep": "setsid sh -c '(setsid sh -c \"echo \\$\\$ > deep; exec sleep 1000\") & exec sleep 1000' &",
    }
    for name, script in ways.items():
        wait = f"while [ ! -s {name} ]; do sleep 0.01; done"
        end = shell.run(script.format(top=tmp_path) + wait, MARKAB_ATTEMPT=f"u/{name}/1")
        assert end.status == 0 and end.left, name
        assert not is_alive(read_pid(tmp_path / name)), name


def test_a_daemon_runs_as_long_as_its_process_whatever_else_ends(shell: Shell, tmp_path: Path) -> None:
    daemons = (
        "(setsid sh -c 'echo $$ > named; exec sleep 1000' &);"
        "(setsid env -i PATH=/bin:/usr/bin sh -c 'echo $$ > nameless; exec sleep 1000' &);"
    )
    shell.start(daemons + "while [ ! -e go ]; do sleep 0.01; done", MARKAB_ATTEMPT="u/long/1")
    pids = [read_pid(tmp_path / "named"), read_pid(tmp_path / "nameless")]

    shell.run("exit 0", MARKAB_ATTEMPT="u/short/1")
    assert [is_alive(pid) for pid in pids] == [True, True]
    (tmp_path / "go").touch()
    (end,) = shell.wait()
    assert isinstance(end, ProcessEnded) and end.left
    assert [is_alive(pid) for pid in pids] == [False, False]


def test_an_unmarked_process_in_the_group_of_an_ended_task_belongs_to_it(
    shell: Shell, tmp_path: Path
) -> None:
    shell.start("exec sleep 1000", MARKAB_ATTEMPT="u/long/1")
    script = f"env -i /bin/sh -c 'echo $$ > {tmp_path}/pid; exec sleep 1000' & while [ ! -s pid ]; do :; done"

    assert shell.run(script, MARKAB_ATTEMPT="u/short/1").left
    assert not is_alive(read_pid(tmp_path / "pid"))


def test_the_launcher_keeps_no_descriptor_of_a_task(shell: Shell) -> None:
    shell.run("exit 0")
    before = os.listdir(f"/proc/{shell.launching.pid}/fd")
    for _ in range(5):
        shell.run("exit 0")
    assert os.listdir(f"/proc/{shell.launching.pid}/fd") == before


def test_close_leaves_nothing_behind(shell: Shell, tmp_path: Path) -> None:
    daemon = f"(cd /; setsid env -i sh -c 'echo $$ > {tmp_path}/pid; exec sleep 1000' &)"
    shell.start(daemon + "; sleep 1000")
    pid = read_pid(tmp_path / "pid")
    launcher = shell.launching.pid
    assert is_alive(pid) and is_alive(launcher)
    shell.launching.close()
    shell.launching.close()

    assert not is_alive(pid) and not is_alive(launcher)


def test_a_killed_launcher_is_reported_and_replaced(shell: Shell, tmp_path: Path) -> None:
    numbers = [shell.start(f"echo $$ > {n}; exec sleep 1000") for n in (1, 2)]
    for n in (1, 2):
        read_pid(tmp_path / str(n))
    os.kill(shell.launching.pid, signal.SIGKILL)
    lost = shell.wait(2)

    assert [one.number for one in lost] == numbers
    assert all(isinstance(one, ProcessLost) and "SIGKILL" in one.why for one in lost)
    assert kill_all(has_engine(ENGINE)) == 2, "their ends are left to the caller"
    shell.launching.signal(numbers[0], signal.SIGTERM)
    assert shell.run("exit 0").status == 0


def test_a_launcher_that_a_task_stops_goes_on(shell: Shell, tmp_path: Path) -> None:
    assert shell.run("kill -STOP $PPID; echo done > ended").status == 0

    assert (tmp_path / "ended").exists()
    os.kill(shell.launching.pid, signal.SIGSTOP)
    for _ in range(40):
        shell.start(": " + "x" * 100_000)  # more than the stream holds
    assert len(shell.wait(40)) == 40
    os.kill(shell.launching.pid, signal.SIGSTOP)
    shell.launching.close()


def test_a_launcher_with_a_bug_reports_it(shell: Shell) -> None:
    shell.start("exec sleep 1000")
    shell.launching._send(("signal", 1, "no number"))
    (lost,) = shell.wait()

    assert isinstance(lost, ProcessLost) and "TypeError" in lost.why


def test_long_command_lines_and_many_unread_replies_do_not_block(shell: Shell) -> None:
    """The launcher has many replies before the client reads any, and continues to read requests."""
    assert shell.output_of("echo ${#A} ${#B}", A="a" * 100_000, B="b" * 100_000) == "100000 100000\n"
    for _ in range(1000):
        shell.start("", program="./none")
    assert len(shell.wait(1000)) == 1000


def test_waiting_ends_at_its_time_or_when_a_thread_calls(shell: Shell) -> None:
    assert shell.launching.wait(0.01) == []
    for _ in range(100_000):
        shell.launching.wake()
    assert shell.launching.wait(60.0) == []
    threading.Thread(target=shell.launching.wake).start()
    assert shell.launching.wait(60.0) == []
    shell.launching.close()
    shell.launching.wake()


MESSAGES = st.lists(st.tuples(st.text(), st.integers(), st.dictionaries(st.text(), st.text())), max_size=5)


@given(MESSAGES, st.lists(st.integers(1, 40), max_size=50))
def test_messages_are_decoded_from_any_pieces_of_the_stream(messages: list[object], cuts: list[int]) -> None:
    stream = b"".join(encode(message) for message in messages)
    decoder, events = Decoder(), []
    for size in [*cuts, len(stream)]:
        piece, stream = stream[:size], stream[size:]
        events += decoder.feed(piece)

    assert events == messages
