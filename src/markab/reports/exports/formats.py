"""Exporting a run by the name of a format; each format is imported only when used."""

from __future__ import annotations

from pathlib import Path

from markab.errors import MarkabError, StorageError
from markab.formatting import shown_path
from markab.reports.exports.run_facts import Facts

DIRECTORIES = ("ro-crate", "pegasus")
"""Formats that are a directory; the others are one file."""

FORMATS = ("prov", "ro-crate", "wfformat", "csv", "parquet", "pegasus")


def export_run(
    submit_dir: str | Path | None, format: str, path: Path, *, license: str | None = None
) -> list[str]:
    """Write a run to `path`; return, as sentences, what is missing in the export.

    A file is replaced atomically. In a directory, files with the same names are
    replaced, and others are kept.

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
    facts = Facts(submit_dir)
    try:
        _write(facts, format, path, license)
        return facts.missing()
    finally:
        facts.plan.close()


def _write(facts: Facts, format: str, path: Path, license: str | None) -> None:
    if format == "prov":
        from markab.reports.exports.prov import write_prov

        write_prov(facts, path)
    elif format == "ro-crate":
        from markab.reports.exports.ro_crate import LICENSE, write_ro_crate

        write_ro_crate(facts, path, license or LICENSE)
    elif format == "wfformat":
        from markab.reports.exports.wfformat import write_wfformat

        write_wfformat(facts, path)
    elif format == "csv":
        from markab.reports.exports.invocation_table import write_csv

        write_csv(facts, path)
    elif format == "parquet":
        from markab.reports.exports.invocation_table import write_parquet

        write_parquet(facts, path)
    else:
        from markab.reports.exports.pegasus import write_pegasus

        write_pegasus(facts, path)
