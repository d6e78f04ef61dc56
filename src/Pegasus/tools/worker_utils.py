"""Commands with a time limit, and where programs are: what transfer scripts of users import."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

logger = logging.getLogger("Pegasus")


def force_str(s: str | bytes) -> str:
    """Return text as it is, and bytes as the text that they are in UTF-8."""
    return s if isinstance(s, str) else s.decode("utf-8", "replace")


def backticks(cmd_line: str) -> str:
    """Return the standard output of a shell command."""
    return force_str(subprocess.run(cmd_line, shell=True, stdout=subprocess.PIPE, check=False).stdout)


class TimedCommand:
    """A shell command with a time limit; its output is collected."""

    def __init__(
        self,
        cmd: str,
        cmd_display: str | None = None,
        env_overrides: Mapping[str, str] = {},
        timeout_secs: float = 21600,
        log_cmd: bool = True,
        log_outerr: bool = True,
        cwd: str | os.PathLike[str] | None = None,
    ) -> None:
        """Describe the command; `cmd_display` is its form in logs and errors."""
        self._cmd = cmd
        self._shown = cmd_display or cmd
        self._environment = {**os.environ, **env_overrides}
        self._timeout_s = timeout_secs
        self._log_cmd = log_cmd
        self._log_output = log_outerr
        self._cwd = cwd
        self._output = ""
        self._exit_code: int | None = None
        self._duration_s = 0.0

    def run(self) -> None:
        """Run it to its end.

        Raises:
            RuntimeError: its exit code is not 0, or its time is over; then it is ended, with its children.
        """
        if self._log_cmd:
            logger.info(self._shown)
        start = time.monotonic()
        with subprocess.Popen(
            self._cmd,
            shell=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._cwd,
            env=self._environment,
            start_new_session=True,
        ) as process:
            late = False
            try:
                output, _ = process.communicate(timeout=self._timeout_s)
            except subprocess.TimeoutExpired:
                late = True
                os.killpg(process.pid, signal.SIGTERM)
                output, _ = process.communicate()
        self._duration_s = time.monotonic() - start
        self._exit_code = process.returncode
        self._output = force_str(output).strip()
        if self._log_output and self._output:
            logger.info(self._output)
        if late:
            raise RuntimeError(f"Command timed out after {self._timeout_s} seconds: {self._shown}")
        if self._exit_code != 0:
            raise RuntimeError(f"Command exited with non-zero exit code ({self._exit_code}): {self._shown}")

    def get_outerr(self) -> str:
        """Return its standard output and error, as they came."""
        return self._output

    def get_exit_code(self) -> int | None:
        """Return its exit code, negative for a signal; None before its end."""
        return self._exit_code

    def get_duration(self) -> float:
        """Return how long it took, in seconds."""
        return self._duration_s


class Tools:
    """Where programs are, and their versions; what was found is known to every object of this class."""

    _found: ClassVar[dict[str, tuple[str, tuple[int, ...]]]] = {}

    def find(
        self,
        executable: str,
        version_arg: str | None = None,
        version_regex: str | None = None,
        path_prepend: Sequence[str] | None = None,
    ) -> str | None:
        """Return the path of a program, looked for in `path_prepend` first; None if there is none.

        With `version_arg` and `version_regex`, whose first group is a version, its version is known too.
        """
        path = os.pathsep.join([*(path_prepend or ()), os.environ.get("PATH", os.defpath)])
        found = shutil.which(executable, path=path)
        if found is None:
            return None
        version: tuple[int, ...] = ()
        if version_arg and version_regex:
            match = re.search(version_regex, backticks(f"'{found}' {version_arg} 2>&1"))
            version = tuple(int(part) for part in re.findall(r"\d+", match[1])) if match else ()
        self._found[executable] = (str(Path(found)), version)
        return found

    def full_path(self, executable: str) -> str | None:
        """Return the path of a program that was found."""
        return self._of(executable)[0]

    def major_version(self, executable: str) -> int | None:
        """Return the first number of its version, if it is known."""
        return next(iter(self._of(executable)[1]), None)

    def minor_version(self, executable: str) -> int | None:
        """Return the second number of its version, if it is known."""
        return next(iter(self._of(executable)[1][1:]), None)

    def version_comparable(self, executable: str) -> str | None:
        """Return its version with three digits a part, so that texts compare as versions do; None if it is unknown."""
        version = self._of(executable)[1]
        return "".join(f"{part:03d}" for part in (*version, 0, 0, 0)[:3]) if version else None

    def _of(self, executable: str) -> tuple[str | None, tuple[int, ...]]:
        return self._found.get(executable, (None, ()))
