"""Checking the captured output of a job after it ended, as Pegasus does in a script after each job."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from markab.diagnosis.job_output import Expected, OutputVerdict, judge, outputs_of
from markab.errors import StorageError
from markab.plan.atomic_file import read_regular, replacing

NUMBERS = 1000


@dataclass(frozen=True, slots=True)
class CheckedOutput:
    """The result for one job."""

    name: str
    """Its output, as it was named."""
    verdict: OutputVerdict
    number: int | None
    """The suffix that the output has now; None: it was not renamed."""

    def log_entry(self, job_retry: int) -> dict[str, object]:
        """Return what the log of exit codes has of it."""
        return {
            "name": self.name,
            "timestamp": datetime.now().isoformat(),
            "exitcode": 1 if self.verdict.problem else 0,
            "app_exitcode": self.verdict.raw_status,
            "retry": self.number,
            "job_retry": job_retry,
        }


def check_output(
    name: str,
    expected: Expected,
    *,
    is_renamed: bool = True,
    with_metadata: bool = True,
    all_metadata: str | None = None,
) -> CheckedOutput:
    """Say whether the job with the output `name` (`<job>.out`, and `<job>.err` if it exists) succeeded.

    Args:
        is_renamed: both files get the next free suffix, .000 to .999, before they are read, so that the
            next attempt of the job does not overwrite them.
        with_metadata: `<job>.meta` is written, which has the outputs and their checksums, if it succeeded.
        all_metadata: a file to which the same is then added, as lines of a replica catalog.

    Raises:
        StorageError: a file cannot be renamed, read or written.
    """
    stdout, stderr = Path(name), Path(name).with_suffix(".err")
    if stdout.suffix != ".out" and stdout.exists():
        return CheckedOutput(name, OutputVerdict(f"{name} does not look like a kickstart .out file"), None)
    if not stdout.exists():
        return CheckedOutput(name, OutputVerdict(f"{name} does not exist"), None)
    try:
        number = None
        if is_renamed:
            number = _free_number(stdout)
            stderr, stdout = (_renamed(path, number) for path in (stderr, stdout))
        verdict = judge(_text(stdout), _text(stderr) if stderr.exists() else "", expected)
    except OSError as error:
        raise StorageError(f"cannot read or rename {error.filename!r}: {error.strerror}") from error
    if with_metadata and not verdict.problem:
        outputs = outputs_of(verdict.records)
        _write_metadata(Path(name).with_suffix(".meta"), outputs)
        if all_metadata is not None and outputs:
            _append(all_metadata, "".join(map(_line, outputs.items())))
    return CheckedOutput(name, verdict, number)


def log_check(file: str, checked: CheckedOutput, job_retry: int) -> None:
    """Add the result to a log of exit codes, which many processes may write at the same time.

    Raises:
        StorageError: it cannot be written.
    """
    problem = checked.verdict.problem
    entry = checked.log_entry(job_retry) | {"std_out": "", "std_err": f"{problem}\n " if problem else ""}
    _append(file, json.dumps(entry) + "\n")


def _free_number(path: Path) -> int:
    for number in range(NUMBERS):
        if not path.with_name(f"{path.name}.{number:03d}").exists():
            return number
    raise StorageError(
        f"{str(path)!r} cannot be renamed: there are {NUMBERS} outputs of earlier attempts",
        hint="move them away",
    )


def _renamed(path: Path, number: int) -> Path:
    """Rename a file, if it exists; return its new name. Raises OSError."""
    renamed = path.with_name(f"{path.name}.{number:03d}")
    if path.exists():
        os.rename(path, renamed)
    return renamed


def _text(path: Path) -> str:
    return read_regular(path).decode("utf-8", "replace")


def _write_metadata(path: Path, outputs: Mapping[str, Mapping[str, str]]) -> None:
    entries = [{"_id": lfn, "_type": "file", "_attributes": known} for lfn, known in outputs.items()]
    with replacing(path) as file:
        file.write(json.dumps(entries, indent=2).encode())


def _line(output: tuple[str, Mapping[str, str]]) -> str:
    lfn, attributes = output
    words = [lfn, "@@PFN@@", *[f'{name}="{value}"' for name, value in attributes.items()]]
    return " ".join(words) + "\n"


def _append(file: str, text: str) -> None:
    """Add text to a file in one piece."""
    import fcntl

    try:
        with open(file, "ab") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX)
            opened.write(text.encode())
    except OSError as error:
        raise StorageError(f"cannot write {file!r}: {error.strerror}") from error
