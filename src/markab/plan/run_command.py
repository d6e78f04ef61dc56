"""The command that runs a submit directory or goes on with it, as it is typed."""

from __future__ import annotations

from pathlib import Path

from markab.formatting import shown_path
from markab.plan.braindump import original_of
from markab.plan.submit_dir import DAGMAN, SubmitDir


def run_command(submit_dir: Path, option: str = "") -> str:
    """Return `markab run SUBMIT_DIR`, with an option if there is one; of a plan for DAGMan, `condor_submit_dag DAG`.

    A copy is refused, because it would work in the scratch directory of the original: of a copy,
    the command names the original.
    """
    place = original_of(SubmitDir(submit_dir).braindump) or submit_dir
    if dag := dag_of(place):
        return f"condor_submit_dag {shown_path(dag)}"
    return " ".join(word for word in ("markab run", option, shown_path(place)) if word)


def dag_of(submit_dir: Path) -> Path | None:
    """Return the DAG file of a plan for DAGMan; None: it is for the engine of Markab, or its DAG was never written."""
    if not (submit_dir / DAGMAN).is_dir():
        return None
    return next(iter(sorted(submit_dir.glob("*.dag"))), None)
