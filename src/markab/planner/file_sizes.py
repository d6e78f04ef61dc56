"""How large the files of a run will be, as far as documents and earlier runs tell.

Of a file, the first counts that is known: its size where it is brought from; the `size` of a use, else its metadata
`size`; the table of `pegasus.file.cleanup.constraint.csv`; what the last runs of the workflow recorded. All others
are taken to have the size of `markab.cleanup.assumed.size`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field

from markab.errors import DocumentError, Problem
from markab.formatting import count, size
from markab.planner.draft import Context, Draft
from markab.spec import units
from markab.spec.model import Use
from markab.spec.properties import Properties

TABLE = "pegasus.file.cleanup.constraint.csv"
ASSUMED_SIZE = "markab.cleanup.assumed.size"
ASSUMED_BYTES = 10 * 2**20
"""As Pegasus assumes."""
_SHOWN = 5


@dataclass(slots=True)
class FileSizes:
    """Predicted sizes by lfn."""

    known: dict[str, int]
    assumed_bytes: int
    unknown: dict[str, None] = field(default_factory=dict)
    """Lfns of which the size was asked for and is not known, in this order."""

    def of(self, lfn: str) -> int:
        """Return the size of a file in bytes."""
        found = self.known.get(lfn)
        if found is None:
            self.unknown[lfn] = None
            return self.assumed_bytes
        return found

    def warn_of_unknown(self, context: Context) -> None:
        """Say which sizes are not known, and what is assumed."""
        if not self.unknown:
            return
        names = list(self.unknown)
        shown = ", ".join(map(repr, names[:_SHOWN])) + (", …" if len(names) > _SHOWN else "")
        are = "is" if len(names) == 1 else "are"
        context.warn(
            "unknown-size",
            f"the size of {count(len(names), 'file')} is not known, and taken to be {size(self.assumed_bytes)} each "
            f"for the bound on scratch: {shown}"
            if len(names) > 1
            else f"the size of file {names[0]!r} {are} not known, and taken to be {size(self.assumed_bytes)} "
            "for the bound on scratch",
            f"give outputs a size in bytes (`size` of a use), name a table with {TABLE}, or set {ASSUMED_SIZE}",
        )


def predicted_sizes(draft: Draft, context: Context) -> FileSizes:
    """Return the sizes of all files; metadata that is no size, and a table that cannot be read, are warned of."""
    known: dict[str, int] = {}
    for _, planned in draft.auxiliary_jobs():
        for transfer in planned.transfers:
            if transfer.size_bytes is not None:
                known[transfer.lfn] = transfer.size_bytes
    for files in draft.raw.values():
        for lfn, raw in files.items():
            if raw.size_bytes is not None:
                known.setdefault(lfn, raw.size_bytes)
    missing: dict[str, None] = {}
    wrong: dict[str, str] = {}
    for task in draft.tasks:
        for use in task.uses:
            if use.lfn not in known:
                found = _declared(use, context, wrong)
                if found is None:
                    missing[use.lfn] = None
                else:
                    known[use.lfn] = found
    _warn_of_wrong(wrong, context)
    for table in (_table(context), context.recorded_sizes(draft.workflow.name)) if missing else ():
        for lfn in missing:
            if lfn in table:
                known.setdefault(lfn, table[lfn])
    return FileSizes(known, assumed_bytes(context.properties))


def assumed_bytes(properties: Properties) -> int:
    """Return the size of a file of which nothing is known. Raises DocumentError if the property is no amount."""
    return amount(properties, ASSUMED_SIZE, ASSUMED_BYTES)


def amount(properties: Properties, key: str, default: int) -> int:
    """Return a property that is a number of bytes. Raises DocumentError if it is not."""
    text = properties.get(key, "").strip()
    try:
        return units.amount_bytes(text) if text else default
    except ValueError:
        what = "it must be a number of bytes, or an amount such as '20 GB'"
        raise DocumentError(properties.problem(key, what)) from None


def _declared(use: Use, context: Context, wrong: dict[str, str]) -> int | None:
    if use.size is not None:
        return use.size
    text = use.metadata.get("size")
    if text is None and use.type == "input":
        replica = context.replicas.lookup(use.lfn)
        text = replica.metadata.get("size") if replica is not None else None
    if text is None:
        return None
    try:
        return units.amount_bytes(str(text))
    except ValueError:
        wrong.setdefault(use.lfn, str(text))
        return None


def _warn_of_wrong(wrong: Mapping[str, str], context: Context) -> None:
    for lfn, text in list(wrong.items())[:_SHOWN]:
        context.warn(
            "unknown-size",
            f"metadata 'size' of file {lfn!r} is {text!r}, which is no number of bytes: it does not count",
            "write a number of bytes, or an amount such as '20 GB'",
        )


def _table(context: Context) -> dict[str, int]:
    """Return the sizes of a table of `lfn,bytes`; a line that is no such pair is a problem, with its number."""
    name = context.properties.get(TABLE, "").strip()
    if not name:
        return {}
    path = context.options.directory / name
    found: dict[str, int] = {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if not row or (number == 1 and not any(map(str.isdigit, "".join(row[1:])))):
                    continue  # the first line may name the columns
                try:
                    lfn, size = row
                    if not lfn.strip():
                        raise ValueError("a size without a name")
                    bytes_ = units.amount_bytes(size)
                    if found.setdefault(lfn.strip(), bytes_) != bytes_:
                        raise ValueError("a second size of one file")
                except ValueError:
                    _note_row(context, str(path), number, ",".join(row))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        context.problems.append(context.properties.problem(TABLE, f"the table cannot be read: {why}"))
    return found


def _note_row(context: Context, file: str, number: int, row: str) -> None:
    message = f"{row!r} is not the name of a file, a comma, and its size; or the file has another size above"
    hint = "write it like 'out.dat,1048576' or 'out.dat,1 MB'"
    context.problems.append(Problem(message, hint, file, number, "size-table"))
