"""The graph of a run of Pegasus, with the states of its jobs; and of a DAG file by itself."""

from __future__ import annotations

from pathlib import Path

from markab.plan.model import Kind
from markab.provenance import pegasus_record
from markab.provenance.dag_file import Dag, read_dag
from markab.provenance.pegasus_directory import open_pegasus_directory
from markab.provenance.pegasus_record import kinds_and_xforms, read_record
from markab.reports.graph.drawing import JobGraph

_STATES = {
    pegasus_record.PRE: "queued",
    pegasus_record.POST: "running",
    pegasus_record.READY: "waiting",
    pegasus_record.UNREADY: "waiting",
}
"""State of a job → as in `state_styles`, where it differs."""


def pegasus_graph(submit_dir: Path) -> JobGraph:
    """Return the graph of the executable workflow of Pegasus, with the states of its jobs if it was started.

    Raises:
        NotARun: an older Pegasus made it.
        StorageError: neither its files nor its database can be read.
    """
    record = read_record(open_pegasus_directory(submit_dir), with_transformations=True)
    states = None
    if record.is_known and record.state != "Not started":
        waits = "not-run" if record.is_over else "waiting"
        shown = {**_STATES, pegasus_record.READY: waits, pegasus_record.UNREADY: waits}
        states = [shown.get(state, state) for state in record.states()]
    seen = record.history.jobs
    sites = [seen[job].site if job in seen else "" for job in record.dag.ids]
    return _graph(record.directory.name, record.dag, record.kinds, record.xforms, states, sites)


def dag_graph(path: Path) -> JobGraph:
    """Return the graph of a DAG file.

    Raises:
        StorageError: it cannot be read.
    """
    dag = read_dag(path)
    kinds, xforms = kinds_and_xforms(dag)
    return _graph(path.stem, dag, kinds, xforms, None, [])


def _graph(
    name: str,
    dag: Dag,
    kinds: list[Kind],
    xforms: list[str],
    states: list[str] | None,
    sites: list[str],
) -> JobGraph:
    return JobGraph(
        name=name,
        ids=dag.ids,
        labels=list(dag.ids),
        xforms=xforms,
        kinds=[kind.value for kind in kinds],
        parents=[sorted(set(above)) for above in dag.parents],
        files=lambda _: ((), ()),
        states=states,
        sites=sites,
    )
