"""The files that steps really use: each is run once, in order, in a copy of the directory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from markab.errors import StorageError
from markab.importing.step_jobs import StepSource
from markab.importing.steps import Step

_CALLS = "trace=open,openat,execve,rename,renameat,renameat2,link,linkat"
_CALL = re.compile(
    r"^(?P<pid>\d+) +(?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+|\?)(?:<(?P<path>.*)>)?"
)
_UNFINISHED = re.compile(r"^(?P<pid>\d+) +(?P<begin>.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<end>.*)$")
_FIRST_NAME = re.compile(r'(?:<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
"""Of a call: the directory, if it is one that takes any, and the name."""
_NOT_READ = re.compile(r"\bO_(TRUNC|WRONLY)\b")
_MOST_BYTES = 2_000_000_000
_Listing = dict[str, tuple[int, int, int]]


def trace_steps(source: StepSource) -> None:
    """Run each step in a copy of the directory, and replace its files by those that it used.

    With strace, these are the files that its processes opened; without it, those that it changed, beside those it was
    known to read. A step that fails is left out, and the others are run all the same.

    Raises:
        StorageError: the directory is too large to be copied, or cannot be.
    """
    program = shutil.which("strace")
    if program is None:
        source.note(
            0,
            "strace is not installed: which files a step reads was guessed, and which it writes was observed",
        )
    _refuse_large(source.directory)
    with tempfile.TemporaryDirectory(prefix="markab-trace-") as place:
        root = Path(place).resolve() / "copy"
        try:
            shutil.copytree(source.directory, root, symlinks=True)
        except (OSError, shutil.Error) as error:
            raise StorageError(f"cannot copy {str(source.directory)!r} for --trace: {error}") from error
        made: set[str] = set()
        for step in source.steps:
            _trace(source, step, root, program, made)
            made = (made | step.writes) - step.removes


def _trace(source: StepSource, step: Step, root: Path, program: str | None, made: set[str]) -> None:
    for folder in source.directories | step.directories:
        (root / folder).mkdir(parents=True, exist_ok=True)
    log = root.parent / "strace.log"
    before = _listing(root)
    traced = [program, "-f", "-y", "-qq", "-s", "4096", "-e", _CALLS, "-o", str(log)] if program else []
    environment = os.environ | {"PWD": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*traced, source.shell, "-c", step.text],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
        source.leave_out(
            step.line,
            f"exited with {done.returncode} when it was traced: {last[0]}",
            "mend it, and import again",
        )
    after = _listing(root)
    written = {path for path, state in after.items() if before.get(path) != state}
    removed = before.keys() - after.keys()
    if program:
        opened = set(_opened(log.read_text(errors="surrogateescape"), root))
        step.reads = {path for path in before if path in opened or os.path.dirname(path) + "/" in opened}
        log.unlink()
    else:
        step.reads -= written - before.keys()
    step.writes = {path for path in written if path not in removed}
    step.removes = {path for path in removed if path in made}


def _listing(root: Path) -> _Listing:
    """Return size, time of change and inode of each file below a directory."""
    found: _Listing = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            found[os.path.relpath(path, root)] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return found


def _opened(log: str, root: Path) -> Iterator[str]:
    """Yield the files below the root that were opened for reading, or run, as paths from it; directories with a slash.

    `log` is of `strace -f -y`, which prints the path of each file descriptor behind it.
    """
    begun: dict[str, str] = {}
    for raw in log.splitlines():
        line = raw
        if unfinished := _UNFINISHED.match(line):
            begun[unfinished["pid"]] = unfinished["begin"]
            continue
        if resumed := _RESUMED.match(line):
            line = f"{resumed['pid']} {begun.pop(resumed['pid'], '')}{resumed['end']}"
        call = _CALL.match(line)
        if call is None or call["result"].startswith("-") or _NOT_READ.search(call["arguments"]):
            continue
        if call["call"].startswith("open"):
            path = _unescaped(call["path"] or "")
        else:
            path = os.path.join(
                root, *(_unescaped(part) for part in _FIRST_NAME.findall(call["arguments"])[0])
            )
        if path.startswith(f"{root}/"):
            yield os.path.relpath(path, root) + "/" * ("O_DIRECTORY" in call["arguments"])


def _unescaped(text: str) -> str:
    return (
        text.encode("latin-1", "backslashreplace")
        .decode("unicode_escape")
        .encode("latin-1")
        .decode(errors="surrogateescape")
    )


def _refuse_large(directory: Path) -> None:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            total += os.lstat(os.path.join(folder, name)).st_size
            if total > _MOST_BYTES:
                raise StorageError(
                    f"{str(directory)!r} has more than {_MOST_BYTES // 10**9} GB, which --trace would copy",
                    "trace with a small part of the data, or declare the files in comments",
                )
