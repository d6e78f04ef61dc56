"""Staging in: jobs that bring inputs and executables to the staging sites.

Inputs come from their replicas, and files that a job at another staging site made
from the scratch there (inter-site transfers). A file is brought to a site once,
for the highest level that reads it.

After the choice of sites, which decides where files must be; before the passes
that serve these jobs too (directories, cleanup). Guarantees to them: every file
that a job reads is in the scratch of its staging site, or bypasses it, once the
job's parents are done; `scratch` names every job that reads, makes or brings a file
there.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from markab.errors import Problem
from markab.formatting import count
from markab.plan.model import Kind, Place, PlannedJob, Transfer
from markab.planner import job_names
from markab.planner.draft import Context, Draft, RawInput
from markab.planner.placement import Executable, Placement
from markab.planner.places import local_path
from markab.planner.replica_selection import UNSUPPORTED_SCHEME, select_executables, select_replicas
from markab.planner.transfer_groups import (
    CATEGORY,
    first_names,
    transfer_groups,
    transfer_priority,
    transfer_threads,
)
from markab.spec.lfn import lfn_fault
from markab.spec.model import Replica, Use
from markab.transfers.base import scheme_of
from markab.transfers.tree_names import declared_name, is_tree


def stage_in(draft: Draft, context: Context) -> None:
    """Add stage-in and inter-site jobs."""
    collected = _Transfers(draft, context)
    levels = draft.levels
    for job in sorted((job for job, _ in draft.task_jobs()), key=levels.__getitem__):
        placement = draft.placements[job]
        for use in draft.inputs(job):
            collected.add_file(job, use, placement)
        for executable in placement.staged:
            collected.add_executable(job, executable, placement)
    collected.check_shared_names()
    _note_missing(collected.missing, context)
    _note_schemes(collected.unsupported, context)
    _warn_of_ambiguous_patterns(context)
    _warn_of_bypass(collected.contradicted, context)
    collected.add_jobs()
    _note_files_of_jobs(draft)


PRIORITY_STEPS = 99
"""Of the jobs that bring files for one level, each has a lower priority than that before it, down to this much less."""


class _Key(NamedTuple):
    """What one transfer job is for."""

    kind: Kind
    site: str
    level: int
    group: int


class _Transfers:
    """Collects the transfers to the staging sites, then makes the jobs."""

    def __init__(self, draft: Draft, context: Context) -> None:
        self.draft = draft
        self.context = context
        self.groups = transfer_groups(draft, context, "stagein")
        self.transfer_jobs: dict[tuple[str, str], _Key] = {}
        """(staging site, lfn) → the transfer job that stages it."""
        self.transfers: dict[_Key, list[tuple[str, Transfer]]] = defaultdict(list)
        """With the staging site from which each comes, if it comes from one."""
        self.readers: dict[_Key, set[int]] = defaultdict(set)
        self.makers: dict[_Key, set[int]] = defaultdict(set)
        self.missing: dict[str, list[str]] = defaultdict(list)
        """Lfn without a replica → names of the jobs that read it."""
        self.unsupported: dict[frozenset[str], list[Problem]] = defaultdict(list)
        """URL schemes, none of them supported → files that have replicas of these only."""
        self.checkpoints: set[str] = set()
        """Lfns of inputs that a job writes anew."""
        self.unlinked: set[tuple[str, str]] = set()
        """(Staging site, lfn) of files to which a job that reads them wants no link."""
        self.contradicted: list[str] = []
        """Names of files that are to bypass the staging site and cannot, each with its job."""
        self.unusable: set[str] = set()
        """Lfns of files whose replicas cannot be used, which was noted."""
        self.files: set[str] = set()
        """Lfns of inputs of the workflow."""
        self.staged: set[str] = set()
        """Lfns of staged executables, which a file of the workflow must not share."""

    def add_file(self, job: int, use: Use, placement: Placement) -> None:
        """Add the transfer of an input, if it needs one."""
        draft, lfn = self.draft, use.lfn
        made_by = draft.producer.get(lfn)
        if made_by is not None and made_by != job:
            source = draft.placements[made_by].staging
            if source != placement.staging:
                self._add(
                    job, placement.staging, Kind.STAGE_INTER, Transfer(lfn, [Place(source, "")], []), source
                )
                self.makers[self.transfer_jobs[placement.staging, lfn]].add(made_by)
            return
        if (raw := draft.raw_input(job, lfn)) is None:
            raw = self._look_up(job, use, placement)
        if raw is None:
            return
        # What a job writes too is its own copy: through a link, or in place, it would change the user's file.
        is_written = (
            made_by == job or use.type == "checkpoint" or is_tree(lfn)
        )  # which is unpacked for each job
        if is_written or placement.data == "sharedfs":
            if use.bypass:
                self.contradicted.append(f"{lfn!r} of job {draft.title_of(job)}")
        elif raw.direct and (use.bypass or placement.bypass):
            draft.bypassed.add((job, lfn))
            return
        if not placement.links:
            self.unlinked.add((placement.staging, lfn))
        if use.type == "checkpoint":
            self.checkpoints.add(lfn)
        transfer = self._transfer(lfn, raw, placement.staging)
        transfer.link = transfer.link and not is_written
        self._add(job, placement.staging, Kind.STAGE_IN, transfer)

    def _look_up(self, job: int, use: Use, placement: Placement) -> RawInput | None:
        lfn = use.lfn
        if (found := self.draft.found.get(lfn)) is not None:
            self.draft.raw[placement.site, placement.staging, lfn] = found
            return found
        if lfn in self.missing:
            self.missing[lfn].append(self.draft.title_of(job))
            return None
        if lfn in self.draft.absent or lfn in self.unusable:
            return None
        replica: Replica | None = self.context.replicas.lookup(lfn)
        if replica is None:
            if use.optional or use.type == "checkpoint" or lfn in self.context.promised:
                self.draft.absent.add(lfn)
            else:
                self.missing[lfn].append(self.draft.title_of(job))
            return None
        self.files.add(lfn)
        needed_by = f"task {self.draft.title_of(job)}"
        raw = select_replicas(replica, placement.site, placement.staging, needed_by, self.context)
        if raw is not None:
            self.draft.raw[placement.site, placement.staging, lfn] = raw
            return raw
        self.unusable.add(lfn)
        if self.context.problems[-1].kind == UNSUPPORTED_SCHEME:
            schemes = frozenset(scheme_of(pfn.pfn) for pfn in replica.pfns)
            self.unsupported[schemes].append(self.context.problems.pop())
        return None

    def add_executable(self, job: int, executable: Executable, placement: Placement) -> None:
        """Add the transfer of an executable that is staged."""
        draft = self.draft
        name = executable.staged_as
        assert name is not None
        if name not in self.staged:
            self.staged.add(name)
            self._check_name(name)
        key = placement.site, placement.staging, name
        if (raw := draft.raw.get(key)) is None:
            needed_by = f"task {draft.title_of(job)}"
            raw = draft.raw[key] = select_executables(executable, placement.site, needed_by, self.context)
        if raw.direct and (executable.at.bypass or placement.bypass) and placement.data != "sharedfs":
            draft.bypassed.add((job, name))
            return
        if not placement.links:
            self.unlinked.add((placement.staging, name))
        transfer = self._transfer(name, raw, placement.staging)
        transfer.executable = True
        self._add(job, placement.staging, Kind.STAGE_IN, transfer)

    def _check_name(self, name: str) -> None:
        if fault := lfn_fault(name):
            message = f"executable {name!r} cannot be staged under this name: it {fault[0]}"
            self.context.problem("bad-name", message, "rename the transformation")
        if (maker := self.draft.producer.get(name)) is not None:
            self._name_clash(name, f"a name that task {self.draft.name_of(maker)!r} gives to an output")

    def check_shared_names(self) -> None:
        """Note executables that have the name of an input; call it when all are known."""
        for name in sorted(self.staged & self.files):
            self._name_clash(name, "the name of an input file of the workflow")

    def _name_clash(self, name: str, other: str) -> None:
        self.context.problem(
            "name-clash",
            f"executable {name!r} is staged under {other}",
            "rename the file or the transformation",
        )

    def _transfer(self, lfn: str, raw: RawInput, staging: str) -> Transfer:
        sources = [Place(pfn.site, pfn.pfn) for pfn in raw.places]
        # A link is of use only where the file itself can be seen too.
        link = self.context.links and bool(sources) and sources[0].site == staging
        link = (
            link and lfn not in self.draft.found
        )  # what is kept of earlier runs may be removed during this one
        return Transfer(
            lfn,
            sources,
            [],
            sha256=raw.sha256,
            size_bytes=raw.size_bytes,
            link=link and local_path(sources[0].url) is not None,
        )

    def _add(self, job: int, site: str, kind: Kind, transfer: Transfer, source: str = "") -> None:
        key = self.transfer_jobs.get((site, transfer.lfn))
        if key is None:
            key = _Key(kind, site, self.draft.levels[job], self.groups[job])
            self.transfer_jobs[site, transfer.lfn] = key
            self.transfers[key].append((source, transfer))
        self.readers[key].add(job)

    def add_jobs(self) -> None:
        """Add a job for each group, numbered within its site and level."""
        numbers: dict[tuple[Kind, str, int], int] = defaultdict(int)
        for key in sorted(self.transfers, key=lambda key: (key.level, key.kind.value, key.site, key.group)):
            kind, site, level, _ = key
            number = numbers[kind, site, level]
            numbers[kind, site, level] += 1
            name = job_names.transfer_name(kind, self.context.prefix, site, level, number)
            priority = transfer_priority(kind, self.context) - min(number, PRIORITY_STEPS)
            self._add_job(key, name, priority)

    def _add_job(self, key: _Key, name: str, priority: int) -> None:
        draft = self.draft
        transfers = self.transfers[key]
        for _, transfer in transfers:
            transfer.checkpoint = transfer.lfn in self.checkpoints
            transfer.link = transfer.link and (key.site, transfer.lfn) not in self.unlinked
        readers = sorted(self.readers[key])
        planned = PlannedJob(
            id=name,
            kind=key.kind,
            site="local",
            staging=key.site,
            level=key.level,
            priority=priority,
            category=CATEGORY[key.kind],
            retries=self.context.retries,
            threads=transfer_threads(key.kind, readers, draft, self.context),
            transfers=[transfer for _, transfer in transfers],
        )
        why = f"{len(transfers)} file(s) for {first_names(draft, readers)}"
        job = draft.add(planned, sorted(self.makers[key]), "stage_in", why)
        parents = draft.parents
        for reader in readers:
            parents[reader].append(job)
        for source_site, transfer in transfers:
            draft.record_use(key.site, transfer.lfn, job)
            if source_site:
                draft.record_use(source_site, transfer.lfn, job)


def _warn_of_ambiguous_patterns(context: Context) -> None:
    """Warn of regular expressions of the replica catalog that say the same place for several files."""
    for pattern, names in context.replicas.ambiguous_patterns():
        context.warn(
            "ambiguous-replica",
            f"the regular expression {pattern!r} of the replica catalog gives one place to several files: "
            f"{', '.join(map(repr, names))}",
            "write [0], or the number of a group, into its pfn; or let it match fewer names",
        )


def _note_missing(missing: dict[str, list[str]], context: Context) -> None:
    patterns = (
        ", and no regular expression of the replica catalog matches it" if context.replicas.patterns else ""
    )
    for lfn, readers in missing.items():
        if context.doubts.is_doubtful(declared_name(lfn)):
            continue
        shown = ", ".join(readers[:3])
        more = f" and {len(readers) - 3} more" if len(readers) > 3 else ""
        context.problem(
            "missing-input",
            f"file {declared_name(lfn)!r} has no replica and no job makes it{patterns} (needed by {shown}{more})",
            f"register it in the replica catalog, {'' if is_tree(lfn) else 'name its directory with --input-dir, '}"
            f"or let a task output {declared_name(lfn)!r}",
        )


def _note_schemes(unsupported: dict[frozenset[str], list[Problem]], context: Context) -> None:
    """Note each scheme once, with the first file and the number of the others."""
    for first, *others in unsupported.values():
        more = f"; {count(len(others), 'more file')} likewise" if others else ""
        context.problem(first.kind, first.message + more, first.hint)


def _warn_of_bypass(contradicted: list[str], context: Context) -> None:
    """Say once that files cannot bypass the staging site."""
    if contradicted:
        more = f", and {count(len(contradicted) - 1, 'more file')}" if len(contradicted) > 1 else ""
        context.warn(
            "bypass",
            f"file {contradicted[0]}{more} cannot bypass the staging site, and goes through it",
            "leave `bypass` out: what a job also writes, and all inputs of a job with sharedfs, must be in the scratch directory",
        )


def _note_files_of_jobs(draft: Draft) -> None:
    """Note which files of a scratch each job reads and makes."""
    for job, _ in draft.task_jobs():
        placement = draft.placements[job]
        site = placement.staging
        for use in draft.inputs(job):
            if (job, use.lfn) not in draft.bypassed and use.lfn not in draft.absent:
                draft.record_use(site, use.lfn, job)
        for executable in placement.staged:
            name = executable.staged_as
            assert name is not None
            if (job, name) not in draft.bypassed:
                draft.record_use(site, name, job)
        for use in draft.outputs(job):
            draft.record_use(site, use.lfn, job)
