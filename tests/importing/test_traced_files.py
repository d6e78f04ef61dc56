"""Which files a step really uses: from a run in a copy, by strace or by looking what has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.errors import StorageError
from markab.importing import traced_files
from markab.importing.step_jobs import StepSource
from markab.importing.steps import Step
from markab.importing.traced_files import trace_steps

LOG = r"""10 openat(AT_FDCWD</c>, "a.txt", O_RDONLY) = 3</c/a.txt>
10 openat(AT_FDCWD</c/sub>, "../b.txt", O_RDWR) = 3</c/b.txt>
10 openat(AT_FDCWD</c>, "gone", O_RDONLY) = -1 ENOENT (No such file or directory)
10 openat(AT_FDCWD</c>, "out", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 4</c/out>
10 openat(AT_FDCWD</c>, "/etc/passwd", O_RDONLY) = 4</etc/passwd>
11 openat(AT_FDCWD</c>, "slow", O_RDONLY <unfinished ...>
10 --- SIGCHLD {si_signo=SIGCHLD} ---
11 <... openat resumed>) = 5</c/slow>
11 openat(AT_FDCWD</c>, "parts", O_RDONLY|O_DIRECTORY) = 5</c/parts>
12 execve("./tool", ["./tool", "x"], 0x7ffd /* 5 vars */) = 0
12 renameat2(AT_FDCWD</c/sub>, "old", AT_FDCWD</c>, "new", RENAME_NOREPLACE) = 0
12 openat(AT_FDCWD</c>, "na\303\257ve", O_RDONLY) = 3</c/na\303\257ve>
12 +++ exited with 0 +++
"""


def test_the_files_of_a_log_are_those_that_were_opened_for_reading() -> None:
    found = list(traced_files._opened(LOG, Path("/c")))

    assert found == ["a.txt", "b.txt", "slow", "parts/", "tool", "sub/old", "naïve"]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StepSource:
    """A directory with `a.txt`, on a machine without strace."""
    monkeypatch.setattr(traced_files.shutil, "which", lambda name: None)
    (tmp_path / "s").mkdir()
    (tmp_path / "s/a.txt").write_text("a")
    return StepSource(tmp_path / "s/run.sh", "/bin/sh")


def test_without_strace_the_files_that_change_are_those_that_are_written(source: StepSource) -> None:
    source.directories = {"out"}
    source.steps = [
        Step("one", 1, "cat a.txt > out/b; echo x > t", {"a.txt"}),
        Step("two", 2, "cat out/b >> t; rm out/b", {"out/b", "t"}),
    ]
    trace_steps(source)

    one, two = source.steps
    assert (one.reads, one.writes, one.removes) == ({"a.txt"}, {"out/b", "t"}, set())
    assert (two.reads, two.writes, two.removes) == ({"out/b", "t"}, {"t"}, {"out/b"})
    assert "strace is not installed" in source.notes[0].message
    assert [path.name for path in source.directory.iterdir()] == ["a.txt"]


def test_a_step_that_fails_is_left_out_and_the_others_are_run(source: StepSource) -> None:
    source.steps = [Step("one", 1, "echo no such thing >&2; exit 3"), Step("two", 2, "touch x")]
    trace_steps(source)

    assert "exited with 3 when it was traced: no such thing" in source.left_out[0].message
    assert source.steps[1].writes == {"x"}


def test_a_directory_that_is_too_large_is_not_copied(
    source: StepSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traced_files, "_MOST_BYTES", 0)

    with pytest.raises(StorageError, match="which --trace would copy"):
        trace_steps(source)
