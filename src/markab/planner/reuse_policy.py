"""How a plan reuses results: by name, as Pegasus does, or by content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from markab.plan.model import ContentReuse
from markab.planner.options import PlanOptions
from markab.planner.reuse_locations import reuse_locations
from markab.spec.properties import Properties

if TYPE_CHECKING:
    from markab.planner.draft import Context  # a request is looked up without all that planning needs

Policy = Literal["pegasus", "content"]
REUSE_POLICIES: tuple[Policy, ...] = get_args(Policy)
"""The first is the default."""

REUSE_POLICY = "markab.reuse.policy"


def reuse_policy(options: PlanOptions, properties: Properties) -> Policy:
    """Return the policy that the option names, else the property, else the default."""
    given = (options.reuse_policy or "").lower()
    for policy in REUSE_POLICIES:
        if given == policy:
            return policy
    return properties.choice(REUSE_POLICY, REUSE_POLICIES, REUSE_POLICIES[0])


def content_reuse(context: Context) -> ContentReuse | None:
    """Return how the plan reuses results by content; None if it does not, also after noting why it cannot."""
    options, properties = context.options, context.properties
    if reuse_policy(options, properties) != "content":
        return None
    if context.integrity == "none":
        context.problem(
            "reuse-policy",
            "results cannot be reused by content without checksums: property pegasus.integrity.checking is 'none'",
            "set it to full, or plan with --reuse-policy pegasus",
        )
        return None
    places = reuse_locations(properties, options.directory)
    return ContentReuse(
        index=places.index_file or "",
        store=(places.store_directory or "") if places.store_bytes else "",
        store_bytes=places.store_bytes,
        finds=not options.force,
    )
