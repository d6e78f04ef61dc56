"""The known profile keys: their canonical spelling, and what this version does with each.

`docs/reference/profiles.md` lists them by their effect, and planning warns of a key
that is set and does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from markab.spec.schema import NAMESPACES
from markab.spec.suggestions import likely


class Effect(Enum):
    """What this version does with a profile key."""

    READ = "read"
    """It has an effect."""
    NEEDLESS = "needless"
    """Nothing, and the run is as requested: it tunes a part of Pegasus that Markab does not have."""
    BATCH = "batch"
    """It is a request to HTCondor or a batch system: nothing, for a job that does not go there."""
    NOT_YET = "not yet"
    """Nothing, and the run is not as requested."""
    DROPPED = "dropped"
    """Nothing: it would contradict what the planner writes itself."""


def _keys(**by_effect: str) -> dict[str, Effect]:
    return {key: Effect[effect] for effect, keys in by_effect.items() for key in keys.split()}


CREDENTIALS = (
    "BOTO_CONFIG",
    "GOOGLE_PKCS12",
    "IRODS_ENVIRONMENT_FILE",
    "PEGASUS_CREDENTIALS",
    "S3CFG",
    "SSH_PRIVATE_KEY",
    "X509_USER_PROXY",
)
"""Keys of `pegasus` that name a secret file of the submit host; a task finds its path in the variable of that name."""

KEYS: dict[str, dict[str, Effect]] = {
    "pegasus": _keys(
        READ=f"""
            {" ".join(CREDENTIALS)}
            cores memory diskspace gpus runtime checkpoint.time maxwalltime exitcode.failuremsg exitcode.successmsg
            data.configuration enable_for_data_reuse transfer.bypass.input.staging transfer.arguments transfer.lite.arguments style slots.cores slots.memory slots.gpus
            stagein.clusters stagein.local.clusters stagein.remote.clusters
            stageout.clusters stageout.local.clusters stageout.remote.clusters
            clusters.num clusters.size clusters.maxruntime label group tag transfer.threads nosymlink
            gridstart.launcher gridstart.launcher.arguments pegasus_lite_env_source cores.expr memory.expr diskspace.expr gpus.expr runtime.expr
            container.arguments container.launcher container.launcher.arguments container.program
            job.aggregator job.aggregator.arguments pmc_request_memory pmc_request_cpus pmc_priority
        """,
        NEEDLESS="""
            gridstart gridstart.path gridstart.arguments change.dir create.dir condor.arguments.quote auxillary.local
            relative.submit.dir transfer.proxy
            collapser bundle pmc_task_arguments
        """,
        BATCH="""
            queue project nodes ppn glite.arguments glite.arguments.expr queue.expr project.expr
            aws.region aws.batch.job_queue aws.batch.job_definition
        """,
        NOT_YET="worker.node.directory",
        DROPPED="relative.dir",
    ),
    "dagman": _keys(
        READ="RETRY CATEGORY PRIORITY NOOP PRE PRE.ARGUMENTS POST POST.ARGUMENTS POST.SCOPE ABORT-DAG-ON",
        NEEDLESS="MAXPRE MAXPOST MAXIDLE MAXJOBS",
    ),
    "condor": _keys(
        READ="request_cpus request_gpus request_memory request_disk priority",
        NEEDLESS="""
            universe grid_resource condor_collector cream_attributes filesystemdomain should_transfer_files
            when_to_transfer_output transfer_output transfer_error stream_error stream_output notification
        """,
        BATCH="""
            requirements rank periodic_release periodic_remove transfer_input_files transfer_output_files getenv
            concurrency_limits accounting_group accounting_group_user
        """,
        DROPPED="arguments environment executable",
    ),
    "globus": _keys(
        BATCH="count jobtype maxcputime maxmemory maxtime maxwalltime minmemory project queue",
        DROPPED="arguments directory environment executable stdin stdout stderr",
    ),
    "markab": _keys(
        READ="environment.requirements environment.conda environment.modules",
        BATCH="""
            kubernetes.image kubernetes.claim kubernetes.hostpath kubernetes.mount kubernetes.namespace kubernetes.account
        """,
    ),
    "selector": _keys(READ="execution.site pfn", NEEDLESS="grid.jobtype"),
}
"""Namespace → key → effect. In `env` any key may stand, and in `condor` any of HTCondor's."""

_OTHER_SPELLINGS = {
    "pegasus": {
        "clusters.max.runtime": "clusters.maxruntime",
        "exitcode.failure.msg": "exitcode.failuremsg",
        "exitcode.success.msg": "exitcode.successmsg",
        "max.walltime": "maxwalltime",
        "grid.start": "gridstart",
        "grid.start.path": "gridstart.path",
        "grid.start.arguments": "gridstart.arguments",
        "grid.start.launcher": "gridstart.launcher",
        "grid.start.launcher.arguments": "gridstart.launcher.arguments",
        "auxiliary.local": "auxillary.local",
    },
    "dagman": {"MAX.PRE": "MAXPRE", "MAX.POST": "MAXPOST", "MAX.JOBS": "MAXJOBS", "MAX.IDLE": "MAXIDLE"},
    "globus": {
        "job.type": "jobtype",
        "max.cpu.time": "maxcputime",
        "max.memory": "maxmemory",
        "max.time": "maxtime",
        "max.wall.time": "maxwalltime",
        "min.memory": "minmemory",
    },
}


def _dotted(key: str) -> str:
    return key.replace("_", ".").replace("-", ".")


def _spellings(namespace: str, keys: Iterable[str]) -> dict[str, str]:
    table = {_dotted(key).lower(): key for key in keys}
    table.update({wrong.lower(): key for wrong, key in _OTHER_SPELLINGS.get(namespace, {}).items()})
    return table


_CANONICAL = {namespace: _spellings(namespace, keys) for namespace, keys in KEYS.items()}


def canonical_namespace(namespace: str) -> str:
    """Return `selector` for its old name `hints`, and every other name as it is."""
    return "selector" if namespace == "hints" else namespace


def canonical_key(namespace: str, key: str) -> str:
    """Return the canonical spelling of a key: `change_dir` → `change.dir`, `retry` → `RETRY`.

    `namespace` is canonical. Unknown keys are returned unchanged.
    """
    table = _CANONICAL.get(namespace)
    return table.get(_dotted(key).lower(), key) if table else key


def is_profile_key(namespace: str, key: str) -> bool:
    """Return whether `<namespace>.<key>` among the properties is a profile for all jobs."""
    if namespace in ("pegasus", "markab"):
        return canonical_key(namespace, key) in KEYS[namespace]
    if namespace == "dagman":
        return effect_of(namespace, canonical_key(namespace, key)) is not None
    return namespace in NAMESPACES and bool(key)


def effect_of(namespace: str, key: str) -> Effect | None:
    """Return what this version does with a key in canonical spelling; None if it is not known.

    HTCondor has more keys than are listed here: of `condor`, a key is unknown only if
    it looks like one that is listed.
    """
    known = KEYS.get(namespace)
    if known is None:
        return Effect.READ if namespace == "env" else Effect.NOT_YET
    if key in known:
        return known[key]
    if namespace == "dagman" and key.upper().startswith("POST.PATH."):
        return Effect.READ
    is_own = key.startswith("+") or key.lower().startswith("my.")
    return Effect.BATCH if namespace == "condor" and (is_own or not likely_key(namespace, key)) else None


def likely_key(namespace: str, key: str) -> str | None:
    """Return the known key that an unknown one is likely to mean."""
    return likely(key, KEYS[namespace], cutoff=0.85 if namespace == "condor" else 0.6)
