"""Exporting a run by the name of a format; each format is imported only when used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from markab.errors import MarkabError, NothingToExport, StorageError
from markab.formatting import count, shown_path
from markab.plan.child_directory import child_directory, runs_below
from markab.reports.exports.formatting import encoded
from markab.reports.exports.run_facts import Facts

DIRECTORIES = ("ro-crate", "pegasus")
"""Formats that are a directory; the others are one file."""

FORMATS = ("prov", "ro-crate", "wfformat", "csv", "parquet", "pegasus")


def export_run(
    submit_dir: str | Path | None,
    format: str,
    path: Path,
    *,
    license: str | None = None,
    recursive: bool = False,
) -> list[str]:
    """Write a run to `path`; return, as sentences, what is missing in the export.

    A file is replaced atomically. In a directory, files with the same names are
    replaced, and others are kept. With `recursive`, the runs of all sub-workflows are written too: into
    the same file, or into directories inside.

    Raises:
        NotARun: `submit_dir` (None: the current directory) is not a submit directory.
        MarkabError: unknown format, or one that cannot express anything of the run.
        StorageError: `path` cannot be written, or is a file instead of a directory or the reverse.
        CorruptPlan, CorruptJournal: the run cannot be read.
    """
    if format not in FORMATS:
        raise MarkabError(f"unknown format {format!r}", hint=f"use one of {', '.join(FORMATS)}")
    if format in DIRECTORIES and path.exists() and not path.is_dir():
        raise StorageError(
            f"{str(path)!r} is a file; {format} is written into a directory",
            hint="name a directory, new or existing, with -o",
        )
    if format not in DIRECTORIES and path.is_dir():
        raise StorageError(
            f"{str(path)!r} is a directory",
            hint=f"name a file, such as -o {shown_path(path / f'run.{format}')}",
        )
    with ExitStack() as stack:
        tree = [_open(stack, submit_dir)]
        if recursive and format not in DIRECTORIES:
            tree += [_open(stack, below.path, f"{below.name}/") for below in runs_below(tree[0].place.path)]
        _share_files(tree)
        if recursive and format == "ro-crate":
            return _write_crates(tree[0], path, license)
        _write(tree, format, path, license)
        notes = tree[0].missing() + [
            f"sub-workflow {facts.prefix[:-1]!r}: {text}" for facts in tree[1:] for text in facts.missing()
        ]
        if not tree[0].inner:
            return notes
        if not recursive:
            inner = count(len(tree[0].inner), "sub-workflow")
            return [*notes, f"of {inner} it has the jobs that they are, and not those in them: add -r"]
        if format == "pegasus":
            notes += _write_inner_directories(tree[0], path)
        return notes


def _open(stack: ExitStack, submit_dir: str | Path | None, prefix: str = "") -> Facts:
    facts = Facts(submit_dir, prefix)
    stack.callback(facts.plan.close)
    return facts


def _share_files(tree: Sequence[Facts]) -> None:
    """Tell each run of a tree which of its files are those of the run above."""
    by_prefix = {facts.prefix: facts for facts in tree}
    for facts in tree:
        for position, inner in facts.inner.items():
            if (below := by_prefix.get(f"{facts.prefix}{inner.job}/")) is not None:
                job = facts.plan.job(position)
                below.shared = {*(one.lfn for one in job.inputs), *(one.lfn for one in job.outputs)}


def _write_inner_directories(facts: Facts, path: Path) -> list[str]:
    """Write each sub-workflow where it stands in the submit directory; return the notes."""
    notes = []
    for position, inner in facts.inner.items():
        place = path / child_directory(position, inner.job)
        found = export_run(inner.path, "pegasus", place, recursive=True)
        notes += [_note_of(inner.job, text) for text in found]
    return notes


def _write_crates(facts: Facts, path: Path, license: str | None) -> list[str]:
    """Write the crates of the sub-workflows, then that of the run, which names them; return the notes."""
    from markab.reports.exports.ro_crate import INNER_CRATES

    notes, crates = [], {}
    for position, inner in facts.inner.items():
        place = f"{INNER_CRATES}/{encoded(inner.job)}/"
        try:
            found = export_run(inner.path, "ro-crate", path / place, license=license, recursive=True)
        except NothingToExport as error:
            notes.append(_note_of(inner.job, f"it has no crate: {error}"))
            continue
        crates[position] = place
        notes += [_note_of(inner.job, text) for text in found]
    _write([facts], "ro-crate", path, license, crates)
    return facts.missing() + notes


def _note_of(job: str, text: str) -> str:
    begin = "sub-workflow "
    if text.startswith(begin):
        return f"{begin}'{job}/{text[len(begin) + 1 :]}"
    return f"{begin}{job!r}: {text}"


def _write(
    tree: Sequence[Facts], format: str, path: Path, license: str | None, crates: Mapping[int, str] = {}
) -> None:
    facts = tree[0]
    if format == "prov":
        from markab.reports.exports.prov import write_prov

        write_prov(tree, path)
    elif format == "ro-crate":
        from markab.reports.exports.ro_crate import LICENSE, write_ro_crate

        write_ro_crate(facts, path, license or LICENSE, crates)
    elif format == "wfformat":
        from markab.reports.exports.wfformat import write_wfformat

        write_wfformat(tree, path)
    elif format == "csv":
        from markab.reports.exports.invocation_table import write_csv

        write_csv(tree, path)
    elif format == "parquet":
        from markab.reports.exports.invocation_table import write_parquet

        write_parquet(tree, path)
    else:
        from markab.reports.exports.pegasus import write_pegasus

        write_pegasus(facts, path)
