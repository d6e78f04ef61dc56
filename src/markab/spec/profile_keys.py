"""The known profile keys and their canonical spelling."""

from __future__ import annotations

from markab.spec.schema import NAMESPACES


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PEGASUS = _words("""
    clusters.num clusters.size clusters.maxruntime job.aggregator job.aggregator.arguments collapser bundle
    gridstart gridstart.path gridstart.arguments gridstart.launcher gridstart.launcher.arguments
    stagein.clusters stagein.local.clusters stagein.remote.clusters
    stageout.clusters stageout.local.clusters stageout.remote.clusters
    group change.dir create.dir transfer.proxy transfer.threads transfer.arguments transfer.lite.arguments style
    pmc_request_memory pmc_request_cpus pmc_priority pmc_task_arguments
    exitcode.failuremsg exitcode.successmsg checkpoint.time maxwalltime glite.arguments auxillary.local
    condor.arguments.quote runtime cores gpus nodes ppn memory diskspace data.configuration queue project
    glite.arguments.expr runtime.expr cores.expr gpus.expr memory.expr diskspace.expr queue.expr project.expr
    BOTO_CONFIG SSH_PRIVATE_KEY X509_USER_PROXY S3CFG IRODS_ENVIRONMENT_FILE GOOGLE_PKCS12 PEGASUS_CREDENTIALS
    container.arguments container.launcher container.launcher.arguments label
    pegasus_lite_env_source
    relative.submit.dir relative.dir tag transfer.bypass.input.staging nosymlink enable_for_data_reuse
    worker.node.directory slots.cores slots.memory slots.gpus
""")

DAGMAN = _words("""
    PRE PRE.ARGUMENTS POST POST.ARGUMENTS POST.SCOPE RETRY CATEGORY PRIORITY ABORT-DAG-ON
    MAXPRE MAXPOST MAXJOBS MAXIDLE NOOP
""")

CONDOR = _words("""
    universe periodic_release periodic_remove filesystemdomain stream_error stream_output priority
    request_cpus request_gpus request_memory request_disk requirements should_transfer_files
    when_to_transfer_output condor_collector grid_resource cream_attributes rank
    transfer_input_files transfer_output_files transfer_output transfer_error getenv notification
    concurrency_limits accounting_group accounting_group_user arguments environment executable
""")

GLOBUS = _words("""
    count jobtype maxcputime maxmemory maxtime maxwalltime minmemory project queue
    arguments directory environment executable stdin stdout stderr
""")

SELECTOR = frozenset(("execution.site", "pfn", "grid.jobtype"))

PROHIBITED = {
    "condor": frozenset(("arguments", "environment", "executable")),
    "globus": frozenset(("arguments", "directory", "environment", "executable", "stdin", "stdout", "stderr")),
}
"""Keys that would break what the planner writes itself; dropped with a warning."""

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


def _spellings(namespace: str, keys: frozenset[str]) -> dict[str, str]:
    table = {_dotted(key).lower(): key for key in keys}
    table.update({wrong.lower(): key for wrong, key in _OTHER_SPELLINGS.get(namespace, {}).items()})
    return table


_CANONICAL = {
    "pegasus": _spellings("pegasus", PEGASUS),
    "dagman": _spellings("dagman", DAGMAN),
    "condor": _spellings("condor", CONDOR),
    "globus": _spellings("globus", GLOBUS),
    "selector": _spellings("selector", SELECTOR),
}


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
    if namespace == "pegasus":
        return canonical_key(namespace, key) in PEGASUS
    if namespace == "dagman":
        name = canonical_key(namespace, key)
        return name in DAGMAN or name.upper().startswith("POST.PATH.")
    return namespace in NAMESPACES and bool(key)
