"""The profile key and the conversion of each keyword of the `add_…_profile` helpers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

Value = str | int | float
Rule = tuple[str, Callable[[Any], Value]]

_UNITS_MB: dict[str, int] = {
    unit: 1024**power for power, unit in enumerate(("MB", "GB", "TB", "PB", "EB", "ZB", "YB"))
}
_QUANTITY = re.compile(rf"\s*(\d+)(?:e\+?(\d{{1,2}}))?\s*({'|'.join(_UNITS_MB)})?\s*", re.IGNORECASE)


def as_value(value: object) -> Value:
    """Return `value` as it is written in a document: `True` and `False`, and paths, as text."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Enum):
        return str(value.value)
    return str(value)


def to_mb(value: object) -> int:
    """Return `"2 GB"`, in any case of letters, as 2048; a bare number is in MB already. Multiples are binary.

    Raises:
        ValueError: it is not a whole number, with or without an exponent and a unit.
    """
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        units = " ".join(_UNITS_MB)
        raise ValueError(f"{value!r} is not a size: write a whole number and one of {units}, as in '2 GB'")
    number, exponent, unit = match.groups()
    return int(number + "0" * int(exponent or 0)) * _UNITS_MB[(unit or "MB").upper()]


def to_kb(value: object) -> int:
    """Return `"1 MB"` as 1024; a bare number is in MB. Raises as `to_mb`."""
    return to_mb(value) * 1024


def _rules(dotted: str = "", same: str = "", megabytes: str = "", **others: str) -> dict[str, Rule]:
    """Return the table of a namespace: keywords whose `_` becomes `.`, that are their own keys, or that have another key."""
    rules: dict[str, Rule] = {keyword: (keyword.replace("_", "."), as_value) for keyword in dotted.split()}
    rules.update({keyword: (keyword, as_value) for keyword in same.split()})
    rules.update({keyword: (keyword, to_mb) for keyword in megabytes.split()})
    rules.update({keyword: (key, as_value) for keyword, key in others.items()})
    return rules


PEGASUS = MappingProxyType(
    {
        **_rules(
            dotted=(
                "clusters_num clusters_size job_aggregator job_aggregator_arguments stagein_clusters "
                "stagein_local_clusters stagein_remote_clusters stageout_clusters stageout_local_clusters "
                "stageout_remote_clusters change_dir create_dir transfer_proxy checkpoint_time glite_arguments "
                "auxillary_local condor_arguments_quote data_configuration container_arguments "
                "container_launcher container_launcher_arguments relative_submit_dir"
            ),
            same=(
                "group style pmc_request_cpus pmc_priority pmc_task_arguments runtime cores gpus nodes ppn "
                "queue project label pegasus_lite_env_source SSH_PRIVATE_KEY tag"
            ),
            megabytes="pmc_request_memory memory diskspace",
            clusters_max_runtime="clusters.maxruntime",
            grid_start="gridstart",
            grid_start_path="gridstart.path",
            grid_start_arguments="gridstart.arguments",
            grid_start_launcher="gridstart.launcher",
            grid_start_launcher_arguments="gridstart.launcher.arguments",
            exitcode_failure_msg="exitcode.failuremsg",
            exitcode_success_msg="exitcode.successmsg",
            max_walltime="maxwalltime",
            boto_config="BOTO_CONFIG",
        ),
        **{
            f"{name}_expr": (f"{name.replace('_', '.')}.expr", as_value)
            for name in [
                "glite_arguments",
                "runtime",
                "cores",
                "gpus",
                "memory",
                "diskspace",
                "queue",
                "project",
            ]
        },
    }
)

CONDOR = MappingProxyType(
    {
        **_rules(
            same=(
                "universe periodic_release periodic_remove stream_error stream_output priority request_cpus "
                "request_gpus requirements should_transfer_files when_to_transfer_output condor_collector "
                "grid_resource cream_attributes"
            ),
            megabytes="request_memory",
            filesystem_domain="filesystemdomain",
        ),
        "request_disk": ("request_disk", to_kb),
    }
)

DAGMAN = MappingProxyType(
    _rules(
        pre="PRE",
        pre_arguments="PRE.ARGUMENTS",
        post="POST",
        post_arguments="POST.ARGUMENTS",
        post_scope="POST.SCOPE",
        retry="RETRY",
        category="CATEGORY",
        priority="PRIORITY",
        abort_dag_on="ABORT-DAG-ON",
        max_pre="MAXPRE",
        max_post="MAXPOST",
        max_jobs="MAXJOBS",
        max_idle="MAXIDLE",
    )
)

GLOBUS = MappingProxyType(
    _rules(
        same="count project queue",
        job_type="jobtype",
        max_cpu_time="maxcputime",
        max_time="maxtime",
        max_wall_time="maxwalltime",
    )
    | {"max_memory": ("maxmemory", to_mb), "min_memory": ("minmemory", to_mb)}
)

SELECTOR = MappingProxyType(_rules(same="pfn", execution_site="execution.site", grid_job_type="grid.jobtype"))


def profiles_from_keywords(
    rules: Mapping[str, Rule], keywords: Mapping[str, object], helper: str
) -> dict[str, Value]:
    """Return the profiles for `keywords` of the method `helper`; keywords that are None are left out.

    Raises:
        TypeError: the helper has no such keyword.
        ValueError: a value is invalid for its key.
    """
    found: dict[str, Value] = {}
    for keyword, value in keywords.items():
        rule = rules.get(keyword)
        if rule is None:
            raise TypeError(_unknown(keyword, rules, helper))
        if value is not None:
            key, convert = rule
            found[key] = convert(value)
    return found


def _unknown(keyword: str, rules: Mapping[str, Rule], helper: str) -> str:
    from difflib import get_close_matches

    like = get_close_matches(keyword, rules, n=1)
    hint = f"did you mean {like[0]!r}?" if like else "use add_profiles(namespace, key, value) for other keys"
    return f"{helper}() has no keyword {keyword!r}: {hint}"
