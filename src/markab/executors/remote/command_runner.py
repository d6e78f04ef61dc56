"""Running the commands of a batch system: here, or on a login node through one shared connection of OpenSSH.

Whoever needs a second factor logs in once, before the run: with `ControlPath` in the configuration of ssh, and
`ssh -MNf HOST`; that connection is then used. No command ever asks for a password.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from markab.executors.remote.batch_service import NoAnswer
from markab.executors.remote.batch_system import BatchCommand

TIMEOUT_S = 60.0
KEEPS_CONNECTION_S = 600
_SSH_FAILED = 255


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What a command printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """Its own words, in one line, for a message."""
        text = " ".join((self.stderr or self.stdout).split())
        return text[-500:] or f"exit code {self.exit_code}"


@dataclass(slots=True)
class CommandRunner:
    """Runs commands, one at a time or from several threads."""

    contact: str = ""
    """The login node as `[USER@]HOST`; empty: this machine."""
    timeout_s: float = TIMEOUT_S
    _ssh: list[str] = field(default_factory=list)
    _directory: str = ""
    """Of the socket of a connection that was opened here."""

    def run(self, command: BatchCommand) -> CommandAnswer:
        """Run a command in the locale C; return its answer, whatever the exit code.

        Raises:
            NoAnswer: it cannot be known what it did, if anything.
        """
        words = list(command.argv)
        if self.contact:
            words = [*self._connection(), shlex.join(["env", "LC_ALL=C", *words])]
        try:
            done = subprocess.run(
                words,
                input=command.stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.timeout_s,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,  # Ctrl-C is for the engine, which then cancels in order
                check=False,
            )
        except FileNotFoundError:
            raise NoAnswer(f"there is no program '{words[0]}' on this machine", is_permanent=True) from None
        except subprocess.TimeoutExpired:
            raise NoAnswer(f"`{command.argv[0]}` did not answer within {self.timeout_s:.0f} s") from None
        except OSError as error:
            raise NoAnswer(f"`{command.argv[0]}` cannot be run: {error.strerror}") from error
        answer = CommandAnswer(done.returncode, done.stdout, done.stderr)
        if self.contact and done.returncode == _SSH_FAILED:
            raise NoAnswer(f"the login node {self.contact!r} cannot be reached: {answer.words}")
        if self.contact and done.returncode == 127:
            raise NoAnswer(
                f"there is no program '{command.argv[0]}' on {self.contact!r}: {answer.words}",
                is_permanent=True,
            )
        return answer

    def is_shared(self, path: Path) -> bool:
        """Return whether a directory of this machine is there where the commands run, too. Raises NoAnswer."""
        if not self.contact:
            return True
        return self.run(BatchCommand(["test", "-e", str(path)])).exit_code == 0

    def close(self) -> None:
        """Close the connection that was opened here. May be called twice."""
        if not self._directory:
            return
        words = [self._ssh[0], "-O", "exit", *self._ssh[1:]]
        try:
            subprocess.run(words, capture_output=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            pass
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory, self._ssh = "", []

    def _connection(self) -> list[str]:
        """Return the words before a command on the login node. A connection that the user's configuration shares is used."""
        if not self._ssh:
            ssh = shutil.which("ssh")
            if ssh is None:
                raise NoAnswer("there is no program 'ssh' on this machine", is_permanent=True)
            words = [ssh, "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]
            if not self._has_control_path(ssh):
                # Private, and near the root: the path of a socket has at most 100 characters.
                self._directory = tempfile.mkdtemp(prefix="markab-", dir="/tmp")
                words += ["-o", "ControlMaster=auto", "-o", f"ControlPath={self._directory}/socket"]
                words += ["-o", f"ControlPersist={KEEPS_CONNECTION_S}"]
            self._ssh = [*words, "--", self.contact]
        return self._ssh

    def _has_control_path(self, ssh: str) -> bool:
        try:
            done = subprocess.run(
                [ssh, "-G", "--", self.contact], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        lines = [line.split(None, 1) for line in done.stdout.splitlines()]
        return any(len(line) == 2 and line[0] == "controlpath" and line[1] != "none" for line in lines)
