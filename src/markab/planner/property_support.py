"""Planning says which properties are set and have no effect in this version."""

from __future__ import annotations

from collections.abc import Iterator

from markab.plan.model import LOCAL
from markab.planner.draft import Context
from markab.planner.site_executors import executor_of
from markab.planner.transfer_groups import ARGUMENTS, LITE_ARGUMENTS, given_arguments
from markab.spec.profile_keys import Effect
from markab.spec.property_keys import PropertyKey, find_property
from markab.spec.suggestions import did_you_mean


def warn_of_unsupported_properties(context: Context) -> None:
    """Warn once of the properties that are set to another value than their default and have no effect yet."""
    found = []
    for key, value in context.properties.items():
        row = find_property(key)
        if row is not None and row.effect is Effect.NOT_YET and not _is_default(row, value):
            is_word = value.lower() in (choice.lower() for choice in row.choices)
            found.append(f"{key!r} = {value}" if is_word else repr(key))  # other values may be passwords
    for key in (ARGUMENTS, LITE_ARGUMENTS):
        if others := given_arguments(context, key).others:
            context.warn("unsupported", f"property {key!r}: {' '.join(others)} has no effect; -n and -m have")
    sites = {name for name in _transfer_sites(context) if name != "*" and name not in context.sites}
    for name in sorted(sites):
        context.warn(
            "unsupported",
            f"a property pegasus.transfer.….remote.sites names the site {name!r}, which there is not",
            did_you_mean(name, context.sites, "correct it"),
        )
    for name, site in context.sites.items():
        named = _transfer_sites(context) if executor_of(site) != LOCAL else ()
        if name in named:
            context.warn(
                "unsupported",
                f"a property pegasus.transfer.….remote.sites names the site {name!r}, whose jobs do not run on this "
                "machine: its transfer jobs do",
                "remove it, or let its jobs move their inputs themselves (pegasus.transfer.bypass.input.staging)",
            )
    if found:
        what = f"property {found[0]} does" if len(found) == 1 else f"properties {', '.join(found)} do"
        context.warn(
            "unsupported",
            f"{what} nothing in this version",
            "see docs/reference/properties.md for what does",
        )


def _transfer_sites(context: Context) -> Iterator[str]:
    """Yield the sites at which transfer jobs are to run."""
    for key, value in context.properties.under("pegasus.transfer").items():
        if key.endswith(".remote.sites"):
            yield from (name for part in value.split(",") if (name := part.strip()))


def _is_default(row: PropertyKey, value: str) -> bool:
    return value.strip().lower() in (row.default.lower(), "")
