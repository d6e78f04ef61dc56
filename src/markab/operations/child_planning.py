"""Planning sub-workflows for an engine, one after the other, in a process beside it.

The process is started when the first sub-workflow is to be planned. It reads requests from its standard
input and writes answers to its standard output, one JSON object a line, and ends with the engine, however that ends:
a planning that is cut short leaves a directory without a plan, which the next one removes.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from markab.catalogs.replica_text import quoted_word
from markab.engine.child_planner import PlanAnswer, PlanRequest
from markab.engine.result_recording import record_unrecorded
from markab.errors import DocumentError, MarkabError, PlanningError, StorageError
from markab.operations.planning import recorded_sizes
from markab.plan.braindump import read_braindump
from markab.plan.child_directory import cache_file
from markab.plan.model import Header, PlannedJob
from markab.plan.plan_file import PlanFile
from markab.plan.sources import read_sources
from markab.plan.submit_dir import PLAN, SubmitDir
from markab.planner.option_kinds import PathListOption, PathOption
from markab.planner.options import OPTIONS, PlanOptions, from_flags, parsed_words
from markab.planner.parent_run import ParentRun
from markab.planner.planning import plan
from markab.spec.properties import Properties, load_properties
from markab.transfers.base import quoted_path
from markab.transfers.error_kinds import ErrorKind, kind_of
from markab.transfers.reserved_names import CHILDREN
from markab.transfers.run_passwords import read_passwords

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_KNOWN_PLANS = 8
_CATALOGS = {
    "pegasus.catalog.site.file": "sites.yml",
    "pegasus.catalog.replica.file": "replicas.yml",
    "pegasus.catalog.transformation.file": "transformations.yml",
}
"""Properties that name the catalogs, with their default names."""
HINTS = 3
"""So many are recorded of a planning that fails."""
_SAID_BEFORE = ("no-output-site", "unknown-property", "unknown-profile")
"""Kinds of warnings that the plan of the parent gave as well."""


def main() -> None:
    """Plan what is requested on standard input until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the engine, whose end is noticed
    engine = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != engine:
        return  # it ended before that was set
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever is printed is no answer
    decode = msgspec.json.Decoder(PlanRequest).decode
    for line in sys.stdin.buffer:
        answers.write(msgspec.json.encode(answer_of(decode(line))) + b"\n")


def hints_of(error: DocumentError | PlanningError) -> str:
    """Return what helps against the problems of an error: its first hints, each once."""
    hints = dict.fromkeys(problem.hint for problem in error.problems if problem.hint)
    return "; ".join(islice(hints, HINTS))


def answer_of(request: PlanRequest) -> PlanAnswer:
    """Plan a sub-workflow; return how that ended."""
    try:
        warnings = plan_child(request)
    except (DocumentError, PlanningError) as error:
        return PlanAnswer(
            request.attempt, ErrorKind.PLANNING, f"it cannot be planned: {error}", hints_of(error)
        )
    except StorageError as error:
        return PlanAnswer(request.attempt, kind_of(error), f"it cannot be planned: {error}", error.hint)
    except MarkabError as error:
        return PlanAnswer(request.attempt, ErrorKind.PLANNING, f"it cannot be planned: {error}", error.hint)
    except Exception as error:  # a bug must not leave the job waiting for ever
        what = f"{type(error).__name__}: {error}"
        return PlanAnswer(request.attempt, ErrorKind.INTERNAL, f"the planner failed: {what}")
    return PlanAnswer(request.attempt, warnings=warnings)


def plan_child(request: PlanRequest) -> list[str]:
    """Plan a sub-workflow into its submit directory, unless it has a plan; return the warnings.

    Raises:
        DocumentError, PlanningError: it cannot be planned.
        StorageError: something cannot be read or written.
    """
    parent = SubmitDir(Path(request.submit_dir))
    directory = parent.path / request.directory
    if (directory / PLAN).exists():
        return []
    opened = _opened(parent.plan)
    options = child_options(parent, opened.header, opened.job(request.attempt.job), request)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        if directory.exists():  # a planner that was killed left it
            shutil.rmtree(directory)
    except OSError as error:
        raise StorageError(f"cannot write to {str(directory)!r}: {error.strerror}") from error
    planned = plan(options, update_index=record_unrecorded, recorded_sizes=recorded_sizes)
    return [str(one.message) for one in planned.warnings if one.kind not in _SAID_BEFORE]


@lru_cache(_KNOWN_PLANS)
def _opened(path: Path) -> PlanFile:
    return PlanFile(path)


def _root_uuid(braindump: Path) -> str:
    found = read_braindump(braindump)
    return found.get("root_wf_uuid") or found.get("wf_uuid") or ""


def child_options(parent: SubmitDir, header: Header, job: PlannedJob, request: PlanRequest) -> PlanOptions:
    """Return the options with which a sub-workflow is planned, and write the file that says where its inputs are."""
    child, site = job.child, header.sites[job.staging or "local"]
    assert child is not None and site.scratch is not None
    scratch = Path(site.scratch.path)
    files = {one.lfn: scratch / one.lfn for one in job.inputs}
    sources = read_sources(parent.sources)
    called_in = Path(sources.directory or parent.path)
    typed = parsed_words(child.arguments)
    options = from_flags(files[child.document], typed, called_in)
    _name_staged_files(options, typed, files)
    parents_conf = parent.path / str(read_braindump(parent.braindump)["properties"])
    if "conf" not in typed:
        options.conf = parents_conf
    elif options.conf is not None and options.conf.is_relative_to(scratch):
        options.directory = scratch
        options.properties = {
            **_catalogs_of_parent(options, parents_conf, called_in, scratch),
            **options.properties,
        }
    name = os.path.basename(request.directory)
    options.dir, options.relative_submit_dir = parent.path, request.directory
    options.relative_dir, options.random_dir = f"{header.run_directory}/{CHILDREN}/{name}", False
    cache = parent.path / cache_file(request.directory)
    _write_cache(cache, scratch, job, request.checksums)
    options.cache = [cache, *options.cache]
    if header.inherited_replicas:
        options.inherited_rc_files = [
            *options.inherited_rc_files,
            parent.catalogs / header.inherited_replicas,
        ]
    passwords = read_passwords(str(parent.passwords) if parent.passwords.exists() else "")
    outputs = {one.lfn: str(scratch / one.lfn) for one in job.outputs}
    options.parent = ParentRun(_root_uuid(parent.braindump), outputs, passwords=passwords)
    return options


def _name_staged_files(options: PlanOptions, typed: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Let options that name inputs of the job name them where they are."""
    for row in OPTIONS:
        if row.name not in typed:
            continue
        value = getattr(options, row.name)
        if isinstance(row.kind, PathOption) and value is not None:
            setattr(options, row.name, files.get(str(value), value))
        elif isinstance(row.kind, PathListOption):
            setattr(options, row.name, [files.get(str(one), one) for one in value])


def _catalogs_of_parent(
    options: PlanOptions, parents_conf: Path, called_in: Path, scratch: Path
) -> dict[str, str]:
    """Return properties that name the catalogs of the parent, as far as the sub-workflow brings none of its own."""
    home = Path(os.path.expanduser("~"))

    def properties(conf: Path | None) -> Properties:
        return load_properties(conf, {}, os.environ, options.directory, home)

    own, parents = properties(options.conf), properties(parents_conf)
    found = {}
    for key, default in _CATALOGS.items():
        path = called_in / parents.get(key, default).removeprefix("file://")
        if not own.get(key) and not (scratch / default).exists() and path.exists():
            found[key] = str(path)
    return found


def _write_cache(path: Path, scratch: Path, job: PlannedJob, checksums: Mapping[str, str]) -> None:
    """Write the replicas of the job's inputs: what its workflow reads of its parent.

    Not flushed: only its planner reads it, and who plans it again writes it again.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(_cache_lines(scratch, job, checksums)), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {error.strerror}") from error


def _cache_lines(scratch: Path, job: PlannedJob, checksums: Mapping[str, str]) -> Iterator[str]:
    for one in job.inputs:
        place = f"file://{quoted_path(str(scratch / one.lfn))}"
        sha256 = checksums.get(one.lfn)
        known = f' checksum.type="sha256" checksum.value="{sha256}"' if sha256 else ""
        yield f'{quoted_word(one.lfn)} {place} site="local"{known}\n'


if __name__ == "__main__":
    main()
