"""The errors of builders beside TypeError and ValueError, and the result of a failed command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from markab.errors import DocumentError, MarkabError, PlanningError


class PegasusError(MarkabError):
    """A request that is not possible in the present state, such as running before planning."""

    def __str__(self) -> str:
        """Return message and hint: a traceback shows only this text."""
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class DuplicateError(PegasusError):
    """The same thing was added twice."""


class NotFoundError(PegasusError):
    """There is nothing by that name."""


class WorkflowInstanceError(PegasusError):
    """A directory is no submit directory."""


class Result:
    """The result of a command: exit code, standard output, standard error."""

    def __init__(self, returncode: int, stdout: str = "", stderr: str = "") -> None:
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr

    @property
    def exit_code(self) -> int:
        """The same as `returncode`."""
        return self.returncode

    @property
    def output(self) -> str:
        """Both texts, standard output first."""
        return f"{self.stdout}\n{self.stderr}"

    @property
    def json(self) -> Any:
        """Standard output, read as JSON."""
        import json

        return json.loads(self.stdout)

    @property
    def yaml(self) -> Any:
        """Standard output, read as YAML."""
        import yaml

        return yaml.safe_load(self.stdout)

    @property
    def yaml_all(self) -> list[Any]:
        """Standard output, read as documents of YAML."""
        import yaml

        return list(yaml.safe_load_all(self.stdout))

    def raise_exit_code(self) -> None:
        """Raise ValueError, with the result as second argument, unless the exit code is 0."""
        if self.returncode != 0:
            raise ValueError("Commandline tool failed", self)


class PegasusClientError(PegasusError):
    """Planning, running or watching failed; `result` has the output of the corresponding command."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.args = (message, result)
        self.result = result

    @property
    def output(self) -> str:
        """Standard output, a line end, standard error."""
        return self.result.output


@contextmanager
def as_client_error(what: str) -> Iterator[None]:
    """Raise an error of the block as a PegasusClientError whose message begins with `what`."""
    try:
        yield
    except PegasusError:
        raise
    except MarkabError as error:
        text = _as_text(error)
        raise PegasusClientError(f"{what}:\n{text}", Result(error.exit_code, stderr=text)) from error


def _as_text(error: MarkabError) -> str:
    """Return every problem with its hint, one below the other."""
    if isinstance(error, (DocumentError, PlanningError)):
        pairs = [(str(problem), problem.hint) for problem in error.problems]
    else:
        pairs = [(str(error), error.hint)]
    return "\n".join(f"{text}\n  hint: {hint}" if hint else text for text, hint in pairs)
