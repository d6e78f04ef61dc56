"""`hostile_task.py DEED OUTPUT PRECIOUS`: a task that does one thing that no task should.

It is given the file that it is declared to make, and a directory of the user's that must stay as it is.
Nothing here could harm the machine: processes are counted, and no signal goes to what is not a relative.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

OUT, PRECIOUS = Path(sys.argv[2]), Path(sys.argv[3])
LONG_S = "600"


def make() -> None:
    OUT.write_text("made\n")


def fork_a_tree() -> None:
    for _ in range(6):  # 64 processes
        os.fork()
    make() if os.getppid() != 1 else None
    time.sleep(float(LONG_S)) if os.getpid() != FIRST else time.sleep(0.3)


def leave_daemons_with_an_empty_environment() -> None:
    for _ in range(20):
        subprocess.Popen(["setsid", "env", "-i", "sleep", LONG_S], close_fds=False)
    make()


def leave_a_daemon_that_writes_into_the_output() -> None:
    make()
    loop = f"while sleep 0.01; do echo more >> {OUT}; done"
    subprocess.Popen(["setsid", "env", "-i", "/bin/sh", "-c", loop])
    time.sleep(0.1)


def ignore_all_signals() -> None:
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    make()


def close_all_streams() -> None:
    make()
    os.closerange(0, 256)


def print_a_gigabyte_without_a_newline() -> None:
    make()
    os.ftruncate(1, 1 << 30)


def print_a_terabyte_of_nothing() -> None:
    make()
    os.ftruncate(2, 1 << 40)
    os.ftruncate(1, 1 << 40)


def print_byte_by_byte() -> None:
    make()
    for _ in range(200_000):
        os.write(1, b"x")


def print_escape_sequences() -> None:
    make()
    os.write(1, b"\x1b[2J\x1b]0;title\x07\xff\xfe\x00\r\n" * 1000)


def cut_what_it_printed() -> None:
    make()
    for _ in range(100):
        os.write(1, b"x" * 100_000)
        os.ftruncate(1, 0)


def remove_its_directory() -> None:
    make()
    subprocess.run(["rm", "-rf", os.getcwd()], check=False)


def move_its_directory() -> None:
    make()
    os.rename(os.getcwd(), os.getcwd() + ".away")


def put_a_link_in_place_of_its_directory() -> None:
    here = os.getcwd()
    make()
    os.rename(here, here + ".away")
    os.symlink(PRECIOUS, here)


def put_a_fifo_in_place_of_its_directory() -> None:
    here = os.getcwd()
    os.rename(here, here + ".away")
    os.mkfifo(here)


def make_a_fifo() -> None:
    os.mkfifo(OUT)


def make_a_socket() -> None:
    socket.socket(socket.AF_UNIX).bind(OUT.name)


def make_a_device() -> None:
    try:
        os.mknod(OUT, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        os.mkfifo(OUT)


def make_a_directory() -> None:
    OUT.mkdir(exist_ok=True)  # in a shared directory the one of the first attempt is still there


def make_a_link_to_something_of_the_user() -> None:
    OUT.symlink_to(PRECIOUS / "thesis.txt")


def make_a_link_to_an_endless_device() -> None:
    OUT.symlink_to("/dev/zero")


def make_a_link_to_itself() -> None:
    OUT.symlink_to(OUT.name)


def make_a_second_name_of_something_of_the_user() -> None:
    os.link(PRECIOUS / "thesis.txt", OUT)


def make_links_to_the_user_among_its_files() -> None:
    make()
    os.symlink(PRECIOUS, "away")
    os.mkdir("below")
    os.symlink(PRECIOUS, "below/away")


def end_its_parent() -> None:
    make()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(float(LONG_S))


def end_its_group() -> None:
    make()
    os.killpg(0, signal.SIGKILL)


def crash() -> None:
    make()
    os.kill(os.getpid(), signal.SIGSEGV)


def take_all_permissions_away() -> None:
    make()
    Path("d").mkdir()
    Path("d/f").touch()
    for path in ("d/f", "d", OUT, "."):
        os.chmod(path, 0)


def leave_odd_names() -> None:
    make()
    for name in (b"\xff\xfe", b"a\nb", b"\x1b[2J", b"n" * 255, b" ", b"-rf", "\u202e".encode()):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))


def leave_directories_a_thousand_deep() -> None:
    make()
    here = os.getcwd()
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(here)


def leave_ten_thousand_files() -> None:
    make()
    for number in range(10_000):
        os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY))


def leave_many_processes() -> None:
    make()
    for _ in range(300):
        if os.fork() == 0:
            signal.pause()


def keep_its_output_open() -> None:
    make()
    if os.fork() == 0:
        os.setsid()
        file = os.open(OUT, os.O_RDWR)
        os.lockf(file, os.F_LOCK, 0)
        signal.pause()
    time.sleep(0.1)


def stop_itself_for_a_while() -> None:
    me = os.getpid()
    if os.fork() == 0:
        time.sleep(0.5)
        os.kill(me, signal.SIGCONT)
        os._exit(0)
    os.kill(me, signal.SIGSTOP)
    make()


def exit_with_everything_wrong() -> None:
    os.write(2, b"\x1b[31merror: \xff\n")
    sys.exit(255)


FIRST = os.getpid()
DEEDS: dict[str, Callable[[], None]] = {
    name: deed
    for name, deed in list(globals().items())
    if callable(deed) and getattr(deed, "__module__", "") == __name__
}

if __name__ == "__main__":
    DEEDS[sys.argv[1]]()
