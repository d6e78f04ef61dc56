"""`reused.jsonl`: the tasks that a plan leaves out because an earlier run made what they make; one a line.

    {"task": "fit_3", "key": "9f…", "run": "<uuid>", "job": "fit_3", "made": [{"lfn": …, "sha256": …, "size_bytes": …}],
     "label": "3 digits", "transformation": "fit"}

Written by the planner, with the policy `content` only, and only if there are such tasks. Reports read it; a run does
not need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from markab.errors import StorageError
from markab.plan.atomic_file import replacing
from markab.plan.job_label import is_called
from markab.transfers.beneath import open_regular


class ReusedFile(msgspec.Struct, frozen=True):
    """A file that a task would make."""

    lfn: str
    sha256: str
    size_bytes: int


class ReusedTask(msgspec.Struct, frozen=True, omit_defaults=True):
    """A task that a plan leaves out."""

    task: str
    key: str
    """Of its job (`reuse/content_key.py`)."""
    run: str
    """Uuid of the run that made its outputs."""
    job: str
    """The job of that run."""
    made: list[ReusedFile]
    label: str = ""
    """The user's, or nothing."""
    transformation: str = ""

    def is_called(self, name: str) -> bool:
        """Return whether a name is its label or transformation, with or without namespace and version."""
        return is_called(name, self.label, self.transformation)


def write_reused_tasks(path: Path, tasks: Iterable[ReusedTask]) -> None:
    """Write the file, whole or not at all. Raises StorageError."""
    encode = msgspec.json.Encoder().encode
    with replacing(path) as file:
        file.write(b"".join(encode(task) + b"\n" for task in tasks))


def read_reused_tasks(path: Path) -> Iterator[ReusedTask]:
    """Yield the tasks; nothing if there is no such file, and the rest is left out where it is damaged.

    Raises:
        StorageError: it cannot be read.
    """
    decode = msgspec.json.Decoder(ReusedTask).decode
    try:
        with open(path, "rb", opener=open_regular) as file:
            for line in file:
                yield decode(line)
    except FileNotFoundError:
        return
    except (msgspec.DecodeError, RecursionError):
        return
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
