"""The slots of the submit host that a plan gives to its jobs.

They are those of the properties `markab.slots.…`, which flags and `--forward` set
too, else the largest that a site of the run gives in its profiles `pegasus.slots.…`.
What neither gives is detected by the engine that runs the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markab.errors import Problem
from markab.plan.model import LOCAL, GivenSlots
from markab.planner.draft import Context, Draft
from markab.planner.site_executors import executor_of
from markab.spec import units
from markab.spec.model import Site
from markab.spec.profiles import canonical
from markab.spec.properties import Properties
from markab.spec.suggestions import did_you_mean

FORWARDED = {
    "cores": "markab.slots.cores",
    "memory": "markab.slots.memory",
    "gpus": "markab.slots.gpus",
    "max-jobs": "dagman.maxjobs",
}
"""Option of `markab run` that can be handed on to it → the property that holds its value in the plan."""

_WITHOUT_EFFECT = ("grid", "nogrid", "json", "verbose", "debug", "conf")
"""Further options of `pegasus-run`; those of Markab's have no effect either."""


def forwarded_properties(words: Iterable[str], problems: list[Problem]) -> dict[str, str]:
    """Return the properties that the values of `--forward` set; an option that `markab run` does not have is a problem."""
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        name = name.strip().lstrip("-")
        if name in FORWARDED:
            found[FORWARDED[name]] = value.strip()
        elif name not in _WITHOUT_EFFECT:
            hint = did_you_mean(name, FORWARDED, f"what can be handed on: {', '.join(FORWARDED)}")
            message = f"--forward hands on an option of the run, and it has no option {name!r}"
            problems.append(Problem(message, hint, kind="unknown-option"))
    return found


def given_slots(draft: Draft, context: Context) -> GivenSlots:
    """Return the slots that the plan gives to jobs on the submit host."""
    properties = context.properties
    names = {placement.site for placement in draft.placements}
    sites = [site for name, site in context.sites.items() if name in names and executor_of(site) == LOCAL]
    memory = properties.get("markab.slots.memory", "").strip()
    cores, gpus = _whole(properties, "markab.slots.cores"), _whole(properties, "markab.slots.gpus")
    return GivenSlots(
        _largest(sites, "slots.cores", context) if cores is None else cores,
        units.amount_mb(memory, "MB") if memory else _largest(sites, "slots.memory", context),
        _largest(sites, "slots.gpus", context) if gpus is None else gpus,
    )


def _whole(properties: Properties, key: str) -> int | None:
    return properties.integer(key, 0) if properties.get(key, "").strip() else None


def _largest(sites: Sequence[Site], key: str, context: Context) -> int | None:
    """Return the largest amount that one of the sites gives in a profile; None if none does."""
    found = []
    for site in sites:
        text = canonical(site.profiles).get("pegasus", {}).get(key)
        if text is None:
            continue
        try:
            number = units.amount_mb(text, "MB") if key == "slots.memory" else units.whole(text)
            if number < (0 if key == "slots.gpus" else 1):
                raise ValueError(text)
        except ValueError:
            context.problem(
                "bad-profile",
                f"profile pegasus.{key} of site {site.name!r} is {text!r}; it must be "
                + ("an amount such as '2048' (MB) or '2 GB'" if key == "slots.memory" else "a whole number"),
                f"change or remove pegasus.{key}",
            )
        else:
            found.append(number)
    return max(found, default=None)
