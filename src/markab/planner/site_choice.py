"""Choosing among the sites that can run a job: the policies of the property `pegasus.selector.site`. Pure.

| policy | what it does |
|---|---|
| Random | one of them, from a generator seeded with the workflow's name; the default |
| RoundRobin | the one that has the fewest jobs of the same level; of these, the one that got a job longest ago |
| Group | jobs whose profile `pegasus.group` is the same run at one site; the others as with Random |
| Heft | the one where the job ends first, by the profile `runtime` |

A job of which a profile names the site, or that only one site can run, goes there, and counts in the others' choices.
Source of the policies: Pegasus 5, "Site Selection".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from markab.errors import Problem
from markab.planner.graph import children_of, topological_order

TRANSFER_S = 0.4
"""What Heft counts for files that move from one site to another: 2 MB at 5 MB/s, the figures of Pegasus."""
UNKNOWN_S = 1.0
"""What it counts for a task without the profile `runtime`."""
PROCESSORS = 10
"""How many it counts for a site without the profile `slots.cores`; the figure of Pegasus."""


@dataclass(frozen=True, slots=True)
class SiteChoice:
    """The jobs of a workflow, and where each of them can run."""

    sites: Mapping[int, Sequence[str]]
    """Job → sites, at least one, in the order in which the user named them."""
    parents: Sequence[Sequence[int]]
    levels: Sequence[int]
    names: Callable[[int], str]
    """Job → its name, for messages."""
    random: Random
    groups: Mapping[int, str] = field(default_factory=dict)
    """Job → its group, of those that have one."""
    runtimes_s: Mapping[int, float] = field(default_factory=dict)
    """Job → how long it runs, of those for which that is given."""
    processors: Mapping[str, int] = field(default_factory=dict)
    """Site → how many jobs it runs at once, of those for which that is given."""
    problems: list[Problem] = field(default_factory=list)


def at_random(choice: SiteChoice) -> Iterator[tuple[int, str]]:
    """Yield each job with its site."""
    for job, sites in choice.sites.items():
        yield job, sites[0] if len(sites) == 1 else choice.random.choice(sites)


def round_robin(choice: SiteChoice) -> Iterator[tuple[int, str]]:
    """Yield each job with its site; those that have no choice are counted first."""
    numbers: dict[int, Counter[str]] = defaultdict(Counter)
    last: dict[str, int] = {}
    """Site → the last job that was given to it here."""
    for job, sites in choice.sites.items():
        if len(sites) == 1:
            numbers[choice.levels[job]][sites[0]] += 1
    for job, sites in choice.sites.items():
        site = sites[0]
        if len(sites) > 1:
            number = numbers[choice.levels[job]]
            site = min(sites, key=lambda site: (number[site], last.get(site, -1)))
            number[site] += 1
            last[site] = job
        yield job, site


def by_group(choice: SiteChoice) -> Iterator[tuple[int, str]]:
    """Yield each job with its site; a group that no site can run is a problem."""
    common: dict[str, list[str]] = {}
    for job, group in choice.groups.items():
        if sites := choice.sites.get(job):
            common[group] = [site for site in common.get(group, sites) if site in sites]
    chosen = {group: choice.random.choice(sites) for group, sites in common.items() if sites}
    for group in sorted(common.keys() - chosen.keys()):
        members = [choice.names(job) for job, of in choice.groups.items() if of == group]
        shown = ", ".join(members[:3]) + (", …" if len(members) > 3 else "")
        choice.problems.append(
            Problem(
                f"no site can run all jobs of group {group!r}: {shown}",
                "change the profile pegasus.group of some of them, or name more sites with --sites",
                kind="group",
            )
        )
    for job, sites in choice.sites.items():
        group_site = chosen.get(choice.groups.get(job, ""))
        yield job, group_site or (sites[0] if len(sites) == 1 else choice.random.choice(sites))


def earliest_finish(choice: SiteChoice) -> Iterator[tuple[int, str]]:
    """Yield each job with its site: in the order of the longest way to the end, each goes where it ends first.

    Source: H. Topcuoglu, S. Hariri and M. Wu, Performance-effective and low-complexity task scheduling for
    heterogeneous computing, 2002 (HEFT), without insertion; all sites are equally fast.
    """
    runtime = {job: choice.runtimes_s.get(job) or UNKNOWN_S for job in choice.sites}
    rank = _ranks(choice, runtime)
    free: dict[str, list[float]] = {}
    ends: dict[int, tuple[float, str]] = {}
    order = topological_order(choice.parents, [-rank.get(job, 0.0) for job in range(len(choice.parents))])
    for job in order:
        if job not in choice.sites:
            continue
        before = [ends[parent] for parent in choice.parents[job] if parent in ends]
        best: tuple[float, int, str] | None = None
        for position, site in enumerate(choice.sites[job]):
            if site not in free:
                free[site] = [0.0] * choice.processors.get(site, PROCESSORS)
            ready = max((end + TRANSFER_S * (at != site) for end, at in before), default=0.0)
            found = max(ready, free[site][0]) + runtime[job], position, site
            best = found if best is None or found < best else best
        assert best is not None
        end, _, site = best
        heappop(free[site])
        heappush(free[site], end)
        ends[job] = end, site
    for job in choice.sites:
        yield job, ends[job][1]


def _ranks(choice: SiteChoice, runtime: Mapping[int, float]) -> dict[int, float]:
    """Return, for each job, the time from its start to the end of the workflow if nothing has to wait."""
    rank: dict[int, float] = {}
    children = children_of(choice.parents)
    for job in reversed(topological_order(choice.parents, choice.levels)):
        after = max((rank[child] for child in children[job] if child in rank), default=0.0)
        rank[job] = runtime.get(job, 0.0) + (after + TRANSFER_S if after else 0.0)
    return rank


POLICIES: dict[str, Callable[[SiteChoice], Iterator[tuple[int, str]]]] = {
    "Random": at_random,
    "RoundRobin": round_robin,
    "Group": by_group,
    "Heft": earliest_finish,
}
"""The values of `pegasus.selector.site`."""
