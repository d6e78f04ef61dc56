"""Which files a past run used are no longer what they were: inputs and staged programs by checksum, installed ones by time.

The journal has the checksums of all that was copied, linked or fetched on this machine. Of a program
that is installed it has none: it counts as changed if it was modified after the run had ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from markab.engine.edited_inputs import TakenFile, read_taken_files
from markab.errors import MarkabError
from markab.plan.model import Kind
from markab.plan.plan_file import PlanFile
from markab.transfers.checksum import sha256_of

MISSING = ("gone", "unreadable")
"""What has become of a file that a new run could not use either."""


class ChangedFile(NamedTuple):
    """A file that a past run used, and what has become of it."""

    path: str
    what: str
    """`changed`, `gone`, `unreadable`, or `newer`, when only its time is known."""
    lfn: str = ""
    """"": an installed program."""
    old: str = ""
    """The sha256 that the run used; "": not known."""
    new: str = ""

    @property
    def text(self) -> str:
        """What is said of it."""
        if self.what == "gone":
            return f"{self.path!r} is gone"
        if self.what == "unreadable":
            return f"{self.path!r} cannot be read: {self.new}"
        if self.what == "newer":
            return f"{self.path!r} was modified after the run, which has no checksum of it"
        return f"{self.path!r} has changed: its sha256 was {self.old} and is {self.new}"


def read_changed_files(plan: PlanFile, journal: Path, ended: float) -> list[ChangedFile]:
    """Return them, inputs and staged programs first; `ended` is when the run ended.

    Reads every file that the run took and that is on this machine.

    Raises:
        CorruptJournal: the journal is damaged.
    """
    taken = read_taken_files(journal, plan.header)
    known = {file.path for file in taken}
    return [*_changed(taken), *_newer(_programs(plan), known, ended)]


def _changed(taken: Iterable[TakenFile]) -> Iterator[ChangedFile]:
    for file in taken:
        try:
            if not file.sha256:
                if os.stat(file.path).st_mtime > file.time:
                    yield ChangedFile(file.path, "newer", file.lfn)
            elif (new := sha256_of(file.path)) != file.sha256:
                yield ChangedFile(file.path, "changed", file.lfn, file.sha256, new)
        except FileNotFoundError:
            yield ChangedFile(file.path, "gone", file.lfn, file.sha256)
        except OSError as error:
            yield ChangedFile(file.path, "unreadable", file.lfn, file.sha256, error.strerror or str(error))
        except MarkabError as error:
            yield ChangedFile(file.path, "unreadable", file.lfn, file.sha256, str(error))


def _programs(plan: PlanFile) -> list[str]:
    """Return the paths of the installed programs that run on this machine, each once."""
    local = plan.header.local_sites
    return list(
        dict.fromkeys(
            task.executable
            for job in plan.jobs_of(Kind.COMPUTE)
            if job.site in local
            for task in job.tasks
            if os.path.isabs(task.executable)
        )
    )


def _newer(programs: Iterable[str], known: set[str], ended: float) -> Iterator[ChangedFile]:
    for path in programs:
        if path not in known:
            try:
                if os.stat(path).st_mtime > ended:
                    yield ChangedFile(path, "newer")
            except FileNotFoundError:
                yield ChangedFile(path, "gone")
            except OSError as error:
                yield ChangedFile(path, "unreadable", new=error.strerror or str(error))
