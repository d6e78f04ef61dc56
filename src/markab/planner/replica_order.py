"""The order of the replicas of a file: the policies of the property `pegasus.selector.replica`. Pure.

| policy | what it does |
|---|---|
| Default | by nearness: paths of the staging site, of the submit host, of the job's site, then URLs |
| Regex | by the pattern with the lowest rank that matches the whole place; what none matches comes last |
| Restricted | sites that are preferred for the job's site come first; those that are ignored for it are left out |
| Local | paths of site `local` alone; else paths alone; else as Default |

All begin with the order of Default, which decides between equals, and keep every replica that they do not
leave out: a transfer goes on to the next when one fails.
Source of the policies: Pegasus 5, "Replica Selection".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from markab.errors import DocumentError, Problem
from markab.spec.catalog_checks import java_pattern
from markab.spec.model import Pfn, Replica
from markab.spec.properties import Properties
from markab.spec.suggestions import did_you_mean

SELECTOR = "pegasus.selector.replica"
SELECTORS = ("Default", "Regex", "Restricted", "Local")
ALL_SITES = "*"
_RANKS = f"{SELECTOR}.regex.rank"
_OLD_RANKS = "pegasus.selector.regex.rank"
_PREFERRED = ".prefer.stagein.sites"
_IGNORED = ".ignore.stagein.sites"


class Nearness(IntEnum):
    """How near a replica is; the nearest is the best."""

    STAGING = 0
    SUBMIT_HOST = 1
    JOB = 2
    URL = 3
    ELSEWHERE = 4


class UsableReplica(NamedTuple):
    """A place of a file that the submit host can use."""

    nearness: Nearness
    is_elsewhere: bool
    """It is not at the staging site."""
    order: int
    """In the catalog."""
    pfn: Pfn
    size_bytes: int | None


ReplicaOrder = Callable[[Sequence[UsableReplica], str], list[UsableReplica]]
"""Takes replicas, and the site of the job that needs one; returns those that may be used, the best first."""


def by_nearness(replicas: Sequence[UsableReplica], site: str) -> list[UsableReplica]:
    """Return the replicas, the nearest first."""
    return sorted(replicas, key=lambda each: each[:3]) if len(replicas) > 1 else list(replicas)


@dataclass(frozen=True, slots=True)
class ByPattern:
    """The order of the selector Regex."""

    patterns: Sequence[re.Pattern[str]]
    """By rank."""

    def __call__(self, replicas: Sequence[UsableReplica], site: str) -> list[UsableReplica]:
        """Return the replicas, those first that the first pattern matches."""
        return sorted(by_nearness(replicas, site), key=lambda each: self.rank(each.pfn.pfn))

    def rank(self, pfn: str) -> int:
        """Return the number of the first pattern that matches; a path is matched as a `file:` URL, too."""
        forms = (pfn, f"file://{pfn}") if pfn.startswith("/") else (pfn,)
        for number, pattern in enumerate(self.patterns):
            if any(pattern.fullmatch(form) for form in forms):
                return number
        return len(self.patterns)


@dataclass(frozen=True, slots=True)
class BySite:
    """The order of the selector Restricted. A site that is preferred is not ignored."""

    preferred: Mapping[str, Sequence[str]]
    """Site of jobs, or `*` → sites of replicas, the best first."""
    ignored: Mapping[str, Collection[str]]

    def __call__(self, replicas: Sequence[UsableReplica], site: str) -> list[UsableReplica]:
        """Return the replicas that are not ignored, those of preferred sites first."""
        first = [*self.preferred.get(site, ()), *self.preferred.get(ALL_SITES, ())]
        never = {*self.ignored.get(site, ()), *self.ignored.get(ALL_SITES, ())} - set(first)
        kept = [each for each in by_nearness(replicas, site) if each.pfn.site not in never]
        return sorted(
            kept, key=lambda each: first.index(each.pfn.site) if each.pfn.site in first else len(first)
        )


def local_first(replicas: Sequence[UsableReplica], site: str) -> list[UsableReplica]:
    """Return the paths of site `local`; else all paths; else all replicas. The order is that of `by_nearness`."""
    ordered = by_nearness(replicas, site)
    paths = [each for each in ordered if each.nearness is not Nearness.URL]
    return [each for each in paths if each.pfn.site == "local"] or paths or ordered


def replica_order(properties: Properties) -> ReplicaOrder:
    """Return the order that the properties ask for.

    Raises:
        DocumentError: with all that is wrong in them.
    """
    selector = properties.choice(SELECTOR, SELECTORS, "Default")
    if selector == "Regex":
        return ByPattern(_patterns(properties))
    if selector == "Restricted":
        return BySite(*_sites(properties))
    return local_first if selector == "Local" else by_nearness


def selector_warnings(
    properties: Properties, sites: Collection[str], replicas: Iterable[Replica] | None = None
) -> list[Problem]:
    """Return a warning for each property of a selector that can have no effect.

    Args:
        sites: those of the run.
        replicas: those of the catalogs; None: they are not known.
    """
    selector = properties.choice(SELECTOR, SELECTORS, "Default")
    ranks = [key for key, _ in _rank_keys(properties)]
    restricted = {
        key: key[len(SELECTOR) + 1 :].removesuffix(_PREFERRED).removesuffix(_IGNORED)
        for key in properties
        if key.startswith(SELECTOR) and key.endswith((_PREFERRED, _IGNORED))
    }
    unused = [*(ranks if selector != "Regex" else ()), *(restricted if selector != "Restricted" else ())]
    found = [
        _warning(
            properties,
            key,
            f"does nothing: the replica selector is {selector}",
            f"set {SELECTOR} = {'Regex' if key in ranks else 'Restricted'}, or remove it",
        )
        for key in unused
    ]
    if selector == "Regex":
        if not ranks:
            found.append(
                _warning(
                    properties,
                    SELECTOR,
                    "= Regex has no pattern, and is the same as Default",
                    f"set {_RANKS}.1 to a regular expression",
                )
            )
        found += _shadowed(properties)
    if selector == "Restricted":
        found += [
            _warning(
                properties, key, f"does nothing: there is no site {site!r}", did_you_mean(site, list(sites))
            )
            for key, site in restricted.items()
            if site != ALL_SITES and site not in sites
        ]
    if selector == "Restricted" and restricted and replicas is not None:
        known = {pfn.site for replica in replicas for pfn in replica.pfns}
        found += [
            _warning(
                properties,
                key,
                f"names the site {name!r}, which no replica is at",
                did_you_mean(name, sorted(known), "correct it, or ignore this"),
            )
            for key in restricted
            for name in dict.fromkeys(part.strip() for part in properties[key].split(","))
            if name and name != ALL_SITES and name not in known and name not in sites
        ]
    return found


def _warning(properties: Properties, key: str, what: str, hint: str) -> Problem:
    problem = properties.problem(key, what, hint)
    return Problem(f"property {key!r} {what}", hint, problem.file, problem.line, "replica-selector")


def _rank_keys(properties: Properties) -> list[tuple[str, str]]:
    """Return the properties that are patterns, each with the text of its rank."""
    return [
        (key, key[len(prefix) + 1 :])
        for prefix in (_RANKS, _OLD_RANKS)
        for key in properties
        if key.startswith(f"{prefix}.")
    ]


def _ranked(properties: Properties) -> list[tuple[int, str]]:
    """Return the ranks in their order, each with its property; wrong ones are left out."""
    return sorted((int(rank), key) for key, rank in _rank_keys(properties) if rank.isdecimal())


def _patterns(properties: Properties) -> list[re.Pattern[str]]:
    problems = [
        properties.problem(key, f"its rank {rank!r} must be a whole number", f"name it {_RANKS}.1")
        for key, rank in _rank_keys(properties)
        if not rank.isdecimal()
    ]
    found = []
    for _, key in _ranked(properties):
        try:
            found.append(java_pattern(properties[key].strip()))
        except re.error as error:
            hint = "write a regular expression that matches whole URLs, such as file://.*"
            problems.append(properties.problem(key, f"it is not a regular expression: {error}", hint))
    if problems:
        raise DocumentError(*problems)
    return found


def _shadowed(properties: Properties) -> list[Problem]:
    """Return a warning for each pattern behind one that matches every place."""
    keys = [key for _, key in _ranked(properties)]
    general = next((number for number, key in enumerate(keys) if properties[key].strip() == ".*"), len(keys))
    return [
        _warning(
            properties,
            key,
            f"does nothing: {keys[general]!r} has a lower rank, and matches everything",
            f"give '.*' the highest rank, or remove {key!r}",
        )
        for key in keys[general + 1 :]
    ]


def _sites(properties: Properties) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the preferred and the ignored sites, by site of jobs."""
    preferred: dict[str, list[str]] = {}
    ignored: dict[str, list[str]] = {}
    for key, text in properties.under(SELECTOR).items():
        for ending, into in ((_PREFERRED, preferred), (_IGNORED, ignored)):
            if key.endswith(ending):
                names = [name.strip() for name in text.split(",")]
                into[key.removesuffix(ending)] = [name for name in names if name]
    return preferred, ignored
