"""Reading the files of DAGMan that Pegasus writes: the DAG, and the rescue files beside it.

    JOB <job> <submit file>                     SUBDAG EXTERNAL <job> <dag> DIR <directory>
    SCRIPT POST|PRE <job> <command …>           RETRY <job> <number>
    PARENT <job …> CHILD <job …>                DONE <job>, in a rescue file

Other lines do not matter here. A file that was cut is read as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from markab.errors import StorageError
from markab.plan.atomic_file import read_regular

Value = TypeVar("Value")

_RESCUE = re.compile(r"\.rescue(\d+)$")


@dataclass
class Dag:
    """The jobs of a DAG file, in its order; the lists are indexed by job."""

    ids: list[str] = field(default_factory=list)
    parents: list[list[int]] = field(default_factory=list)
    retries: list[int] = field(default_factory=list)
    has_post: list[bool] = field(default_factory=list)
    """A post script decides whether the job succeeded."""
    subworkflows: set[int] = field(default_factory=set)
    submit_files: list[str] = field(default_factory=list)
    number: dict[str, int] = field(default_factory=dict)
    """Name → index."""

    def add(self, job: str, submit_file: str) -> int:
        """Add a job without dependencies; return its index."""
        if job in self.number:
            return self.number[job]
        self.number[job] = len(self.ids)
        self.ids.append(job)
        self.parents.append([])
        self.retries.append(0)
        self.has_post.append(False)
        self.submit_files.append(submit_file)
        return self.number[job]


def read_dag(path: Path) -> Dag:
    """Read a DAG file.

    Raises:
        StorageError: it cannot be read.
    """
    dag = Dag()
    links: list[tuple[list[str], list[str]]] = []
    for words in _lines(path):
        command = words[0].upper()
        if command in ("JOB", "FINAL") and len(words) > 2:
            dag.add(words[1], words[2])
        elif command == "SUBDAG" and len(words) > 3:
            dag.subworkflows.add(dag.add(words[2], words[3]))
        elif command == "SCRIPT" and len(words) > 2 and words[1].upper() == "POST":
            _set(dag, dag.has_post, words[2], True)
        elif command == "RETRY" and len(words) > 2 and words[2].isdigit():
            _set(dag, dag.retries, words[1], int(words[2]))
        elif command == "PARENT":
            middle = next((n for n, word in enumerate(words) if word.upper() == "CHILD"), len(words))
            links.append((words[1:middle], words[middle + 1 :]))
    for above, below in links:
        numbers = [dag.number[job] for job in above if job in dag.number]
        for job in below:
            if job in dag.number:
                dag.parents[dag.number[job]] += numbers
    return dag


def done_in_rescue(dag_path: Path) -> set[str]:
    """Return the jobs that the last rescue file of a DAG has as done; none if there is no such file."""
    found = [(int(match[1]), path) for path in _beside(dag_path) if (match := _RESCUE.search(path.name))]
    if not found:
        return set()
    words = _lines(max(found)[1])
    return {line[1] for line in words if line[0].upper() == "DONE" and len(line) > 1}


def _beside(dag_path: Path) -> list[Path]:
    try:
        return [path for path in dag_path.parent.iterdir() if path.name.startswith(f"{dag_path.name}.rescue")]
    except OSError:
        return []


def _lines(path: Path) -> Iterator[list[str]]:
    """Yield the words of each line that has any and is no comment."""
    try:
        text = read_regular(path).decode("utf-8", "replace")
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    for line in text.splitlines():
        words = line.split(maxsplit=4) if line.startswith("SCRIPT") else line.split()
        if words and not words[0].startswith("#"):
            yield words


def _set(dag: Dag, column: list[Value], job: str, value: Value) -> None:
    if job in dag.number:
        column[dag.number[job]] = value
