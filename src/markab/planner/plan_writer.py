"""Writing a plan into a new submit directory."""

from __future__ import annotations

import errno
import getpass
import os
import shutil
import sysconfig
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from markab import PEGASUS_VERSION, __version__
from markab.catalogs.url_passwords import copy_document
from markab.errors import StorageError
from markab.plan.braindump import Braindump, write_braindump
from markab.plan.model import Header, PlannedJob
from markab.plan.plan_file import write_plan
from markab.plan.reused_tasks import ReusedTask, write_reused_tasks
from markab.plan.sources import Sources, write_sources
from markab.plan.submit_dir import PLAN, SubmitDir
from markab.planner import job_names
from markab.planner.options import PlanOptions
from markab.spec.model import ReplicaCatalog
from markab.spec.properties import Properties
from markab.transfers.run_passwords import write_passwords


def relative_run_dir(options: PlanOptions, workflow: str, base: Path, stamp: str | None) -> str:
    """Return `<user>/pegasus/<workflow>/run0001` with the next free number, or the directory that the user named.

    With a time stamp, that stands in place of the number.
    """
    if options.relative_dir is not None:
        return options.relative_dir.strip("/")
    above = f"{getpass.getuser()}/pegasus/{workflow}"
    if stamp is not None:
        return f"{above}/{stamp}"
    try:
        taken = [int(n[3:]) for n in os.listdir(base / above) if n.startswith("run") and n[3:].isdigit()]
    except (FileNotFoundError, NotADirectoryError):
        taken = []
    return f"{above}/run{max(taken, default=0) + 1:04d}"


def base_directory(options: PlanOptions) -> Path:
    """Return the directory below which the run's relative directory is made."""
    return Path(os.path.abspath(options.directory / (options.dir or "")))


@contextmanager
def reserved(
    options: PlanOptions, workflow: str, stamp: str | None, mode: int
) -> Iterator[tuple[SubmitDir, str]]:
    """Make a new submit directory; yield it with the run's relative directory. If the block fails, it is removed.

    Two planners at once get two directories: making one is atomic. `mode` has its permissions; a
    directory that exists, named by the user, keeps its own.

    Raises:
        StorageError: it cannot be made, or the one named holds a plan already.
    """
    base = base_directory(options)
    made: list[Path] = []
    try:
        path, relative = _make_directory(options, workflow, base, stamp, mode, made)
    except OSError as error:
        _remove(made)
        raise StorageError(
            f"cannot make a submit directory below {str(base)!r}: {error.strerror}",
            hint="choose a directory you may write to with --dir",
        ) from error
    before = set(os.listdir(path))
    try:
        yield SubmitDir(path), relative
    except BaseException:
        for name in set(os.listdir(path)) - before:
            target = path / name
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        _remove(made)
        raise


def _make_directory(
    options: PlanOptions, workflow: str, base: Path, stamp: str | None, mode: int, made: list[Path]
) -> tuple[Path, str]:
    """Make the submit directory, or take the empty one that the user named; return it with the run's relative directory.

    What is made is added to `made`. Raises as `reserved`, and OSError.
    """
    while True:
        relative = relative_run_dir(options, workflow, base, stamp)
        path = base / (options.relative_submit_dir or relative)
        for parent in [*reversed(path.parents)]:
            if not parent.exists():
                parent.mkdir(exist_ok=True)
                made.append(parent)
        try:
            path.mkdir(mode=0o700)
            made.append(path)
            path.chmod(mode)  # whatever the umask
            return path, relative
        except FileExistsError:
            if options.relative_dir or options.relative_submit_dir or stamp:
                _check_free(path)
                return path, relative


def _check_free(path: Path) -> None:
    """Raise StorageError unless a directory that the user named can hold a new run."""
    if not path.is_dir():
        why = "is a file"
    elif (path / PLAN).exists():
        why = "holds a plan already"
    elif _has_run(path):
        why = "holds files of an earlier run, whose plan was deleted"
    else:
        return
    raise StorageError(
        f"{str(path)!r} {why}",
        hint="choose another --relative-dir, or leave it out to get the next runNNNN",
    )


def _has_run(path: Path) -> bool:
    """Return whether a directory holds what a planner or an engine writes, at least in part."""
    run = SubmitDir(path)
    return any(os.path.lexists(one) for one in (run.plan, run.journal, run.braindump, run.catalogs))


def _remove(made: list[Path]) -> None:
    for path in reversed(made):
        try:
            path.rmdir()
        except OSError:  # another run has put something there
            return


def write_run(
    submit_dir: SubmitDir,
    header: Header,
    jobs: Iterable[PlannedJob],
    braindump: Braindump,
    properties: Properties,
    directory: Path,
    documents: Iterable[Path],
    script: Sequence[str],
    passwords: Mapping[str, str],
    reused_tasks: Sequence[ReusedTask] = (),
    inherited_replicas: ReplicaCatalog | None = None,
) -> None:
    """Write all files of a new run; `plan.jsonl`, which makes the directory a run, last.

    `directory` is where the planner was called, `documents` are what it read, `script` are the
    words that stand for the first of them if a script built it, `reused_tasks` are what was left out, and
    `inherited_replicas` what sub-workflows see of the document's own replicas.

    Raises:
        StorageError: disk full.
    """
    try:
        submit_dir.catalogs.mkdir()
        copies = _copy_names(documents)
        for name, document in copies.items():
            copy_document(document, submit_dir.catalogs / name, passwords)
        if header.inherited_replicas and inherited_replicas is not None:
            inherited = submit_dir.catalogs / header.inherited_replicas
            inherited.write_bytes(msgspec.json.encode(inherited_replicas))
        paths = {name: os.path.abspath(document) for name, document in copies.items()}
        write_sources(submit_dir.sources, Sources(os.path.abspath(directory), paths, tuple(script)))
        if passwords:
            write_passwords(str(submit_dir.passwords), passwords)
        properties_file = submit_dir.path / str(braindump["properties"])
        # It may hold passwords of databases: only the user may read it.
        os.close(os.open(properties_file, os.O_CREAT | os.O_WRONLY, 0o600))
        properties.write(properties_file)
    except OSError as error:
        raise StorageError(
            f"cannot write to {str(submit_dir.path)!r}: {error.strerror}",
            hint="make room, then plan again"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "choose a directory elsewhere with --dir",
        ) from error
    write_braindump(submit_dir.braindump, braindump)
    if reused_tasks:
        write_reused_tasks(submit_dir.reused, reused_tasks)
    write_plan(submit_dir.plan, header, jobs)


def _copy_names(documents: Iterable[Path]) -> dict[str, Path]:
    """Return the documents by the names of their copies, which are all different."""
    names: dict[str, Path] = {}
    for path in documents:
        number, free = 2, path.name
        while free in names:
            free = f"{path.stem}-{number}{path.suffix}"
            number += 1
        names[free] = path
    return names


def make_braindump(
    options: PlanOptions,
    workflow: str,
    version: str,
    submit_dir: SubmitDir,
    relative: str,
    now: float,
) -> Braindump:
    """Return the identity of a new run: the keys that Pegasus writes, in their order; its readers refuse others."""
    name = options.basename or f"{workflow}-{job_names.INDEX}"
    wf_uuid = str(uuid.uuid4())
    root_uuid = options.parent.root_uuid if options.parent else wf_uuid
    bindir = sysconfig.get_path("scripts")
    return {
        "user": getpass.getuser(),
        "grid_dn": None,
        "submit_hostname": os.uname().nodename,
        "root_wf_uuid": root_uuid,
        "wf_uuid": wf_uuid,
        "dax": os.path.abspath(options.directory / options.workflow),
        "dax_label": workflow,
        "dax_index": job_names.INDEX,
        "dax_version": version,
        "pegasus_wf_name": f"{workflow}-{job_names.INDEX}",
        "timestamp": time_stamp(now),
        "basedir": str(base_directory(options)),
        "submit_dir": str(submit_dir.path),
        "planner": f"{bindir}/pegasus-plan",
        "planner_version": PEGASUS_VERSION,
        "pegasus_build": f"markab-{__version__}",
        "planner_arguments": " ".join(options.arguments()),
        "jsd": "jobstate.log",
        "rundir": relative.rpartition("/")[2],
        "bindir": bindir,
        "vogroup": "pegasus",
        "uses_pmc": "false",
        "properties": f"pegasus.{uuid.UUID(wf_uuid).int % 10**15}.properties",
        "condor_log": f"{name}.log",
        "dag": f"{name}.dag",
        "type": "dag",
        "notify": f"{name}.notify",
    }


def time_stamp(now: float) -> str:
    """Return `YYYYMMDDTHHMMSS±zzzz` in local time."""
    return time.strftime("%Y%m%dT%H%M%S%z", time.localtime(now))
