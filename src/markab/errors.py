"""Every error Markab raises on purpose, and the exit code of each.

* MarkabError ................ 1
  - DocumentError ........... 10   a document a user wrote is wrong; lists every problem
  - PlanningError ........... 11   the documents are right, but no plan can be made; lists every problem
  - NotARun ................. 12   no submit directory where one was named
  - StorageError ............ 13   disk full, directory not writable, file not readable
  - RunFailed ............... 14   the workflow ran, and jobs failed
  - RunHalted ............... 15   the user halted or removed the run before its end
  - CorruptPlan ............. 20
  - CorruptJournal .......... 21
  - NewerFormat ............. 22   written by a newer Markab
  - RunBusy ................. 23   another engine has this run
  - ExecutorError
    . JobRejected ........... 30   this executor can never run the job
    . ExecutorUnavailable ... 31   retry later
  - TransferError
    . TransferRefused ....... 40   never retry: no such file, forbidden, unknown scheme
    . TransferUnavailable ... 41   retry later: network, time-out, busy server
    . ChecksumMismatch ...... 42   the bytes are not those that were recorded
  - DrawingError ............ 1    Graphviz is missing, or failed
  - NothingToExport ......... 1    a run has nothing that a format can express
  - IllegalTransition ....... 70   a bug in Markab

Wrong command lines exit with 2, Ctrl-C with 130, a closed pipe with 141, as shells and their tools do.
This module is part of the worker: standard library and Python 3.6 syntax only.
"""

_LONGEST = 2000


def _bounded(text: str) -> str:
    """Return a message without its middle, if a document, a name or a server has made it very long."""
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]} [{len(text) - 2 * half} more characters] {text[-half:]}"


def quoted(word: str) -> str:
    """Return a word in single quotes, for a command in a hint: a shell reads it as it is."""
    return "'" + word.replace("'", "'\"'\"'") + "'"


class Problem:
    """One thing that is wrong: what, where, and what to do about it.

    `kind` is a short fixed word for programs ("missing-input", "unknown-key", …).
    """

    __slots__ = ("file", "hint", "kind", "line", "message")

    def __init__(self, message: str, hint: str = "", file: str = "", line: int = 0, kind: str = "") -> None:
        self.message = _bounded(message)
        self.hint = _bounded(hint)
        self.file = file
        self.line = line
        self.kind = kind

    @property
    def where(self) -> str:
        """`file:line`, `file`, or nothing when the problem has no place in a file."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def __repr__(self) -> str:
        return f"Problem({str(self)!r}, kind={self.kind!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple:  # type: ignore[type-arg]
        return (self.message, self.hint, self.file, self.line, self.kind)


class MarkabError(Exception):
    """Base class: catch this to catch everything that Markab raises on purpose.

    The facts of an error are its `args`, so that it can be pickled; `hint` says
    what the user can type or change.
    """

    exit_code = 1

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = _bounded(message)
        self.hint = _bounded(hint)

    def __str__(self) -> str:
        return self.message


class _Problems(MarkabError):
    """An error made of several problems, all found before giving up."""

    def __init__(self, *problems: Problem) -> None:
        Exception.__init__(self, *problems)
        self.warnings = ()  # type: tuple[Problem, ...]
        """What may explain the problems, such as a misspelt property."""
        self.problems = problems
        self.message = "\n".join(str(p) for p in problems)
        self.hint = problems[0].hint if len(problems) == 1 else ""


class DocumentError(_Problems):
    """Documents that cannot be understood; `problems` has all of them, in reading order."""

    exit_code = 10


class PlanningError(_Problems):
    """A workflow that cannot be planned on these sites; `problems` has all the reasons."""

    exit_code = 11


class NotARun(MarkabError):
    """A path that is no submit directory was given as one."""

    exit_code = 12


class StorageError(MarkabError):
    """A file or directory of the user's could not be read or written."""

    exit_code = 13


class RunFailed(MarkabError):
    """The workflow went as far as it could, and some jobs failed."""

    exit_code = 14


class RunHalted(MarkabError):
    """The run was stopped by the user before its end; it can be continued."""

    exit_code = 15


class CorruptPlan(MarkabError):
    """`plan.jsonl` is not what the planner wrote."""

    exit_code = 20


class CorruptJournal(MarkabError):
    """A record of `journal.jsonl`, other than a torn last one, fails its checksum."""

    exit_code = 21


class NewerFormat(MarkabError):
    """A file was written by a newer version of Markab."""

    exit_code = 22


class RunBusy(MarkabError):
    """Another engine is running this submit directory."""

    exit_code = 23


class ExecutorError(MarkabError):
    """An executor cannot do what it was asked to do with a job."""


class JobRejected(ExecutorError):
    """This executor can never run this job."""

    exit_code = 30


class ExecutorUnavailable(ExecutorError):
    """The back end does not answer; the same call may succeed later."""

    exit_code = 31


class TransferError(MarkabError):
    """A file did not arrive."""


class TransferRefused(TransferError):
    """Trying again will not help: the file does not exist, is forbidden, or its URL scheme is not supported."""

    exit_code = 40


class TransferUnavailable(TransferError):
    """Trying again may help: network down, time-out, server busy, connection cut."""

    exit_code = 41


class ChecksumMismatch(TransferError):
    """A file does not have the checksum that was recorded for it."""

    exit_code = 42


class DrawingError(MarkabError):
    """Graphviz is missing, or failed; then `stderr` is not empty."""

    def __init__(self, message: str, hint: str = "", returncode: int = 1, stderr: str = "") -> None:
        super().__init__(message, hint)
        self.returncode = returncode
        self.stderr = stderr


class NothingToExport(MarkabError):
    """A run has nothing that the format of an export can express, such as a task that has run."""


class IllegalTransition(MarkabError):
    """An event does not fit the state of its job: a bug in Markab, never an error of the user."""

    exit_code = 70

    def __init__(
        self, message: str = "", hint: str = "this is a bug in Markab; report it with the journal of the run"
    ) -> None:
        super().__init__(message, hint)


NOT_EXPLAINED = 3
"""Exit code of `markab explain` if something failed for which no rule holds."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""
BROKEN_PIPE = 141
"""Exit code when the reader of the output has closed it, as `head` does: 128 + SIGPIPE."""
BUG = IllegalTransition.exit_code
"""Exit code after an unforeseen error; `EX_SOFTWARE` of sysexits.h."""

RUN_EXIT_CODES = {
    "success": 0,
    "failed": RunFailed.exit_code,
    "halted": RunHalted.exit_code,
    "removed": RunHalted.exit_code,
    "interrupted": INTERRUPTED,
}
"""How a run ended -> exit code of `markab run`."""
