"""Profiles that the properties give to a site by its name; they are stronger than those of its catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from markab.errors import Problem
from markab.plan.model import LOCAL
from markab.spec.model import Profiles, Site
from markab.spec.profile_keys import canonical_key, canonical_namespace
from markab.spec.profiles import canonical
from markab.spec.properties import Properties
from markab.spec.schema import NAMESPACES
from markab.spec.suggestions import did_you_mean

_PREFIX = "pegasus.catalog.site.sites"
REGION = "pegasus.aws.region"
"""Property: the region of every site that names none."""
EXECUTOR = "markab.executor"
"""Property: `local` lets the jobs of every site run on this machine."""


def with_property_profiles(
    sites: Mapping[str, Site], properties: Properties
) -> tuple[dict[str, Site], list[Problem]]:
    """Return the sites with the profiles of the properties, and a warning for each property that no site can have."""
    found, warnings = dict(sites), []
    for key, name, namespace, profile in _given(properties):
        problem = _problem(key, name, namespace, sites)
        if problem is not None:
            warnings.append(problem)
            continue
        namespace = canonical_namespace(namespace)
        added = {namespace: {canonical_key(namespace, profile): properties[f"{_PREFIX}.{key}"]}}
        site = found[name]
        found[name] = msgspec.structs.replace(site, profiles=_joined(site.profiles, added))
    if region := properties.get(REGION, "").strip():
        of_all: Profiles = {"pegasus": {"aws.region": region}}
        found = {
            name: msgspec.structs.replace(site, profiles=_joined(of_all, canonical(site.profiles)))
            for name, site in found.items()
        }
    if properties.choice(EXECUTOR, ("site", LOCAL), "site") == LOCAL:
        here: Profiles = {"pegasus": {"style": LOCAL}}
        found = {
            name: msgspec.structs.replace(site, profiles=_joined(canonical(site.profiles), here))
            for name, site in found.items()
        }
    return found, warnings


def _given(properties: Properties) -> Iterator[tuple[str, str, str, str]]:
    """Yield each key below the prefix, with its site, namespace and profile."""
    for key in properties.under(_PREFIX):
        name, _, rest = key.partition(".profiles.")
        namespace, _, profile = rest.partition(".")
        yield key, name, namespace, profile


def _problem(key: str, name: str, namespace: str, sites: Mapping[str, Site]) -> Problem | None:
    if namespace not in NAMESPACES:
        text, hint = "names no profile of a site", f"write it as {_PREFIX}.SITE.profiles.NAMESPACE.KEY"
    elif name not in sites:
        text, hint = f"does nothing: there is no site {name!r}", did_you_mean(name, list(sites))
    else:
        return None
    return Problem(f"property '{_PREFIX}.{key}' {text}", hint, kind="site-profile")


def _joined(below: Profiles, above: Profiles) -> Profiles:
    return {
        namespace: {**below.get(namespace, {}), **above.get(namespace, {})}
        for namespace in {**below, **above}
    }
