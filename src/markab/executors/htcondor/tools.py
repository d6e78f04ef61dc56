"""A schedd through the programs of HTCondor: where its Python bindings are not installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from markab.errors import ExecutorUnavailable
from markab.executors.htcondor.schedd import ATTRIBUTES, Ad, refusal

TIMEOUT_S = 60.0

_CLUSTER = re.compile(r"^(\d+)\.\d+ - \d+\.\d+\s*$", re.MULTILINE)
_NONE_FOUND = "Couldn't find/remove all jobs"


class Tools:
    """See `Schedd`."""

    def __init__(self, contact: str = "") -> None:
        """Use the schedd of this machine, or the one of that name."""
        self._to = ["-name", contact] if contact else []
        self._spools = ["-spool"] if contact else []

    def submit(self, path: Path) -> int:
        """Run `condor_submit`."""
        done = _run(["condor_submit", *self._to, *self._spools, "-terse", str(path)])
        found = _CLUSTER.search(done.stdout)
        if done.returncode == 0 and found:
            return int(found[1])
        raise refusal(_words(done))

    def query(self, constraint: str) -> Sequence[Ad]:
        """Run `condor_q`."""
        return _ads(["condor_q", *self._to, "-allusers", *_select(constraint)])

    def history(self, constraint: str) -> Sequence[Ad]:
        """Run `condor_history`."""
        return _ads(["condor_history", *self._to, *_select(constraint)])

    def retrieve(self, constraint: str) -> None:
        """Run `condor_transfer_data`."""
        done = _run(["condor_transfer_data", *self._to, "-constraint", constraint])
        if done.returncode != 0:
            raise ExecutorUnavailable(f"condor_transfer_data: {_words(done)}")

    def remove(self, constraint: str) -> None:
        """Run `condor_rm`."""
        done = _run(["condor_rm", *self._to, "-constraint", constraint])
        if done.returncode != 0 and _NONE_FOUND not in done.stderr + done.stdout:
            raise ExecutorUnavailable(f"condor_rm: {_words(done)}")

    def close(self) -> None:
        """Do nothing."""


def _select(constraint: str) -> list[str]:
    return ["-json", "-attributes", ",".join(ATTRIBUTES), "-constraint", constraint]


def _ads(words: list[str]) -> list[Ad]:
    done = _run(words)
    if done.returncode != 0:
        raise ExecutorUnavailable(f"{words[0]}: {_words(done)}")
    if not done.stdout.strip():
        return []
    try:
        ads: list[Ad] = json.loads(done.stdout)
    except ValueError as error:
        raise ExecutorUnavailable(f"the answer of {words[0]} cannot be read: {error}") from error
    return ads


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C is for the engine, which then cancels in order
            check=False,
        )
    except FileNotFoundError:
        raise ExecutorUnavailable(
            f"there is no program '{words[0]}' on this machine",
            hint="install HTCondor here, or its Python bindings: pip install 'markab[htcondor]'",
        ) from None
    except subprocess.TimeoutExpired:
        raise ExecutorUnavailable(f"{words[0]} did not answer within {TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise ExecutorUnavailable(f"{words[0]} cannot be run: {error.strerror}") from error


def _words(done: subprocess.CompletedProcess[str]) -> str:
    text = " ".join((done.stderr.strip() or done.stdout.strip()).split())
    return text.removeprefix("ERROR:").strip() or f"exit code {done.returncode}"
