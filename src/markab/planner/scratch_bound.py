"""Bounding scratch: an order of the jobs in which their files fit, and the cleanup jobs that make room for that.

What `--cleanup constraint` adds in place of the jobs of `inplace`. It adds no edges between jobs: the engine holds each
job back until the rest of the order still fits after it, by the sizes that it has measured by then
(`engine/scratch_space.py`). So jobs run at once wherever there is room, and what is smaller than
predicted is of use. A run that cannot fit is a problem, with the job and the bytes that it lacks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from markab.errors import DocumentError, Problem
from markab.formatting import count, size
from markab.plan.model import BoundedScratch, Kind, PlannedJob
from markab.planner.draft import Cleanup, Context, Draft
from markab.planner.file_sizes import ASSUMED_SIZE, amount, predicted_sizes
from markab.planner.graph import sorted_unique
from markab.planner.scratch_order import NO_SITE, Order, ScratchFile, SpaceNeed, find_order, sufficient_bounds
from markab.spec.properties import Properties
from markab.spec.suggestions import did_you_mean

CONSTRAINT = "pegasus.file.cleanup.constraint"
MAXSPACE = "pegasus.file.cleanup.constraint.maxspace"
MOST_BYTES = 10 * 2**30
"""As Pegasus has it, where no bound is given."""
_BRINGING = (Kind.STAGE_IN, Kind.STAGE_INTER)


def bound_of(properties: Properties, site: str) -> int:
    """Return the bound on the scratch of a site in bytes: its own, or that for all. Raises DocumentError."""
    keys = [f"{CONSTRAINT}.{site}.maxspace", MAXSPACE]
    key = next((key for key in keys if properties.get(key, "").strip()), keys[0])
    return amount(properties, key, MOST_BYTES)


def wrong_bounds(properties: Properties) -> Iterator[Problem]:
    """Yield a problem for each bound, and for the size that is assumed, that is no amount."""
    keys = [key for key in properties if key.startswith(f"{CONSTRAINT}.") and key.endswith(".maxspace")]
    for key in [*keys, ASSUMED_SIZE]:
        try:
            amount(properties, key, 0)
        except DocumentError as error:
            yield from error.problems


def bound_warnings(properties: Properties, sites: Collection[str], cleanup: Cleanup) -> Iterator[Problem]:
    """Yield a warning for each bound that can have no effect. `sites` are those of the run."""
    before, after = f"{CONSTRAINT}.", ".maxspace"
    for key in properties:
        if not key.startswith(before) or not key.endswith(after) or not properties[key].strip():
            continue
        site = key[len(before) : -len(after)]
        hint = f"use --cleanup constraint, or remove {key!r}"
        if cleanup != "constraint":
            why = f"the cleanup strategy is {cleanup!r}"
        elif key != MAXSPACE and site not in sites:
            why, hint = (
                f"there is no site {site!r}",
                did_you_mean(site, sites, f"known sites: {', '.join(sites)}"),
            )
        else:
            continue
        problem = properties.problem(key, why)
        message = f"property {key!r} does nothing: {why}"
        yield Problem(message, hint, problem.file, problem.line, "scratch-bound")


class BoundedFiles:
    """The files of a draft in the scratch of each site, as `find_order` takes them."""

    def __init__(self, draft: Draft, context: Context, keep: set[str]) -> None:
        self.sites = list(draft.scratch)
        self.draft, self.context = draft, context
        self.sizes = predicted_sizes(draft, context)
        self.bounds = [bound_of(context.properties, site) for site in self.sites]
        self.lfns: list[str] = []
        """By number of a file."""
        self.files: list[ScratchFile] = []
        self.kept: dict[int, dict[str, int]] = defaultdict(dict)
        """Job → lfn → bytes of the files it makes or brings that are not removed."""
        adds: dict[int, int] = defaultdict(int)
        links = _links(draft)
        for number, (site, users_of) in enumerate(draft.scratch.items()):
            for lfn, users in users_of.items():
                size_bytes = 0 if (site, lfn) in links else self.sizes.of(lfn)
                maker = _maker(draft, site, lfn, users)
                adds[maker] += size_bytes
                if lfn in keep:
                    self.kept[maker][lfn] = size_bytes
                else:
                    self.lfns.append(lfn)
                    self.files.append(ScratchFile(number, size_bytes, sorted_unique(users)))
        self.needs = list(self._needs(adds))

    def _needs(self, adds: dict[int, int]) -> Iterator[SpaceNeed]:
        draft, numbers = self.draft, {site: number for number, site in enumerate(self.sites)}
        for job, found in enumerate(draft.jobs):
            if type(found) is tuple:
                placement = draft.placements[job]
                own = 0 if placement.data == "sharedfs" else sum(map(self.sizes.of, self._read(job)))
                yield SpaceNeed(numbers.get(placement.staging, NO_SITE), own, adds[job])
            elif isinstance(found, PlannedJob) and job in adds:
                yield SpaceNeed(numbers[found.staging], 0, adds[job])
            else:
                yield SpaceNeed()

    def _read(self, job: int) -> set[str]:
        """Return what is copied into the directory of a job."""
        draft = self.draft
        lfns = {use.lfn for use in draft.inputs(job) if use.lfn not in draft.absent}
        return lfns | {each.staged_as for each in draft.placements[job].staged if each.staged_as}


def _links(draft: Draft) -> set[tuple[str, str]]:
    """Return (site, lfn) of the inputs that are links in scratch."""
    return {
        (job.staging, each.lfn) for _, job in draft.auxiliary_jobs() for each in job.transfers if each.link
    }


def _maker(draft: Draft, site: str, lfn: str, users: Sequence[int]) -> int:
    """Return the job that makes or brings a file: a transfer to that site, else the job that outputs it."""
    for user in users:
        planned = draft.jobs[user]
        if isinstance(planned, PlannedJob) and planned.staging == site and planned.kind in _BRINGING:
            return user
    return draft.producer.get(lfn, users[0])


def bounded_order(draft: Draft, context: Context, keep: set[str]) -> tuple[BoundedFiles, Order] | None:
    """Return the files and an order in which they fit, and fill `bounded`; None: it cannot be, which was noted.

    Results to `keep` stay in scratch.
    """
    files = BoundedFiles(draft, context, keep)
    files.sizes.warn_of_unknown(context)
    order = find_order(draft.parents, files.needs, files.files, files.bounds)
    if order.lack is not None:
        _note_lack(files, order)
        return None
    for site, bound, peak in zip(files.sites, files.bounds, order.peaks, strict=True):
        draft.bounded[site] = BoundedScratch(bound, peak)
    return files, order


def _note_lack(files: BoundedFiles, order: Order) -> None:
    """Note the largest job of those that fit into no order; if there are none, the first that did not fit into the best."""
    assert order.lack is not None
    bounds, needs, least = files.bounds, files.needs, _least_bytes(files)
    too_large = [
        job for job, need in enumerate(needs) if need.site != NO_SITE and least[job] > bounds[need.site]
    ]
    job = max(too_large, key=lambda job: (least[job], -job), default=order.lack.job)
    number = needs[job].site
    site, bound = files.sites[number], bounds[number]
    if too_large:
        what = (
            f"needs {_bytes(least[job])} for its own files at one time, {_bytes(least[job] - bound)} too many"
        )
        if more := len(too_large) - 1:
            what += f"; {count(more, 'other job')} {'need' if more > 1 else 'needs'} more than the bound too"
    else:
        lacking = _bytes(order.lack.bytes_lacking)
        what = f"lacks {lacking} beside the files that others still need, in the best order that was found"
    enough = sufficient_bounds(files.draft.parents, needs, files.files, bounds)
    files.context.problem(
        "scratch-bound",
        f"the run does not fit into the bound of {_bytes(bound)} on the scratch of site {site!r}: "
        f"job {files.draft.title_of(job)} {what}",
        f"give it more: `-D {CONSTRAINT}.{site}.maxspace={enough[number]}` is enough",
    )


def _least_bytes(files: BoundedFiles) -> list[int]:
    """Return, by job, the bytes that are in the scratch of its site at least while it runs: its files, and its copies."""
    least = [need.own_bytes for need in files.needs]
    for lfn_file in files.files:
        for user in lfn_file.users:
            if files.needs[user].site == lfn_file.site:
                least[user] += lfn_file.size_bytes
    return least


def _bytes(number: int) -> str:
    return f"{size(number)} ({number:,} bytes)" if number >= 1000 else f"{number} bytes"
