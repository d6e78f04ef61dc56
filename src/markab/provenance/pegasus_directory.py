"""A submit directory that Pegasus itself made. It is only read, never written to.

    braindump.yml              identity of the run, who planned it
    <workflow>-0.dag           jobs and dependencies (`dag_file.py`)
    <workflow>-0.dag.rescueNNN   which jobs are done, when DAGMan ended before the end
    jobstate.log               one line a change of a job's state (`jobstate_reader.py`)
    <workflow>-0.stampede.db   the database of the run and its sub-workflows; that of a
                               sub-workflow is in the directory of its root (`pegasus_database.py`)

Each of them may be missing, or damaged.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markab.errors import MarkabError, NotARun, StorageError
from markab.plan.braindump import Braindump, read_braindump
from markab.plan.submit_dir import SubmitDir
from markab.transfers.beneath import open_regular

LOG = "jobstate.log"
DATABASE_SUFFIX = ".stampede.db"
_HEAD_BYTES = 400
_OLD_BRAINDUMP = "braindump.txt"
"""Pegasus 4 wrote it, in another format."""


@dataclass(frozen=True)
class PegasusDirectory:
    """A submit directory of Pegasus 5."""

    path: Path
    braindump: Braindump
    """Empty if it is missing or cannot be read."""
    notes: tuple[str, ...] = ()
    """What cannot be read of it."""

    @property
    def name(self) -> str:
        """The name of the workflow."""
        return self.braindump.get("dax_label") or self.base.rpartition("-")[0] or self.base

    @property
    def base(self) -> str:
        """The names of the files of the run begin with it: `<workflow>-<index>`."""
        named = self.braindump.get("dag") or self.braindump.get("pegasus_wf_name")
        if not named and self.dag is not None:
            named = self.dag.name
        return os.path.basename(named or self.path.name).removesuffix(".dag")

    @property
    def uuid(self) -> str:
        """Of the workflow; empty if it is not known."""
        return self.braindump.get("wf_uuid") or ""

    @property
    def planner(self) -> str:
        """Who made it: "Pegasus 5.0.1"."""
        return f"Pegasus {self.braindump.get('planner_version') or ''}".strip()

    @cached_property
    def dag(self) -> Path | None:
        """The DAG file; None: there is none."""
        if named := os.path.basename(self.braindump.get("dag") or ""):
            file = self.path / named
            return file if file.is_file() else None
        return next(iter(_files(self.path, ".dag")), None)

    @property
    def log(self) -> Path:
        """The log of the states of jobs, which may be missing."""
        return self.path / os.path.basename(self.braindump.get("jsd") or LOG)

    @cached_property
    def root(self) -> PegasusDirectory:
        """The directory of the workflow at the root of its tree: itself, unless it is a sub-workflow."""
        root_uuid = self.braindump.get("root_wf_uuid")
        if not root_uuid or root_uuid == self.uuid:
            return self
        for place in self.path.parents:
            if (place / "braindump.yml").is_file():
                above = _read(place)
                if above.uuid == root_uuid:
                    return above
        return self


def is_pegasus_directory(path: Path) -> bool:
    """Return whether Pegasus made a submit directory: it has a braindump, and nothing that only Markab writes."""
    has_braindump = any(os.path.lexists(path / name) for name in ("braindump.yml", _OLD_BRAINDUMP))
    return has_braindump and not _is_markabs(path)


def find_pegasus_directory(path: Path) -> Path | None:
    """Return the directory of Pegasus that a user means with a directory, or with its DAG file; else None.

    One without a braindump is recognised by its DAG file, its log or its database.
    """
    place = path.parent if path.suffix == ".dag" and os.path.isfile(path) else path
    is_one = is_pegasus_directory(place) or (
        os.path.isdir(place) and not _is_markabs(place) and _has_traces(place)
    )
    return place.resolve() if is_one else None


def _has_traces(path: Path) -> bool:
    return (
        os.path.isfile(path / LOG)
        or bool(_files(path, DATABASE_SUFFIX))
        or any(_is_of_pegasus(file) for file in _files(path, ".dag"))
    )


def _is_of_pegasus(dag: Path) -> bool:
    """Return whether Pegasus wrote a DAG file: its first lines say so."""
    try:
        with open(dag, "rb", opener=open_regular) as file:
            return b"PEGASUS" in file.read(_HEAD_BYTES)
    except OSError:
        return False


def open_pegasus_directory(path: Path) -> PegasusDirectory:
    """Read the identity of a run of Pegasus.

    Raises:
        NotARun: an older Pegasus made it.
        StorageError: the directory may not be read.
    """
    try:
        os.listdir(path)
    except OSError as error:
        raise StorageError(
            f"cannot read {str(path)!r}: {error.strerror}", hint="ask its owner for read permission"
        ) from error
    if (path / _OLD_BRAINDUMP).exists() and not (path / "braindump.yml").exists():
        raise NotARun(
            f"{str(path)!r} is a submit directory of Pegasus 4 (it has {_OLD_BRAINDUMP}); "
            "those of Pegasus 5 can be read",
            hint="look at it with the tools of Pegasus 4; its workflow can be planned again with `markab plan`",
        )
    return _read(path)


def _read(path: Path) -> PegasusDirectory:
    try:
        return PegasusDirectory(path, read_braindump(SubmitDir(path).braindump))
    except NotARun:
        note = "braindump.yml is missing"
    except MarkabError as error:
        note = f"{error}"
    return PegasusDirectory(path, {}, (f"{note}: who planned the workflow, and when, is not known",))


def _is_markabs(path: Path) -> bool:
    """Return whether it has a file of Markab's own record, though the plan may be lost, or packed."""
    place = SubmitDir(path)
    return any(os.path.lexists(file) for file in (place.plan, place.journal, place.sources, place.archive))


def _files(path: Path, *suffixes: str) -> list[Path]:
    try:
        return sorted(path / name for name in os.listdir(path) if name.endswith(suffixes))
    except OSError:
        return []
