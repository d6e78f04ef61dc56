"""What a job asks of the batch system of its site, from its profiles; and of several jobs that become one.

| executor | what counts |
|---|---|
| this machine | nothing: these profiles are for other places |
| a batch system | `pegasus.queue`, `.project`, `.nodes`, `.ppn`, `.glite.arguments`, and the keys of `globus` that say the same, which win |
| Kubernetes, AWS Batch | what `cloud_requests.py` has |
| HTCondor | these of `pegasus`, and every key of `condor` as it stands, but for those that the executor writes itself |

Of a key and `<key>.expr` the expression wins. Cores are `nodes` times `ppn` where they are not given.

Source: Pegasus 5, "Resource Requests" and "Profiles".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from markab.errors import Problem
from markab.plan.condor_commands import is_reserved
from markab.plan.model import LOCAL, BatchRequest
from markab.planner.cloud_keys import has_effect, is_cloud_key
from markab.planner.site_executors import CLOUDS, SHARING
from markab.spec import units
from markab.spec.model import Profiles
from markab.spec.profile_expression import Value, WrongExpression, evaluate
from markab.spec.profiles import Resources, is_condor_expression

CONCURRENCY_LIMITS = "pegasus.condor.concurrency.limits"
"""Property: every compute job counts against a limit that the administrators of a pool can set."""
COMPUTE_LIMIT = "pegasus_compute"

_OF_GLOBUS: Mapping[str, tuple[str, float]] = {
    "count": ("cores", 1),
    "maxmemory": ("memory", 1),
    "minmemory": ("memory", 1),
    "maxcputime": ("runtime", 60),
    "maxtime": ("runtime", 60),
    "maxwalltime": ("runtime", 60),
    "project": ("project", 0),
    "queue": ("queue", 0),
}
"""Key of `globus` → that of `pegasus` with the same meaning, and how many of its units one is (0: a text); later ones win."""

_UNSAID: Mapping[str, frozenset[str]] = {
    "sge": frozenset({"gpus", "nodes", "ppn"}),
    "flux": frozenset({"memory"}),
    "cobalt": frozenset({"memory", "gpus", "ppn"}),
}
"""Executor → keys of `pegasus` that its batch system has no words for, so that it is asked for less than the job needs."""

_RESOURCES = frozenset({"request_cpus", "request_memory", "request_disk", "request_gpus"})
"""Keys of `condor` that are requests of every job; as expressions, only HTCondor can compute them."""


def is_unsaid(namespace: str, key: str, executor: str) -> bool:
    """Return whether a batch system cannot be asked for what a profile requests."""
    return namespace == "pegasus" and key in _UNSAID.get(executor, ())


def is_batch_key(namespace: str, key: str, executor: str) -> bool:
    """Return whether a profile for batch systems has an effect on the jobs of an executor."""
    if executor == LOCAL:
        return False
    if namespace == "globus":
        return key in _OF_GLOBUS and executor in SHARING
    if namespace == "condor":
        return executor not in SHARING
    return has_effect(namespace, key, executor)


def with_globus_requests(profiles: Profiles, executor: str, job_id: str, problems: list[Problem]) -> Profiles:
    """Return profiles in which what `globus` asks of a batch system is asked for in `pegasus` too."""
    given = profiles.get("globus", {})
    if not given or executor not in SHARING:
        return profiles
    pegasus = dict(profiles.get("pegasus", {}))
    for key, (same, factor) in _OF_GLOBUS.items():
        if text := given.get(key, "").strip():
            try:
                pegasus[same] = f"{units.seconds(text) * factor:.15g}" if factor else text
            except ValueError:
                message = f"profile globus.{key} of task {job_id!r} is {text!r}; it must be a number"
                problems.append(Problem(message, f"change or remove globus.{key}", kind="bad-profile"))
    return {**profiles, "pegasus": pegasus}


def with_nodes(
    resources: Resources, profiles: Profiles, executor: str, job_id: str, problems: list[Problem]
) -> Resources:
    """Return resources whose cores are those of the nodes that a job asks for, if it does not say how many."""
    if executor == LOCAL or executor in CLOUDS:
        return resources
    nodes, each = _number(profiles, "nodes", job_id, []), _number(profiles, "ppn", job_id, [])
    if not (nodes and each):
        return resources
    pegasus, condor = profiles.get("pegasus", {}), profiles.get("condor", {})
    if not (pegasus.get("cores") or pegasus.get("cores.expr") or condor.get("request_cpus")):
        return msgspec.structs.replace(resources, cores=nodes * each)
    if resources.cores != nodes * each:
        problems.append(
            Problem(
                f"task {job_id!r} asks for {nodes} nodes with {each} processes each (pegasus.nodes, pegasus.ppn), "
                f"and for {resources.cores} cores",
                f"leave out pegasus.cores, or make it {nodes * each}",
                kind="bad-profile",
            )
        )
    return resources


def batch_request(
    profiles: Profiles,
    executor: str,
    job_id: str,
    problems: list[Problem],
    names: Mapping[str, Value],
    *,
    counts_in_pool: bool = False,
) -> BatchRequest | None:
    """Return what a job asks of its batch system; None: nothing. What is wrong is appended to `problems`.

    Args:
        profiles: those of `with_globus_requests`.
        names: what names in expressions stand for, beside what the profiles request.
        counts_in_pool: the property `pegasus.condor.concurrency.limits`.
    """
    if executor == LOCAL:
        return None
    pegasus = profiles.get("pegasus", {})

    def text(key: str) -> str:
        return _text(pegasus, key, job_id, problems, names)

    request = BatchRequest(
        queue=text("queue"),
        project=text("project"),
        nodes=_number(profiles, "nodes", job_id, problems),
        processes_per_node=_number(profiles, "ppn", job_id, problems),
        arguments=[line.strip() for line in text("glite.arguments").splitlines() if line.strip()],
        attributes=_attributes(profiles, counts_in_pool) if executor not in SHARING else {},
    )
    return None if request == BatchRequest() else request


def merge_requests(each: Sequence[BatchRequest | None]) -> BatchRequest | None:
    """Return what a job asks for that runs the tasks of several: the most; of texts, that of the first which has one."""
    given = [one for one in each if one is not None]
    if len({id(one) for one in given}) <= 1:
        return given[0] if given else None
    attributes: dict[str, str] = {}
    for one in reversed(given):
        attributes.update(one.attributes)
    return BatchRequest(
        queue=_first(one.queue for one in given),
        project=_first(one.project for one in given),
        nodes=max(one.nodes for one in given),
        processes_per_node=max(one.processes_per_node for one in given),
        arguments=list(dict.fromkeys(line for one in given for line in one.arguments)),
        attributes=attributes,
    )


def differing_texts(each: Iterable[BatchRequest | None]) -> list[str]:
    """Return the names of profiles of which jobs that become one have different values: only one can count."""
    values: dict[str, dict[str, None]] = {}
    for one in each:
        if one is not None:
            texts = {"pegasus.queue": one.queue, "pegasus.project": one.project}
            texts |= {_profile_name(key): value for key, value in one.attributes.items()}
            for key, value in texts.items():
                if value:
                    values.setdefault(key, {})[value] = None
    return [key for key, found in values.items() if len(found) > 1]


def _profile_name(attribute: str) -> str:
    """Return the profile that an attribute of a request is from."""
    namespace = next((one for one in ("markab", "pegasus") if is_cloud_key(one, attribute)), "condor")
    return f"{namespace}.{attribute}"


def _attributes(profiles: Profiles, counts_in_pool: bool) -> dict[str, str]:
    found = {
        key: value
        for key, value in profiles.get("condor", {}).items()
        if not is_reserved(key) and (key not in _RESOURCES or is_condor_expression("condor", value))
    }
    if counts_in_pool:
        own = found.get("concurrency_limits", "").strip()
        found["concurrency_limits"] = f"{COMPUTE_LIMIT}, {own}" if own else COMPUTE_LIMIT
    return found


def _text(
    pegasus: Mapping[str, str],
    key: str,
    job_id: str,
    problems: list[Problem],
    names: Mapping[str, Value],
) -> str:
    """Return a profile that is a text, or the value of the expression that says what it is."""
    given, expression = pegasus.get(key, "").strip(), pegasus.get(f"{key}.expr", "").strip()
    if not expression:
        return given
    known = {
        "pegasus_queue": pegasus.get("queue", ""),
        "pegasus_project": pegasus.get("project", ""),
        **names,
    }
    try:
        value = evaluate(expression, known)
    except WrongExpression as error:
        message = (
            f"profile pegasus.{key}.expr of task {job_id!r} is {expression!r}, which has no value: {error}"
        )
        problems.append(Problem(message, f"change or remove pegasus.{key}.expr", kind="bad-profile"))
        return given
    return value.strip() if isinstance(value, str) else f"{value:.15g}"


def _number(profiles: Profiles, key: str, job_id: str, problems: list[Problem]) -> int:
    text = profiles.get("pegasus", {}).get(key, "").strip()
    try:
        number = units.whole(text) if text else 0
        if text and number < 1:
            raise ValueError(text)
    except ValueError:
        message = f"profile pegasus.{key} of task {job_id!r} is {text!r}; it must be a whole number from 1"
        problems.append(Problem(message, f"change or remove pegasus.{key}", kind="bad-profile"))
        return 0
    return number


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
