"""A batch system that is reached by its commands, here or on a login node: its language, and what runs them."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path

from markab.executors.remote.batch_service import NoAnswer, SubmitAnswer, SubmittedJob
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, BatchSystem, QueueEntry
from markab.executors.remote.command_runner import CommandRunner


class CommandService:
    """Meaning of the calls: `batch_service.py`."""

    def __init__(self, system: BatchSystem, runner: CommandRunner) -> None:
        self._system = system
        self._runner = runner
        self._user = ""
        self._most_elements = 0

    @property
    def title(self) -> str:
        """As messages call it."""
        return self._system.title

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script, in the language of the system."""
        return self._system.script(job, command)

    def most_elements(self) -> int:
        """Return the limit of the site, or what is usual if it does not answer."""
        if not self._most_elements:
            command, text = self._system.limits(), ""
            if command is not None:
                try:
                    text = self._runner.run(command).stdout
                except NoAnswer:
                    return self._system.most_elements("")
            self._most_elements = self._system.most_elements(text)
        return self._most_elements

    def submit(self, job: BatchJob) -> SubmitAnswer:
        """Type the command that submits; an answer without an id is no answer."""
        answer = self._runner.run(self._system.submit(job))
        if answer.exit_code != 0:
            return SubmitAnswer("", answer.words, self._system.is_busy(answer.stderr))
        try:
            return SubmitAnswer(self._system.read_submitted(answer.stdout))
        except ValueError as error:
            raise NoAnswer(str(error)) from error

    def listing(self, jobs: Sequence[SubmittedJob]) -> dict[BatchElement, QueueEntry]:
        """List the queue."""
        command = self._system.queue(self._user_name(), [one.job.name for one in jobs])
        answer = self._runner.run(command)
        if answer.exit_code != 0:
            raise NoAnswer(answer.words)
        return self._system.read_queue(answer.stdout)

    def ended(self, name: str, native_id: str) -> dict[BatchElement, QueueEntry]:
        """Ask the accounts, where there are any."""
        command = self._system.ended(name, native_id)
        return {} if command is None else self._system.read_ended(self._runner.run(command).stdout)

    def cancel(self, elements: Sequence[BatchElement]) -> None:
        """Type the commands that end elements."""
        for command in self._system.cancel(elements):
            self._runner.run(command)

    def shares(self, path: Path) -> bool:
        """Return whether the machine where the commands run has a directory."""
        return self._runner.is_shared(path)

    @property
    def missing_hint(self) -> str:
        """What to do if its program does not exist."""
        return f"run Markab where {self.title} is installed, or name a login node as the contact of the site"

    @property
    def not_shared(self) -> str:
        """The machine where the commands run."""
        return f"the login node {self._runner.contact!r}"

    def close(self) -> None:
        """Close the connection to the login node."""
        self._runner.close()

    def _user_name(self) -> str:
        """Return the user's name where the commands run. Raises NoAnswer."""
        if not self._user:
            self._user = getpass.getuser()
            if self._runner.contact:
                user, at, _ = self._runner.contact.rpartition("@")
                self._user = user if at else self._runner.run(BatchCommand(["id", "-un"])).stdout.strip()
        return self._user
