"""Checks that the properties that planning reads have valid values, all of them before planning begins."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markab.errors import DocumentError, Problem
from markab.plan.model import INTEGRITY_CHECKS
from markab.planner import site_callout
from markab.planner.clustering import PREFERENCE
from markab.planner.executables import MAPPER, MAPPERS, SELECTOR, SELECTORS
from markab.planner.job_aggregator import AGGREGATOR, AGGREGATORS, FIRST_FAILURE_ENDS
from markab.planner.modes import MODES
from markab.planner.output_map import mapper_problems
from markab.planner.replica_order import replica_order
from markab.planner.reuse_locations import reuse_locations
from markab.planner.reuse_policy import REUSE_POLICIES, REUSE_POLICY
from markab.planner.scratch_bound import wrong_bounds
from markab.planner.scratch_directories import STRATEGIES, STRATEGY
from markab.planner.shell_hooks import AT_ONCE, ENABLED, LIMIT
from markab.planner.site_choice import POLICIES
from markab.planner.transfer_groups import ARGUMENTS, LITE_ARGUMENTS, PRIORITIES, REFINER, REFINERS, THREADS
from markab.spec import units
from markab.spec.profiles import resources
from markab.spec.properties import Properties
from markab.spec.transfer_arguments import transfer_arguments

_FLAGS = (
    FIRST_FAILURE_ENDS,
    "pegasus.register",
    "pegasus.register.deep",
    "pegasus.transfer.links",
    "pegasus.transfer.bypass.input.staging",
    "pegasus.parser.dax.data.dependencies",
    "pegasus.dir.useTimestamp",
    "pegasus.dir.storage.deep",
    "markab.keep.failed",
    "markab.fail.fast",
    "markab.retry.by.cause",
    "markab.lfn.absolute",
    ENABLED,
)
_CHOICES: dict[str, tuple[str, ...]] = {
    AGGREGATOR: AGGREGATORS,
    "pegasus.selector.site": (*POLICIES, site_callout.NAME),
    site_callout.KEEP: site_callout.KEPT,
    MAPPER: MAPPERS,
    SELECTOR: SELECTORS,
    "pegasus.mode": tuple(MODES),
    "pegasus.integrity.checking": INTEGRITY_CHECKS,
    "pegasus.file.cleanup.scope": ("fullahead", "deferred"),
    REUSE_POLICY: REUSE_POLICIES,
    REFINER: REFINERS,
    STRATEGY: STRATEGIES,
    PREFERENCE: ("runtime",),
}
_SMALLEST = {
    "dagman.retry": 0,
    "dagman.maxjobs": 0,
    "pegasus.job.priority": -1_000_000,
    site_callout.TIMEOUT: 0,
    AT_ONCE: 0,
    LIMIT: 0,
    "pegasus.transfer.threads": 1,
    "pegasus.parser.document.size": 1,
    "pegasus.dir.storage.mapper.hashed.levels": 0,
    **dict.fromkeys(THREADS.values(), 1),
    **dict.fromkeys(PRIORITIES.values(), -(10**9)),
    "markab.slots.cores": 1,
    "markab.slots.gpus": 0,
    "pegasus.file.cleanup.clusters.num": 1,
    "pegasus.file.cleanup.clusters.size": 1,
}
"""Key → the smallest whole number it may be."""
_MEMORY = "markab.slots.memory"
_SUBMIT_MODE = "markab.dir.submit.mode"


def submit_directory_mode(properties: Properties) -> int:
    """Return the permissions of a new submit directory.

    Raises:
        DocumentError: they are not written in octal, or the user has not all of them.
    """
    text = properties.get(_SUBMIT_MODE, "0700")
    if not re.fullmatch(r"[0-7]?7[0-7][0-7]", text):
        raise DocumentError(
            properties.problem(_SUBMIT_MODE, "it must be permissions in octal, such as 0700, 0750 or 2770")
        )
    return int(text, 8)


def wrong_values(properties: Properties) -> list[Problem]:
    """Return a problem for each property whose value cannot be used; one that is a profile too is named once."""
    return list({problem.message: problem for problem in _problems(properties)}.values())


def _profile_problems(properties: Properties) -> Iterator[Problem]:
    """Yield a problem for each property that is a profile of all jobs and has a wrong value; said once, not for each job."""
    for namespace, keys in properties.profiles().items():
        for key, value in keys.items():
            found: list[Problem] = []
            resources({namespace: {key: value}}, problems=found)
            for problem in found:
                _, semicolon, wanted = problem.message.rpartition("; ")
                name = properties.keys_of_profile(namespace, key)[-1]
                yield properties.problem(name, wanted) if semicolon else problem


def _problems(properties: Properties) -> Iterator[Problem]:
    for key in _FLAGS:
        try:
            properties.flag(key)
        except DocumentError as error:
            yield from error.problems
    for key, words in _CHOICES.items():
        try:
            properties.choice(key, words, words[0])
        except DocumentError as error:
            yield from error.problems
    try:
        submit_directory_mode(properties)
    except DocumentError as error:
        yield from error.problems
    memory = properties.get(_MEMORY, "").strip()
    try:
        is_right = not memory or units.amount_mb(memory, "MB") >= 1
    except ValueError:
        is_right = False
    if not is_right:
        yield properties.problem(_MEMORY, "it must be an amount such as '2048' (MB) or '2 GB'")
    yield from wrong_bounds(properties)
    try:
        replica_order(properties)
    except DocumentError as error:
        yield from error.problems
    try:
        reuse_locations(properties)
    except DocumentError as error:
        yield from error.problems
    yield from mapper_problems(properties)
    policy = properties.get("pegasus.selector.site", "").strip().lower()
    if policy == site_callout.NAME.lower() and not properties.get(site_callout.PATH, "").strip():
        yield properties.problem("pegasus.selector.site", f"it needs the property {site_callout.PATH!r} too")
    throttles = {f"dagman.{name}": 0 for name in properties.under("dagman.") if name.endswith(".maxjobs")}
    for key, smallest in (_SMALLEST | throttles).items():
        try:
            is_right = properties.integer(key, smallest) >= smallest
        except DocumentError:
            is_right = False
        if not is_right:
            yield properties.problem(key, f"it must be a whole number from {smallest}")
    for key in (ARGUMENTS, LITE_ARGUMENTS):
        try:
            transfer_arguments(properties.get(key, ""))
        except ValueError as error:
            yield properties.problem(key, str(error))
    yield from _profile_problems(properties)
