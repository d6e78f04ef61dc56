"""`analyze --debug-job`: a directory with a job's inputs, and a script that runs the job again by hand.

The inputs are copies, so that experiments cannot change the run; very large ones are
links, which the script notes.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

import msgspec

from markab.diagnosis.failure_analysis import Analyzer
from markab.errors import MarkabError, StorageError
from markab.formatting import printable_line, titled
from markab.plan.job_lookup import find_job
from markab.plan.model import Input, Kind, PlannedJob, PlannedTask
from markab.reports.reused_task import find_reused_task
from markab.transfers.base import is_local, path_of
from markab.transfers.run_passwords import read_passwords, with_password
from markab.worker.split_arguments import split_words

SCRIPT = "run.sh"
LINKED_FROM_BYTES = 1 << 30
"""Copies of larger inputs would take too long and too much disk."""


@dataclass
class DebugDirectory:
    """The directory that was made."""

    path: Path
    script: Path
    sources: dict[str, str] = field(default_factory=dict)
    """lfn → where it was found."""
    linked: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return what was made, as text."""
        lines = [f"{self.script} runs the job again; its {len(self.sources)} input files are beside it"]
        for lfn in self.linked:
            lines.append(f"  {lfn} is a link to {self.sources[lfn]}: do not write to it")
        for lfn in self.missing:
            lines.append(f"  {lfn} was not found: put it into {self.path}")
        return "\n".join(lines) + "\n"


def make_debug_directory(
    submit_dir: str | Path | None, job_id: str, directory: Path | None = None, executable: str | None = None
) -> DebugDirectory:
    """Make a directory (default: `debug-JOB` in the current one) to run one compute job by hand.

    `executable` runs in place of the program of the job's first task.

    Raises:
        MarkabError: there is no such job, or it has no command.
        StorageError: the directory exists and is not empty, or cannot be written.
    """
    run = Analyzer(submit_dir)
    try:
        run.read()
        if (reused := find_reused_task(run, job_id)) is not None:
            raise MarkabError(f"{job_id} {reused.verdict()}", hint=reused.command("why"))
        position = find_job(run.plan, job_id)
        job = run.plan.job(position)
        if job.kind is not Kind.COMPUTE:
            raise MarkabError(
                f"job {job.id!r} is an auxiliary job ({job.kind.value}): it has no command to run by hand",
                hint=f"`markab why {shlex.quote(str(run.place.path))} {shlex.quote(job.id)}` shows what it does",
            )
        made = _empty_directory(directory or Path(f"debug-{job.id.replace('/', '_')}"))
        found = DebugDirectory(made, made / _script_name(job))
        try:
            for item in job.inputs:
                _place_input(run, job, item, found)
            for lfn in [file.lfn for file in job.outputs]:
                (made / lfn).parent.mkdir(parents=True, exist_ok=True)
            record = run.records(position)[-1] if position in run.bad_at else {}
            found.script.write_text("\n".join(_script(run, job, record, found, executable)) + "\n")
            found.script.chmod(0o755)
        except OSError as error:
            raise StorageError(f"cannot write to {str(made)!r}: {error.strerror}") from error
        return found
    finally:
        run.close()


def _script_name(job: PlannedJob) -> str:
    """Return `run.sh`, or a name like it that no file of the job has."""
    lfns = [file.lfn for file in job.inputs] + [file.lfn for file in job.outputs]
    taken = {lfn.split("/")[0] for lfn in lfns}
    names = chain([SCRIPT], (f"run-{number}.sh" for number in count(2)))
    return next(name for name in names if name not in taken)


def _empty_directory(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise StorageError(
                f"{str(path)!r} is not empty",
                hint="name another directory with --debug-dir, or remove this one",
            )
    except OSError as error:
        raise StorageError(f"cannot create {str(path)!r}: {error.strerror}") from error
    return path.resolve()


def _place_input(run: Analyzer, job: PlannedJob, item: Input, found: DebugDirectory) -> None:
    place = found.path / item.lfn
    if not place.resolve().is_relative_to(found.path):
        raise MarkabError(f"file name {item.lfn!r} leaves its directory")
    place.parent.mkdir(parents=True, exist_ok=True)
    passwords = read_passwords(str(run.place.passwords) if run.place.passwords.exists() else "")
    for source in _places(run, job, item):
        if is_local(source):
            path = path_of(source)
            if not os.path.isfile(path):
                continue
            try:
                if os.path.getsize(path) >= LINKED_FROM_BYTES:
                    place.symlink_to(os.path.realpath(path))
                    found.linked.append(item.lfn)
                else:
                    shutil.copyfile(path, place)
                    place.chmod(0o755 if item.executable else 0o644)
            except PermissionError:
                continue
        elif not _fetched(with_password(source, passwords), place, item):
            continue
        found.sources[item.lfn] = source
        return
    if not item.optional:
        found.missing.append(item.lfn)


def _fetched(source: str, place: Path, item: Input) -> bool:
    from markab.transfers.batch import move_all

    ends = {
        "sources": [{"site": "", "url": source}],
        "destinations": [{"site": "local", "url": str(place)}],
    }
    moved = move_all([{"lfn": item.lfn, "executable": item.executable, **ends}], 1, 1, None, False, None)
    return all("error" not in one for one in moved)


def _places(run: Analyzer, job: PlannedJob, item: Input) -> Iterator[str]:
    """Yield where a file may be: the run's scratch first, then every source and destination of a transfer."""
    staging = run.plan.header.sites.get(job.staging or job.site)
    if staging is not None and staging.scratch:
        yield staging.scratch.file(item.lfn).url
    yield from (place.url for place in item.sources)
    needle = b'"lfn":' + msgspec.json.encode(item.lfn)
    for position, outline in enumerate(run.plan.outline):
        if outline.kind in (Kind.COMPUTE, Kind.CLEANUP, Kind.CREATE_DIR):
            continue
        if needle in run.plan.line(position):
            for transfer in run.plan.job(position).transfers:
                if transfer.lfn == item.lfn:
                    yield from (end.url for end in (*transfer.destinations, *transfer.sources))


def _script(
    run: Analyzer,
    job: PlannedJob,
    record: Mapping[str, Any],
    found: DebugDirectory,
    executable: str | None,
) -> Iterator[str]:
    yield "#!/bin/sh"
    yield _comment(
        f"Runs job {titled(job.id, job.label)} of workflow {run.plan.header.workflow} again, by hand. Change it as you like:"
    )
    yield _comment(f"the run in {run.place.path} is not touched.")
    if record.get("host"):
        yield _comment(f"It ran at site {job.site}, on {record['host']}, in {record.get('cwd', '?')}.")
    for lfn in found.linked:
        yield _comment(f"{lfn} is a link to the file of the run: do not write to it.")
    for lfn in found.missing:
        yield _comment(f"Missing: {lfn}. Put it beside this script.")
    yield 'cd "$(dirname "$0")" || exit 1'
    staging = run.plan.header.sites.get(job.staging or job.site)
    environ = {
        "PEGASUS_WF_UUID": run.uuid,
        "PEGASUS_WF_LABEL": run.plan.header.workflow,
        "PEGASUS_DAG_JOB_ID": job.id,
        "PEGASUS_SITE": job.site,
        "_PEGASUS_INITIAL_DIR": staging.scratch.path if staging and staging.scratch else "",
    }
    yield from (f"export {name}={shlex.quote(value)}" for name, value in environ.items())
    ran = {entry.get("task"): entry.get("argv") for entry in record.get("invocations", ())}
    for number, task in enumerate(job.tasks):
        yield ""
        if len(job.tasks) > 1:
            yield _comment(f"task {task.id}")
        yield from (f"export {name}={shlex.quote(value)}" for name, value in task.env.items())
        argv = list(ran.get(task.id) or _argv(task, {**os.environ, **environ, **task.env}))
        if executable and number == 0:
            argv[0] = executable
        line = shlex.join(argv)
        for sign, connected in (("<", task.stdin), (">", task.stdout), ("2>", task.stderr)):
            if sign == "2>" and connected and connected == task.stdout:
                line += " 2>&1"
            elif connected:
                line += f" {sign} {shlex.quote(connected)}"
        yield line
        yield "code=$?"
        yield 'echo "exit code $code" >&2'
        yield '[ "$code" -eq 0 ] || exit "$code"'
    yield ""
    for output in job.outputs:
        if not output.checkpoint:
            name = shlex.quote(output.lfn)
            yield f"[ -e {name} ] || {{ echo {shlex.quote('missing output: ' + output.lfn)} >&2; code=1; }}"
    yield 'exit "$code"'


def _comment(text: str) -> str:
    """Return a comment of one line: a line end in a name must not begin a command."""
    return f"# {printable_line(text)}"


def _argv(task: PlannedTask, environ: Mapping[str, str]) -> list[str]:
    try:
        return [task.executable, *split_words(task.arguments, environ)]
    except ValueError:
        return [task.executable, *task.arguments.split()]
