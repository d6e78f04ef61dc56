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
from dataclasses import dataclass, field

from markab.errors import Problem
from markab.formatting import count
from markab.plan.model import Kind, Place, PlannedJob, Transfer
from markab.planner import job_names
from markab.planner.draft import Context, Draft, RawInput
from markab.planner.placement import ContainerImage, Executable, Placement
from markab.planner.places import local_path
from markab.planner.replica_selection import (
    UNSUPPORTED_SCHEME,
    select_executables,
    select_image,
    select_replicas,
)
from markab.planner.transfer_groups import (
    CATEGORY,
    first_names,
    transfer_groups,
    transfer_priority,
    transfer_site,
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
        raw_inputs = draft.raw_inputs(job)
        for use in draft.inputs(job):
            collected.add_file(job, use, placement, raw_inputs)
        for executable in placement.staged:
            collected.add_executable(job, executable, placement)
        for image in placement.images:
            collected.add_image(job, image, placement)
        collected.check_own_images(job, placement)
    collected.check_shared_names()
    _note_missing(collected.missing, context)
    _note_schemes(collected.unsupported, context)
    _warn_of_ambiguous_patterns(context)
    _warn_of_bypass(collected.contradicted, context)
    collected.add_jobs()
    _note_files_of_jobs(draft)


PRIORITY_STEPS = 99
"""Of the jobs that bring files for one level, each has a lower priority than that before it, down to this much less."""


@dataclass(slots=True)
class _TransferJob:
    """A transfer job that is to be added."""

    kind: Kind
    site: str
    level: int
    group: int
    transfers: list[Transfer] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    """By transfer: the staging site from which it comes; "" if it comes from none."""
    readers: set[int] = field(default_factory=set)
    makers: set[int] = field(default_factory=set)


class _Transfers:
    """Collects the transfers to the staging sites, then makes the jobs."""

    def __init__(self, draft: Draft, context: Context) -> None:
        self.draft = draft
        self.context = context
        self.levels = draft.levels
        self.groups = transfer_groups(draft, context, "stagein")
        self.priorities = {
            kind: transfer_priority(kind, context) for kind in (Kind.STAGE_IN, Kind.STAGE_INTER)
        }
        self.jobs: dict[tuple[bool, str, int, int], _TransferJob] = {}
        """By kind (inter-site or not), staging site, level and group."""
        self.brought: dict[tuple[str, str], _TransferJob] = {}
        """(Staging site, lfn) → the job that brings it there."""
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
        self.staged: dict[str, str] = {}
        """Lfn of a staged executable or image, which a file of the workflow must not share → what it is."""
        self.pulled: dict[str, int] = {}
        """Lfn of an image of a registry → number of the transfer job that pulls it, below those of all other files."""
        self.named: set[str] = set()
        """The names that were checked."""

    def add_file(self, job: int, use: Use, placement: Placement, raw_inputs: dict[str, RawInput]) -> None:
        """Add the transfer of an input, if it needs one; `raw_inputs` are those of the job's place."""
        draft, lfn = self.draft, use.lfn
        made_by = draft.producer.get(lfn)
        if made_by is not None and made_by != job:
            source = draft.placements[made_by].staging
            if source != placement.staging:
                if not self._is_brought(job, placement.staging, lfn):
                    transfer = Transfer(lfn, [Place(source, "")], [])
                    self._add(job, placement.staging, Kind.STAGE_INTER, transfer, source)
                self.brought[placement.staging, lfn].makers.add(made_by)
            return
        if (raw := raw_inputs.get(lfn)) is None:
            if (raw := self._look_up(job, use, placement)) is None:
                return
            raw_inputs[lfn] = raw
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
        if not self._is_brought(job, placement.staging, lfn):
            transfer = self._transfer(lfn, raw, placement.staging)
            transfer.link = transfer.link and not is_written
            self._add(job, placement.staging, Kind.STAGE_IN, transfer)

    def _look_up(self, job: int, use: Use, placement: Placement) -> RawInput | None:
        lfn = use.lfn
        if (found := self.draft.found.get(lfn)) is not None:
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
        raw = select_replicas(
            replica,
            placement.site,
            placement.staging,
            lambda: f"task {self.draft.title_of(job)}",
            self.context,
        )
        if raw is not None:
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
        self._take_name(name, "executable")
        raw_inputs = draft.raw_inputs(job)
        if (raw := raw_inputs.get(name)) is None:
            needed_by = f"task {draft.title_of(job)}"
            raw = raw_inputs[name] = select_executables(executable, placement.site, needed_by, self.context)
        if raw.direct and (executable.at.bypass or placement.bypass) and placement.data != "sharedfs":
            draft.bypassed.add((job, name))
            return
        if not placement.links:
            self.unlinked.add((placement.staging, name))
        if not self._is_brought(job, placement.staging, name):
            transfer = self._transfer(name, raw, placement.staging)
            transfer.executable = True
            self._add(job, placement.staging, Kind.STAGE_IN, transfer)

    def add_image(self, job: int, image: ContainerImage, placement: Placement) -> None:
        """Add the transfer of the image of a container. One of a registry has a job of its own, and is pulled once."""
        draft, lfn = self.draft, image.lfn
        self._take_name(lfn, "image")
        raw_inputs = draft.raw_inputs(job)
        if (raw := raw_inputs.get(lfn)) is None:
            needed_by = f"task {draft.title_of(job)}"
            raw = raw_inputs[lfn] = select_image(image, placement.site, needed_by, self.context)
        if raw.direct and (image.bypass or placement.bypass):
            draft.bypassed.add((job, lfn))
            return
        if self._is_brought(job, placement.staging, lfn):
            return
        transfer = self._transfer(lfn, raw, placement.staging)
        # It is only read, and mostly large.
        transfer.link = any(
            place.site == placement.staging and local_path(place.url) for place in transfer.sources
        )
        group = None
        if image.is_pulled:
            group = self.pulled.setdefault(lfn, -1 - len(self.pulled))
        self._add(job, placement.staging, Kind.STAGE_IN, transfer, group=group)

    def check_own_images(self, job: int, placement: Placement) -> None:
        """Note images that are files of the workflow, and that a job which runs in them does not read."""
        if placement.own_images:
            for lfn in sorted(placement.own_images - {use.lfn for use in self.draft.inputs(job)}):
                self.context.problem(
                    "missing-image",
                    f"the container of task {self.draft.title_of(job)} has the image {lfn!r}, a file of the workflow "
                    "that the task does not read",
                    f"give the task the input {lfn!r}",
                )

    def _take_name(self, name: str, what: str) -> None:
        """Note a name that does not stand in the workflow, and what is wrong with it."""
        if (other := self.staged.setdefault(name, what)) != what:
            self._name_clash(name, f"the name of an {other}", what)
        if name in self.named:
            return
        self.named.add(name)
        if fault := lfn_fault(name):
            message = f"{what} {name!r} cannot be staged under this name: it {fault[0]}"
            hint = "rename the transformation" if what == "executable" else "rename the container"
            self.context.problem("bad-name", message, hint)
        if (maker := self.draft.producer.get(name)) is not None:
            self._name_clash(name, f"a name that task {self.draft.name_of(maker)!r} gives to an output", what)

    def check_shared_names(self) -> None:
        """Note executables and images that have the name of an input; call it when all are known."""
        for name in sorted(self.staged.keys() & self.files):
            self._name_clash(name, "the name of an input file of the workflow", self.staged[name])

    def _name_clash(self, name: str, other: str, what: str) -> None:
        self.context.problem(
            "name-clash",
            f"{what} {name!r} is staged under {other}",
            f"rename the file or the {'transformation' if what == 'executable' else 'container'}",
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

    def _is_brought(self, job: int, site: str, lfn: str) -> bool:
        """Return whether a file is brought to a site already, and note that a job reads it there."""
        if (found := self.brought.get((site, lfn))) is None:
            return False
        found.readers.add(job)
        return True

    def _add(
        self, job: int, site: str, kind: Kind, transfer: Transfer, origin: str = "", group: int | None = None
    ) -> None:
        """Let a job bring a file, which none brings to the site yet."""
        level, group = self.levels[job], self.groups[job] if group is None else group
        key = kind is Kind.STAGE_INTER, site, level, group
        if (found := self.jobs.get(key)) is None:
            found = self.jobs[key] = _TransferJob(kind, site, level, group)
        found.transfers.append(transfer)
        found.origins.append(origin)
        found.readers.add(job)
        self.brought[site, transfer.lfn] = found

    def add_jobs(self) -> None:
        """Add a job for each group, numbered within its site and level."""
        numbers: dict[tuple[bool, str, int], int] = defaultdict(int)
        for (is_inter, site, level, _), found in sorted(
            self.jobs.items(), key=lambda item: (item[1].level, item[0])
        ):
            number = numbers[is_inter, site, level]
            numbers[is_inter, site, level] += 1
            self._add_job(found, number)

    def _add_job(self, found: _TransferJob, number: int) -> None:
        draft, kind, site = self.draft, found.kind, found.site
        at = transfer_site(kind, site, self.context)
        for transfer in found.transfers:
            transfer.checkpoint = transfer.lfn in self.checkpoints
            transfer.link = transfer.link and (site, transfer.lfn) not in self.unlinked
        readers = sorted(found.readers)
        planned = PlannedJob(
            id=job_names.transfer_name(
                kind, self.context.prefix, site, found.level, number, remote=at != "local"
            ),
            kind=kind,
            site=at,
            staging=site,
            level=found.level,
            priority=self.priorities[kind] - min(number, PRIORITY_STEPS),
            category=CATEGORY[kind],
            retries=self.context.retries,
            threads=transfer_threads(kind, readers, draft, self.context),
            transfers=found.transfers,
        )
        why = f"{len(found.transfers)} file(s) for {first_names(draft, readers)}"
        job = draft.add(planned, sorted(found.makers), "stage_in", why)
        parents = draft.parents
        for reader in readers:
            parents[reader].append(job)
        draft.record_uses(site, [transfer.lfn for transfer in found.transfers], job)
        for transfer, origin in zip(found.transfers, found.origins, strict=True):
            if origin:
                draft.record_uses(origin, [transfer.lfn], job)


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
            "register it in the replica catalog, name its directory with --input-dir, "
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
    bypassed, absent = draft.bypassed, draft.absent
    for job, _ in draft.task_jobs():
        placement = draft.placements[job]
        lfns = [use.lfn for use in draft.inputs(job)]
        if absent:
            lfns = [lfn for lfn in lfns if lfn not in absent]
        lfns += [executable.staged_as for executable in placement.staged if executable.staged_as is not None]
        lfns += [image.lfn for image in placement.images]
        if bypassed:
            lfns = [lfn for lfn in lfns if (job, lfn) not in bypassed]
        lfns += [use.lfn for use in draft.outputs(job)]
        draft.record_uses(placement.staging, lfns, job)
