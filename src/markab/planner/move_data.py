"""Pass 3: bring inputs to the staging sites, carry results to the output sites, register them.

Transfers are gathered into jobs by level of the workflow, about one for every
ten compute jobs, so that a fan-out of 10,000 does not wait for one transfer job
nor start 10,000 of them. A file is brought to a site once, for the highest
level that reads it.

Stands after the choice of sites, which decides where files must be; before
directories and cleanup, which serve these jobs too. Guarantees to the next pass:
every file that a job reads is in the scratch of its staging site, or bypasses it,
once the job's parents are done; `scratch` names everybody who touches a file there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from markab.plan.model import Kind, Place, PlannedJob, Registration, Transfer
from markab.planner import job_names
from markab.planner.draft import Context, Draft, Executable, Placement, RawInput, Reason
from markab.planner.executables import local_path
from markab.planner.replica_selection import select_replicas
from markab.spec.model import Pfn, Replica, Task, Use

JOBS_PER_TRANSFER_JOB = 10

_PRIORITY = {Kind.STAGE_IN: 700, Kind.STAGE_INTER: 700, Kind.STAGE_OUT: 900, Kind.REGISTER: 900}
_CATEGORY = {
    Kind.STAGE_IN: "stage-in",
    Kind.STAGE_INTER: "stage-inter",
    Kind.STAGE_OUT: "stage-out",
    Kind.REGISTER: "registration",
}


def move_data(draft: Draft, context: Context) -> None:
    """Add stage-in, inter-site, stage-out and registration jobs."""
    buckets = _Buckets(draft)
    stage_in = _StageIn(draft, context, buckets)
    stage_in.add_jobs()
    _note_files_of_tasks(draft)
    if context.options.output_sites:
        _add_stage_outs(draft, context, buckets)


class _Buckets:
    """Which of the transfer jobs of a level serves a task."""

    def __init__(self, draft: Draft) -> None:
        groups: dict[tuple[str, int], list[int]] = defaultdict(list)
        for node, placement in enumerate(draft.placements):
            groups[placement.staging, draft.levels[node]].append(node)
        self.order = sorted(range(len(draft.tasks)), key=draft.levels.__getitem__)
        """Tasks, highest level first."""
        self.bucket = [0] * len(draft.tasks)
        for nodes in groups.values():
            for rank, node in enumerate(nodes):
                self.bucket[node] = rank // JOBS_PER_TRANSFER_JOB


class _StageIn:
    """Gathers what has to be brought in, then makes the jobs."""

    def __init__(self, draft: Draft, context: Context, buckets: _Buckets) -> None:
        self.draft = draft
        self.context = context
        self.buckets = buckets
        self.brought: dict[tuple[str, str], tuple[Kind, str, int, int]] = {}
        """(staging site, lfn) → the transfer job that brings it, by kind, site, level and bucket."""
        self.transfers: dict[tuple[Kind, str, int, int], list[tuple[str, Transfer]]] = defaultdict(list)
        self.readers: dict[tuple[Kind, str, int, int], set[int]] = defaultdict(set)
        self.makers: dict[tuple[Kind, str, int, int], set[int]] = defaultdict(set)
        self.missing: dict[str, list[str]] = defaultdict(list)
        self.offered: set[str] = set()
        """Lfns of staged executables, which a file of the workflow must not share."""

    def add_jobs(self) -> None:
        """Look at every task, note what is missing, and add the jobs."""
        draft, context = self.draft, self.context
        for node in self.buckets.order:
            task, placement = draft.tasks[node], draft.placements[node]
            for use in inputs_of(task):
                self._bring_file(node, use, placement)
            for executable in (placement.executable, *placement.requires):
                if executable.staged_as is not None:
                    self._bring_executable(node, executable, placement)
        for lfn, readers in self.missing.items():
            shown = ", ".join(repr(reader) for reader in readers[:3])
            more = f" and {len(readers) - 3} more" if len(readers) > 3 else ""
            context.problem(
                "missing-input",
                f"file {lfn!r} has no replica and no job makes it (needed by {shown}{more})",
                f"register it in the replica catalog, name its directory with --input-dir, or let a task output {lfn!r}",
            )
        numbers: dict[tuple[Kind, str, int], int] = defaultdict(int)
        for key in sorted(self.transfers, key=lambda key: (key[2], key[0].value, key[1], key[3])):
            kind, site, level, _ = key
            number = numbers[kind, site, level]
            numbers[kind, site, level] += 1
            self._add_job(key, job_names.transfer(kind, context.prefix, site, level, number))

    def _add_job(self, key: tuple[Kind, str, int, int], name: str) -> None:
        draft = self.draft
        kind, site, level, _ = key
        transfers = self.transfers[key]
        readers = sorted(self.readers[key])
        chore = PlannedJob(
            id=name,
            kind=kind,
            site="local",
            staging=site,
            level=level,
            priority=_PRIORITY[kind],
            category=_CATEGORY[kind],
            retries=self.context.retries,
            transfers=[transfer for _, transfer in transfers],
            why=f"move_data: {len(transfers)} file(s) for {_some(draft, readers)}",
        )
        node = draft.add_chore(chore, sorted(self.makers[key]))
        for reader in readers:
            draft.parents[reader].append(node)
        for source_site, transfer in transfers:
            draft.touches(site, transfer.lfn, node)
            if source_site:
                draft.touches(source_site, transfer.lfn, node)
        draft.reasons.append(Reason(name, "move_data", "added", chore.why.partition(": ")[2]))

    def _bring_file(self, node: int, use: Use, placement: Placement) -> None:
        draft = self.draft
        lfn = use.lfn
        made_by = draft.producer.get(lfn)
        if made_by is not None and made_by != node and made_by < len(draft.placements):
            source = draft.placements[made_by].staging
            if source != placement.staging:
                self._bring(
                    node, placement.staging, Kind.STAGE_INTER, Transfer(lfn, [Place(source, "")], []), source
                )
                self.makers[self.brought[placement.staging, lfn]].add(made_by)
            return
        if (raw := draft.raw.get(lfn)) is None:
            raw = self._look_up(node, use, placement)
        if raw is None:
            return
        if use.bypass or placement.bypass:
            draft.bypassed.add((node, lfn))
            return
        self._bring(node, placement.staging, Kind.STAGE_IN, self._transfer(lfn, raw))

    def _look_up(self, node: int, use: Use, placement: Placement) -> RawInput | None:
        lfn, task = use.lfn, self.draft.tasks[node].id
        if lfn in self.missing:
            self.missing[lfn].append(task)
            return None
        if lfn in self.draft.absent:
            return None
        replica: Replica | None = self.context.replicas.lookup(lfn)
        if replica is None:
            if use.optional or use.type == "checkpoint":
                self.draft.absent.add(lfn)
            else:
                self.missing[lfn].append(task)
            return None
        raw = select_replicas(replica, placement.staging, f"task {task!r}", self.context)
        # What cannot be used was noted; an empty entry keeps it from being noted again.
        self.draft.raw[lfn] = raw or RawInput([])
        return raw

    def _bring_executable(self, node: int, executable: Executable, placement: Placement) -> None:
        draft = self.draft
        name = executable.staged_as
        assert name is not None
        if (raw := draft.raw.get(name)) is None:
            if name in draft.producer:
                self.context.problem(
                    "name-clash",
                    f"executable {name!r} is staged under a name that task "
                    f"{draft.tasks[draft.producer[name]].id!r} gives to an output",
                    "rename the file or the transformation",
                )
            first = executable.at
            others = [
                at for at in executable.transformation.sites if at.type == "stageable" and at is not first
            ]
            checksum = executable.transformation.checksum
            raw = draft.raw[name] = RawInput(
                [Pfn(at.name, local_path(at.pfn) or at.pfn) for at in (first, *others)],
                checksum.sha256 if checksum else None,
            )
            self.offered.add(name)
        elif name not in self.offered:
            self.context.problem(
                "name-clash",
                f"executable {name!r} is staged under the name of an input file of the workflow",
                "rename the file or the transformation",
            )
            self.offered.add(name)
        if executable.at.bypass:
            draft.bypassed.add((node, name))
            return
        transfer = self._transfer(name, raw)
        transfer.executable = True
        self._bring(node, placement.staging, Kind.STAGE_IN, transfer)

    def _transfer(self, lfn: str, raw: RawInput) -> Transfer:
        sources = [Place(pfn.site, pfn.pfn) for pfn in raw.places]
        return Transfer(
            lfn, sources, [], sha256=raw.sha256, size_bytes=raw.size_bytes, link=self.context.links
        )

    def _bring(self, node: int, site: str, kind: Kind, transfer: Transfer, source: str = "") -> None:
        key = self.brought.get((site, transfer.lfn))
        if key is None:
            key = kind, site, self.draft.levels[node], self.buckets.bucket[node]
            self.brought[site, transfer.lfn] = key
            self.transfers[key].append((source, transfer))
        self.readers[key].add(node)


def _note_files_of_tasks(draft: Draft) -> None:
    """Note which files of a scratch each task reads and makes."""
    for node, (task, placement) in enumerate(zip(draft.tasks, draft.placements, strict=True)):
        site = placement.staging
        for use in inputs_of(task):
            if (node, use.lfn) not in draft.bypassed and use.lfn not in draft.absent:
                draft.touches(site, use.lfn, node)
        for executable in (placement.executable, *placement.requires):
            name = executable.staged_as
            if name is not None and (node, name) not in draft.bypassed:
                draft.touches(site, name, node)
        for use in outputs_of(task):
            draft.touches(site, use.lfn, node)
            if use.stage_out is not False:
                draft.results.add(use.lfn)


def _add_stage_outs(draft: Draft, context: Context, buckets: _Buckets) -> None:
    groups: dict[tuple[str, int, int], list[tuple[int, Use]]] = defaultdict(list)
    for node, task in enumerate(draft.tasks):
        wanted = [use for use in outputs_of(task) if use.stage_out is not False]
        if wanted:
            key = draft.placements[node].staging, draft.levels[node], buckets.bucket[node]
            groups[key].extend((node, use) for use in wanted)
    register = context.properties.flag("pegasus.register", True)
    numbers: dict[tuple[str, int], int] = defaultdict(int)
    registers: dict[int, int] = defaultdict(int)
    for (site, level, _), wanted_here in sorted(groups.items()):
        number = numbers[site, level]
        numbers[site, level] += 1
        makers = sorted({node for node, _ in wanted_here})
        name = job_names.transfer(Kind.STAGE_OUT, context.prefix, site, level, number)
        chore = PlannedJob(
            id=name,
            kind=Kind.STAGE_OUT,
            site="local",
            staging=site,
            level=level,
            priority=_PRIORITY[Kind.STAGE_OUT],
            category=_CATEGORY[Kind.STAGE_OUT],
            retries=context.retries,
            transfers=[
                Transfer(use.lfn, [], [], optional=use.type == "checkpoint") for _, use in wanted_here
            ],
            why=f"move_data: {len(wanted_here)} result(s) of {_some(draft, makers)}",
        )
        stage_out = draft.add_chore(chore, makers)
        draft.reasons.append(Reason(name, "move_data", "added", chore.why.partition(": ")[2]))
        for _, use in wanted_here:
            draft.touches(site, use.lfn, stage_out)
        registered = [
            use for _, use in wanted_here if use.register_replica is not False and use.type != "checkpoint"
        ]
        if register and registered:
            output_site = context.options.output_sites[0]
            name = job_names.register(context.prefix, output_site, level, registers[level])
            registers[level] += 1
            draft.add_chore(
                PlannedJob(
                    id=name,
                    kind=Kind.REGISTER,
                    site="local",
                    level=level,
                    priority=_PRIORITY[Kind.REGISTER],
                    category=_CATEGORY[Kind.REGISTER],
                    retries=context.retries,
                    registrations=[Registration(use.lfn, "", "", dict(use.metadata)) for use in registered],
                    why=f"move_data: {len(registered)} replica(s) delivered by {chore.id}",
                ),
                [stage_out],
            )
            draft.reasons.append(Reason(name, "move_data", "added", f"registers what {chore.id} delivers"))


def inputs_of(task: Task) -> Iterator[Use]:
    """Yield what a task reads: inputs, checkpoints, and stdin when it is not among the uses."""
    stdin = task.stdin
    for use in task.uses:
        if use.type in ("input", "inout", "checkpoint"):
            yield use
            if use.lfn == stdin:
                stdin = None
    if stdin is not None:
        yield Use(lfn=stdin, type="input")


def outputs_of(task: Task) -> Iterator[Use]:
    """Yield what a task makes: outputs, checkpoints, and streams that are not among the uses."""
    streams = [stream for stream in (task.stdout, task.stderr) if stream is not None]
    for use in task.uses:
        if use.type in ("output", "inout", "checkpoint"):
            yield use
            if use.lfn in streams:
                streams.remove(use.lfn)
    for stream in dict.fromkeys(streams):
        yield Use(lfn=stream, type="output")


def _some(draft: Draft, nodes: list[int]) -> str:
    shown = ", ".join(draft.node_name(node) for node in nodes[:3])
    return f"{shown} and {len(nodes) - 3} more" if len(nodes) > 3 else shown
