"""Names of the jobs that the planner makes: those of Pegasus, which users and tools know."""

from __future__ import annotations

import re
from collections.abc import Container
from itertools import count

from markab.plan.model import Kind
from markab.spec.model import Task

_NOT_IN_A_NAME = re.compile(r"[^\w.+-]+")
_CLUSTER_BYTES = 180
"""Of the name of a cluster, without `merge_` and a number at its end: less than `MAX_JOB_NAME_BYTES` in all."""

INDEX = "0"
"""Index of a workflow in its hierarchy; the root has 0."""


def compute_name(task: Task, prefix: str) -> str:
    """`<transformation>_<id>`, without namespace and version: ids are unique already."""
    if task.type != "job":
        return (
            f"pegasus-plan_{prefix}{task.id}"
            if task.type == "pegasusWorkflow"
            else f"subdag_{prefix}{task.id}"
        )
    return f"{prefix}{task.name}_{task.id}".replace("/", "-")


def cluster_name(name: str, prefix: str, names: Container[str]) -> str:
    """`merge_<transformation>_PID<level>_ID<n>`, `merge_<label>`, `merge_whole-wf`, but none of `names`.

    A label may be any text: what has no place in the name of a job becomes a hyphen, and a long one is cut.
    """
    plain = _NOT_IN_A_NAME.sub("-", name).encode()[:_CLUSTER_BYTES].decode(errors="ignore")
    first = f"{prefix}merge_{plain}"
    numbered = (f"{first}_{number}" for number in count(2))
    return first if first not in names else next(found for found in numbered if found not in names)


def transfer_name(
    kind: Kind, prefix: str, site: str, level: int, number: int, *, remote: bool = False
) -> str:
    """`stage_in_local_<site>_<level>_<n>` if the submit host moves the bytes; `remote` if that site does."""
    return f"{kind.value}_{prefix}{'remote' if remote else 'local'}_{site}_{level}_{number}"


def register_name(prefix: str, site: str, level: int, number: int) -> str:
    """`register_<staging site>_<level>_<n>`."""
    return f"register_{prefix}{site}_{level}_{number}"


def create_dir_name(prefix: str, workflow: str, site: str) -> str:
    """`create_dir_<workflow>_<index>_<site>`."""
    return f"create_dir_{prefix}{workflow}_{INDEX}_{site}"


def concat_name(prefix: str, workflow: str) -> str:
    """`pegasus_concat_<workflow>_<index>`: the job that waits for all directories."""
    return f"pegasus_concat_{prefix}{workflow}_{INDEX}"


def noop_name(prefix: str, workflow: str) -> str:
    """`noop_<workflow>_<index>`: the only job of a plan in which nothing is to be done."""
    return f"noop_{prefix}{workflow}_{INDEX}"


def cleanup_name(prefix: str, site: str, level: int, number: int) -> str:
    """`clean_up_<site>_level_<level>_<n>`: files in the middle of a run; the level is that of the cleanup job itself."""
    return f"clean_up_{prefix}{site}_level_{level}_{number}"


def scratch_removal_name(prefix: str, workflow: str, site: str) -> str:
    """`cleanup_<workflow>_<index>_<site>`: the scratch directory at the end."""
    return f"cleanup_{prefix}{workflow}_{INDEX}_{site}"
