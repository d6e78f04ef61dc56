"""Exporting a run as a table: one row an invocation, for spreadsheets and data frames.

An attempt that ran no process (a transfer, one that failed before its start, one
that is still running) has one row too, with `invocation` 0. Times are UTC: ISO
8601 in CSV, time stamps in Parquet. Unknown values are empty cells. In CSV a text that
a spreadsheet would calculate has an apostrophe before it; see `csv_table`.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import Any

from markab.errors import MarkabError
from markab.journal.attempt_story import environment_texts
from markab.plan.atomic_file import user_output
from markab.plan.model import PlannedTask
from markab.reports.container_text import container_texts
from markab.reports.csv_table import write_rows
from markab.reports.exports.formatting import iso, planned_words
from markab.reports.exports.run_facts import AttemptFacts, Facts, InvocationFacts, RunFile

TEXT, WHOLE, REAL, MOMENT = "text", "whole", "real", "moment"
COLUMNS = {
    "run": TEXT,
    "workflow": TEXT,
    "job": TEXT,
    "kind": TEXT,
    "task": TEXT,
    "transformation": TEXT,
    "attempt": WHOLE,
    "invocation": WHOLE,
    "outcome": TEXT,
    "site": TEXT,
    "host": TEXT,
    "submitted": MOMENT,
    "start": MOMENT,
    "end": MOMENT,
    "duration_s": REAL,
    "exit_code": WHOLE,
    "signal": WHOLE,
    "error_kind": TEXT,
    "error": TEXT,
    "command": TEXT,
    "user_cpu_s": REAL,
    "system_cpu_s": REAL,
    "max_rss_kb": WHOLE,
    "cores_asked": WHOLE,
    "memory_mb_asked": WHOLE,
    "input_files": WHOLE,
    "input_bytes": WHOLE,
    "output_files": WHOLE,
    "output_bytes": WHOLE,
    "moved_bytes": WHOLE,
    "label": TEXT,
    "container": TEXT,
    "environment": TEXT,
    "sub_workflow": TEXT,
}
"""Name → type of every column, in order; units are part of the names."""

BATCH_ROWS = 20_000


def write_csv(tree: Sequence[Facts], path: Path) -> None:
    """Write the table of some runs as CSV with a header.

    Raises:
        StorageError: disk full, directory not writable.
        CorruptJournal: the journal is damaged.
    """
    with user_output(path) as out:
        text = io.TextIOWrapper(out, encoding="utf-8", newline="")
        write_rows(text, [COLUMNS])
        write_rows(text, _csv_rows(tree))
        text.flush()
        text.detach()


def write_parquet(tree: Sequence[Facts], path: Path) -> None:
    """Write the table of some runs as Parquet.

    Raises:
        MarkabError: pyarrow is not installed.
        StorageError, CorruptJournal: as `write_csv`.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MarkabError(
            "Parquet needs the package pyarrow, which is not installed",
            hint="pip install 'markab[parquet]', or export with --format csv",
        ) from error
    types = {
        TEXT: pyarrow.string(),
        WHOLE: pyarrow.int64(),
        REAL: pyarrow.float64(),
        MOMENT: pyarrow.timestamp("us", tz="UTC"),
    }
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    with user_output(path) as out, pyarrow.parquet.ParquetWriter(out, schema) as writer:
        for batch in _batches(tree):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))


def rows(facts: Facts) -> Iterator[dict[str, Any]]:
    """Yield the rows, keys in the order of `COLUMNS`; times are epoch seconds."""
    for attempt in facts.attempts():
        invocations = attempt.invocations
        if not invocations:
            yield _row(facts, attempt, None)
        for invocation in invocations:
            yield _row(facts, attempt, invocation)


def _csv_rows(tree: Sequence[Facts]) -> Iterator[Iterable[object]]:
    moments = [name for name, kind in COLUMNS.items() if kind == MOMENT]
    for row in chain.from_iterable(map(rows, tree)):
        for name in moments:
            row[name] = iso(row[name]) if row[name] else None
        yield row.values()


def _batches(tree: Sequence[Facts]) -> Iterator[list[dict[str, Any]]]:
    moments = [name for name, kind in COLUMNS.items() if kind == MOMENT]
    batch: list[dict[str, Any]] = []
    for row in chain.from_iterable(map(rows, tree)):
        for name in moments:
            row[name] = datetime.fromtimestamp(row[name], timezone.utc) if row[name] else None
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(facts: Facts, attempt: AttemptFacts, one: InvocationFacts | None) -> dict[str, Any]:
    job = attempt.job
    task = one.task if one else job.tasks[0] if len(job.tasks) == 1 else None
    start = one.start if one else attempt.start
    end = one.start + one.duration_s if one else attempt.end
    usage = one.usage if one else {}
    return {
        "run": facts.uuid,
        "workflow": facts.name,
        "job": job.id,
        "kind": job.kind.value,
        "task": task.id if task else None,
        "transformation": task.transformation if task else None,
        "attempt": attempt.number,
        "invocation": one.number if one else 0,
        "outcome": attempt.state,
        "site": attempt.site,
        "host": attempt.host or None,
        "submitted": attempt.submitted,
        "start": start,
        "end": end,
        "duration_s": one.duration_s if one else round(end - start, 6) if end else None,
        "exit_code": one.exit_code if one else None,
        "signal": one.signal if one else None,
        "error_kind": attempt.error_kind or None,
        "error": attempt.error or None,
        "command": shlex.join(planned_words(task)) if task else None,
        "user_cpu_s": usage.get("utime_s"),
        "system_cpu_s": usage.get("stime_s"),
        "max_rss_kb": usage.get("maxrss_kb"),
        "cores_asked": job.cores,
        "memory_mb_asked": job.memory_mb or None,
        "input_files": len(attempt.used),
        "input_bytes": _bytes(attempt.used),
        "output_files": len(attempt.made),
        "output_bytes": _bytes(attempt.made),
        "moved_bytes": sum(moved.get("bytes") or 0 for moved in attempt.moved if not moved.get("found")),
        "label": (task.node_label if task else job.label) or None,
        "container": _container(attempt, task),
        "environment": "; ".join(environment_texts(attempt.record)) or None,
        "sub_workflow": attempt.inner.uuid if attempt.inner else None,
    }


def _container(attempt: AttemptFacts, task: PlannedTask | None) -> str | None:
    if task is None or task.container is None:
        return None
    texts = container_texts(
        {"containers": [one for one in attempt.containers if one["name"] == task.container.name]}
    )
    return texts[0] if texts else None


def _bytes(files: list[RunFile]) -> int:
    return sum(file.size_bytes or 0 for file in files)
