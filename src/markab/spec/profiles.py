"""Profiles: merging their four sources, and the resources that they request."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec

from markab.errors import DocumentError, Problem
from markab.spec import units
from markab.spec.model import Profiles
from markab.spec.profile_expression import Value, WrongExpression, evaluate
from markab.spec.profile_keys import canonical_key, canonical_namespace
from markab.spec.transfer_arguments import transfer_arguments

T = TypeVar("T")

_ONLY_FROM_JOB = {"selector": ("execution.site", "pfn")}


MAX_TEXT_BYTES = 131_071
"""Linux gives to no program a longer argument, or a longer variable with its name (MAX_ARG_STRLEN)."""
MAX_COMMAND_BYTES = 6 * 2**20
"""Nor more than this of arguments and variables together, whatever `ulimit -s` says; mostly 2 MiB. Source: execve(2)."""
_IN_A_FILE = "write it into a file that the job reads"


def canonical(profiles: Profiles) -> Profiles:
    """Return profiles in which every key has its canonical spelling."""
    result: Profiles = {}
    for namespace, keys in profiles.items():
        namespace = canonical_namespace(namespace)
        table = result.setdefault(namespace, {})
        for key, value in keys.items():
            table[canonical_key(namespace, key)] = value
    return result


def merge_profiles(transformation: Profiles, site: Profiles, job: Profiles, properties: Profiles) -> Profiles:
    """Return the profiles of one job at one site, keys in canonical spelling.

    The transformation's win over the site's, these over the job's, and these over
    the properties'. A site or pfn is chosen (namespace `selector`) by the job only.
    """
    merged: Profiles = {}
    for source in (properties, job, site, transformation):
        for namespace, keys in canonical(source).items():
            table = merged.setdefault(namespace, {})
            table.update(keys)
            if source is not job:
                for key in _ONLY_FROM_JOB.get(namespace, ()):
                    table.pop(key, None)
    chosen = canonical(job).get("selector", {})
    for key in _ONLY_FROM_JOB["selector"]:
        if key in chosen:
            merged["selector"][key] = chosen[key]
    return {namespace: table for namespace, table in merged.items() if table}


TRANSFER_JOBS = (
    "stagein.clusters",
    "stagein.local.clusters",
    "stagein.remote.clusters",
    "stageout.clusters",
    "stageout.local.clusters",
    "stageout.remote.clusters",
)
"""Keys that say how many transfer jobs there are for each level of a staging site."""


class Resources(msgspec.Struct, frozen=True):
    """The resources a job requests, and how its exit is judged. 0: not given."""

    cores: int = 1
    memory_mb: int = 0
    disk_mb: int = 0
    gpus: int = 0
    runtime_s: float = 0.0
    checkpoint_s: float = 0.0
    """Time until SIGTERM, so that the task writes a checkpoint."""
    max_wall_s: float = 0.0
    """Time until the job is killed."""
    retries: int | None = None
    priority: int | None = None
    category: str | None = None
    success_messages: list[str] = []
    failure_messages: list[str] = []
    transfer_jobs: dict[str, int] = {}
    """Key such as `stagein.clusters` → how many transfer jobs there are for a level."""
    transfer_threads: int = 0
    """Files that are moved at a time for the job; 0: not requested."""
    own_transfer_threads: int = 0
    """Of these, those that the job itself moves, if that is another number."""


def resources(
    profiles: Profiles,
    job_id: str = "",
    problems: list[Problem] | None = None,
    names: Mapping[str, Value] | None = None,
) -> Resources:
    """Return the resources of a job, and how its exit is judged, from its merged profiles.

    The `condor.request_*` keys win over the `pegasus.*` keys of the same meaning.
    `checkpoint.time` and `maxwalltime` are minutes; `runtime` is seconds.
    `pegasus.memory`, `pegasus.diskspace` and `condor.request_memory` are in MB and
    `condor.request_disk` in KB unless they name a unit.
    Of a key and `<key>.expr` the expression wins; it may use `names`, and what the other profiles request.
    In `exitcode.failuremsg` and `exitcode.successmsg`, `+` stands for a blank.

    An invalid value counts as not given, and is a problem: appended to `problems`, or
    raised as DocumentError if that is None.

    Source: the profile reference of Pegasus 5.
    """
    if not profiles:
        return Resources()
    found: list[Problem] = []
    read = _ProfileReader(profiles, job_id, found)
    pegasus, dagman = profiles.get("pegasus", {}), profiles.get("dagman", {})
    cores = read.first(_positive, "a whole number from 1", "condor.request_cpus", "pegasus.cores")
    memory_mb = read.first(
        _mb, "an amount such as '2048' (MB) or '2 GB'", "condor.request_memory", "pegasus.memory"
    )
    disk_mb = read.first(_kb, "an amount such as '2048' (KB) or '2 GB'", "condor.request_disk")
    if disk_mb is None:
        disk_mb = read.first(_mb, "an amount such as '2048' (MB) or '2 GB'", "pegasus.diskspace")
    priority = read.first(units.whole, "a whole number", "dagman.PRIORITY", "condor.priority")
    result = Resources(
        cores=cores or 1,
        memory_mb=memory_mb or 0,
        disk_mb=disk_mb or 0,
        gpus=read.first(_not_negative, "a whole number from 0", "condor.request_gpus", "pegasus.gpus") or 0,
        runtime_s=read.first(units.seconds, "a number of seconds", "pegasus.runtime") or 0.0,
        checkpoint_s=60
        * (read.first(units.seconds, "a number of minutes", "pegasus.checkpoint.time") or 0.0),
        max_wall_s=60 * (read.first(units.seconds, "a number of minutes", "pegasus.maxwalltime") or 0.0),
        retries=read.first(_not_negative, "a whole number from 0", "dagman.RETRY"),
        priority=priority,
        category=dagman.get("CATEGORY") or None,
        transfer_jobs={
            key: number
            for key in TRANSFER_JOBS
            if (number := read.first(_positive, "a whole number from 1", f"pegasus.{key}"))
        },
        transfer_threads=read.first(_positive, "a whole number from 1", "pegasus.transfer.threads")
        or read.first(_threads, "arguments such as '-n 4'", "pegasus.transfer.arguments")
        or 0,
        own_transfer_threads=read.first(
            _threads, "arguments such as '-n 4'", "pegasus.transfer.lite.arguments"
        )
        or 0,
        success_messages=_messages(pegasus.get("exitcode.successmsg")),
        failure_messages=_messages(pegasus.get("exitcode.failuremsg")),
    )
    result = _with_expressions(result, pegasus, names or {}, job_id, found)
    found += _environment_problems(profiles.get("env", {}), job_id)
    if found and problems is None:
        raise DocumentError(*found)
    if problems is not None:
        problems += found
    return result


_EXPRESSIONS = {
    "cores.expr": ("cores", 1),
    "gpus.expr": ("gpus", 0),
    "memory.expr": ("memory_mb", 0),
    "diskspace.expr": ("disk_mb", 0),
    "runtime.expr": ("runtime_s", 0),
}
"""Profile of the namespace `pegasus` → field of `Resources`, and the least that it may be."""


def _with_expressions(
    given: Resources,
    pegasus: Mapping[str, str],
    names: Mapping[str, Value],
    job_id: str,
    problems: list[Problem],
) -> Resources:
    """Return resources with what expressions request; one that has no value is a problem."""
    texts = {key: text for key in _EXPRESSIONS if (text := pegasus.get(key, "")).strip()}
    if not texts:
        return given
    known: dict[str, Value] = {
        "pegasus_cores": given.cores,
        "pegasus_gpus": given.gpus,
        "pegasus_memory_mb": given.memory_mb,
        "pegasus_diskspace_mb": given.disk_mb,
        "pegasus_job_runtime": given.runtime_s,
        "job_runtime": given.runtime_s,
        "job_retry": 0,
        "pegasus_queue": pegasus.get("queue", ""),
        "pegasus_project": pegasus.get("project", ""),
        **names,
    }
    changes: dict[str, float] = {}
    for key, text in texts.items():
        field, least = _EXPRESSIONS[key]
        try:
            value = evaluate(text, known)
            if isinstance(value, str) or not least <= value <= units.MOST:
                raise WrongExpression(
                    f"its value is {value!r}; it must be a number from {least} to {units.MOST:,}"
                )
        except WrongExpression as error:
            owner = f" of job {job_id!r}" if job_id else ""
            message = f"profile pegasus.{key}{owner} is {text!r}, which has no value: {error}"
            problems.append(Problem(message, f"change or remove pegasus.{key}", kind="bad-profile"))
        else:
            changes[field] = value if field == "runtime_s" else math.ceil(value)
    return msgspec.structs.replace(given, **changes)


def _environment_problems(variables: Mapping[str, str], job_id: str) -> Iterator[Problem]:
    """Yield what no process can be started with."""
    owner = f" of job {job_id!r}" if job_id else ""
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            message = f"profile env has a variable{owner} that no process can get: {name!r}"
            hint = "give it a name without '=', and no NUL characters"
            yield Problem(message, hint, kind="bad-profile")
    sizes = {name: len(f"{name}={value}".encode(errors="replace")) for name, value in variables.items()}
    for name, size in sizes.items():
        if size > MAX_TEXT_BYTES:
            message = f"environment variable {name!r}{owner} is too long: {size:,} bytes of at most {MAX_TEXT_BYTES:,}"
            yield Problem(message, _IN_A_FILE, kind="environment-too-long")
    if (total := sum(sizes.values()) + len(sizes)) > MAX_COMMAND_BYTES:
        message = f"the environment{owner} is too long: {total:,} bytes of at most {MAX_COMMAND_BYTES:,}"
        yield Problem(message, _IN_A_FILE, kind="environment-too-long")


def is_condor_expression(namespace: str, text: str) -> bool:
    """Return whether a value of `condor` is for HTCondor to evaluate, such as `ifthenelse(…)`, and no number."""
    return namespace == "condor" and bool(text.strip()) and text.strip()[0] not in "0123456789.+-"


class _ProfileReader:
    def __init__(self, profiles: Profiles, job_id: str, problems: list[Problem]) -> None:
        self.profiles = profiles
        self.job_id = job_id
        self.problems = problems

    def first(self, read: Callable[[str], T], wanted: str, *keys: str) -> T | None:
        """Return the value of the first of `keys` that is given."""
        for full in keys:
            namespace, _, key = full.partition(".")
            text = self.profiles.get(namespace, {}).get(key)
            if text is None or not text.strip():
                continue
            try:
                return read(text)
            except ValueError:
                if is_condor_expression(namespace, text):
                    continue
                owner = f" of job {self.job_id!r}" if self.job_id else ""
                message = f"profile {full}{owner} is {text!r}; it must be {wanted}"
                self.problems.append(Problem(message, f"change or remove {full}", kind="bad-profile"))
                return None
        return None


def _positive(text: str) -> int:
    number = units.whole(text)
    if number < 1:
        raise ValueError(text)
    return number


def _threads(text: str) -> int:
    return transfer_arguments(text).threads


def _not_negative(text: str) -> int:
    number = units.whole(text)
    if number < 0:
        raise ValueError(text)
    return number


def _mb(text: str) -> int:
    return units.amount_mb(text, "MB")


def _kb(text: str) -> int:
    return units.amount_mb(text, "KB")


def _messages(text: str | None) -> list[str]:
    return [text.replace("+", " ")] if text else []
