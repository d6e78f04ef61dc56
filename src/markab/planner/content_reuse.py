"""Reusing results by content: jobs are left out whose outputs were made before, by the same ingredients.

The policy `content`, in place of `reuse_data`. Level by level, the key of each job is made of its recipe and
the contents of its inputs (`reuse/content_key.py`); what a job made is known when its key is in the index of results. A job stays
if it has no key, if its key is not found, or if bytes that are needed of it are no longer to be had: results, and what
jobs that stay read. All that reads what a staying job makes stays too: until that job
has run, the contents of these inputs are unknown. The engine then decides: a job whose inputs turn out to be the same is not run
either (`engine/earlier_results.py`).

After the choice of sites, since the program and the environment of a job depend on it; before everything that moves files. Guarantees to
these passes: every file that a staying job reads is made by a job that stays, is in `found`, or comes from
outside; `reused` names the results that are to be delivered from where they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from markab.plan.model import Content
from markab.plan.reused_tasks import ReusedFile, ReusedTask
from markab.planner.delivered_paths import DeliveredPaths
from markab.planner.draft import Context, Draft, RawInput, Reason, TaskWitnesses
from markab.planner.job_recipes import JobRecipe, Recipes, Unknown
from markab.planner.known_results import KnownResults, known_results
from markab.planner.task_files import outputs_of
from markab.reuse.content_key import content_key
from markab.reuse.result_index import Made, ResultEntry
from markab.spec.model import Pfn, transformation_name

BY = "reuse_by_content"


def reuse_by_content(draft: Draft, context: Context) -> None:
    """Remove jobs whose outputs are known and to be had; fill `contents`, `found`, `reused` and `reused_tasks`."""
    if context.reuse is None:
        return
    with known_results(context) as results:
        jobs = _Jobs(draft, context, results)
        jobs.look_up(finds=context.reuse.finds)
        delivered = DeliveredPaths(context) if context.options.output_sites else None
        jobs.prepare(delivered)
        stays = _staying(draft, jobs, results)
        needed = {use.lfn for job in stays for use in draft.inputs(job)}
        finals = _FinalPlaces(results, delivered)
        for job in stays:
            for use in draft.outputs(job):
                if draft.is_wanted(use):
                    finals.await_result(use.lfn)
        runs = {jobs.entries[job].run for job in jobs.entries.keys() - stays.keys()}
        for job, recipe in jobs.recipes.items():
            if job in stays:
                draft.contents[job] = jobs.content(job, recipe, stays)
        for job in sorted(jobs.entries.keys() - stays.keys()):
            _leave_out(draft, results, job, jobs, needed, finals)
        if context.reuse.finds and not jobs.why_unknown:
            draft.witnesses = finals.task_witnesses(len(stays) + len(draft.reused_tasks), len(stays), runs)
        for job, why in stays.items():
            draft.reasons.append(Reason(draft.name_of(job), BY, "kept", why))
        context.warnings.extend(results.warnings())
    _warn_of_replicas(draft, context)


def _warn_of_replicas(draft: Draft, context: Context) -> None:
    """Warn of files named by options that have results, which do not count."""
    named = [
        flag
        for flag, value in (("--cache", context.options.cache), ("--reuse", context.options.reuse))
        if value
    ]
    outputs = (use.lfn for task in draft.tasks for use in outputs_of(task)) if named else ()
    if lfn := next((lfn for lfn in outputs if context.replicas.has_entry(lfn)), None):
        context.warn(
            "reuse-policy",
            f"results that {' and '.join(named)} name, such as {lfn!r}, do not count: results are reused by content",
            "to use them by name, plan with --reuse-policy pegasus",
        )


@dataclass
class _Jobs:
    """What is known of the jobs that run tasks."""

    draft: Draft
    context: Context
    results: KnownResults
    recipes: dict[int, JobRecipe] = field(default_factory=dict)
    why_unknown: dict[int, str] = field(default_factory=dict)
    """Job without a recipe, or with an input of unknown content → why it stays."""
    inputs: dict[int, dict[str, str | None]] = field(default_factory=dict)
    """Job with a recipe → lfn → sha256 of its inputs; None: not known."""
    keys: dict[int, str] = field(default_factory=dict)
    entries: dict[int, ResultEntry] = field(default_factory=dict)
    """Job whose key was found → what it made."""
    made: dict[str, Made] = field(default_factory=dict)
    """Lfn → the file, of all that these jobs made."""

    def look_up(self, *, finds: bool) -> None:
        """Make all keys that can be made, and find them in the index, one request a level."""
        draft = self.draft
        recipes = Recipes(draft, self.context, self.results.checksum_of)
        by_level: dict[int, list[int]] = defaultdict(list)
        for job, _ in draft.task_jobs():
            by_level[draft.levels[job]].append(job)
        for level in sorted(by_level):
            keys = {}
            for job in by_level[level]:
                if key := self._key(job, recipes):
                    keys[job] = key
            self.keys.update(keys)
            found = self.results.find(keys.values()) if finds and keys else {}
            for job, key in keys.items():
                if entry := found.get(key):
                    self._take(job, entry)

    def prepare(self, delivered: DeliveredPaths | None) -> None:
        """Let the results of these jobs be looked up at once, which is faster than one after the other."""
        outputs = (use for job in self.entries for use in self.draft.outputs(job))
        results = [use.lfn for use in outputs if self.draft.is_wanted(use)]
        paths = (path for lfn in results for path in (delivered.of(lfn) or () if delivered else ()))
        self.results.prepare((self.made[lfn] for lfn in results), paths)

    def content(self, job: int, recipe: JobRecipe, stays: Mapping[int, str]) -> Content:
        """Return what the plan has of a job that stays; what is made again is not known."""
        producer, inputs = self.draft.producer, self.inputs[job]
        known = {lfn: sha256 for lfn, sha256 in inputs.items() if sha256 and producer.get(lfn) not in stays}
        return Content(recipe.digest, recipe.programs, known, list(inputs))

    def _key(self, job: int, recipes: Recipes) -> str:
        draft = self.draft
        try:
            recipe = recipes.of(job)
        except Unknown as why:
            self.why_unknown[job] = f"it always runs: {why}"
            return ""
        self.recipes[job] = recipe
        inputs = self.inputs[job] = dict(self._inputs(job, recipes))
        known = [(lfn, sha256) for lfn, sha256 in inputs.items() if sha256 is not None]
        if len(known) == len(inputs):
            return content_key(recipe.digest, known)
        for lfn, sha256 in inputs.items():
            if sha256 is None and lfn not in draft.producer:
                self.why_unknown[job] = (
                    f"the content of its input {lfn!r} is not known before it is staged in"
                )
        return ""

    def _inputs(self, job: int, recipes: Recipes) -> Iterable[tuple[str, str | None]]:
        producer, made = self.draft.producer, self.made
        for use in self.draft.inputs(job):
            if use.lfn in producer:
                yield use.lfn, made[use.lfn].sha256 if use.lfn in made else None
        yield from recipes.inputs(job)

    def _take(self, job: int, entry: ResultEntry) -> None:
        made = {one.lfn: one for one in entry.made}
        if all(use.lfn in made for use in self.draft.outputs(job)):
            self.entries[job] = entry
            self.made.update(made)


def _staying(draft: Draft, jobs: _Jobs, results: KnownResults) -> dict[int, str]:
    """Return the jobs that stay, each with the reason."""
    stays: dict[int, str] = {}
    readers: dict[str, list[int]] = defaultdict(list)
    producer, made = draft.producer, jobs.made
    for job, _ in draft.task_jobs():
        for use in draft.inputs(job):
            if use.lfn in producer:
                readers[use.lfn].append(job)
        if job in jobs.why_unknown:
            stays[job] = jobs.why_unknown[job]
        elif job not in jobs.keys:
            stays[job] = next(
                _reads_anew(draft, use.lfn)
                for use in draft.inputs(job)
                if use.lfn in producer and use.lfn not in made
            )
        elif job not in jobs.entries:
            stays[job] = "no earlier run made its outputs of the same"
            draft.unmatched.add(job)
        else:
            wanted = (use.lfn for use in draft.outputs(job) if draft.is_wanted(use))
            if gone := [lfn for lfn in wanted if not results.has(made[lfn])]:
                stays[job] = f"its result {gone[0]!r} is no longer to be had"
    todo = list(stays)
    while todo:
        job = todo.pop()
        for use in draft.outputs(job):
            for reader in readers.get(use.lfn, ()):
                if reader not in stays:
                    stays[reader] = _reads_anew(draft, use.lfn)
                    todo.append(reader)
        for use in draft.inputs(job):
            maker = producer.get(use.lfn)
            if maker is not None and maker not in stays and not results.has(made[use.lfn]):
                stays[maker] = f"{draft.name_of(job)} reads {use.lfn!r}, which is no longer to be had"
                todo.append(maker)
    return stays


def _reads_anew(draft: Draft, lfn: str) -> str:
    return f"it reads {lfn!r}, which {draft.name_of(draft.producer[lfn])} makes in this run"


class _FinalPlaces:
    """Where results are to be, and which are there already."""

    def __init__(self, results: KnownResults, delivered: DeliveredPaths | None) -> None:
        self._results = results
        self._delivered = delivered
        self._in_place: list[str] = []
        self._awaited: list[str] = []
        self._are_known = True
        """Whether all are paths of this machine that are known before the run has its directories."""

    def await_result(self, lfn: str) -> None:
        """Note a result that a job of this run makes."""
        paths = self._delivered.of(lfn) if self._delivered is not None else None
        self._are_known &= paths is not None
        self._awaited += paths or ()

    def is_delivered(self, made: Made) -> bool:
        """Return whether a result of a left out job has to be delivered nowhere, as it is everywhere already; note it."""
        results = self._results
        if self._delivered is None:
            path = results.path(made)
            assert path is not None, "a job of which a result is gone stays"
            self._in_place.append(path)
            return True
        paths = self._delivered.of(made.lfn)
        self._are_known &= paths is not None
        if paths is not None and all(results.is_at(path, made) for path in paths):
            self._in_place += paths
            return True
        self._awaited += paths or ()
        return False

    def task_witnesses(self, tasks: int, planned: int, runs: Iterable[str]) -> TaskWitnesses | None:
        """Return what the files of the tasks are now; None if that cannot be told of all."""
        files, in_place = self._results.files_read(), self._results.witnesses(self._in_place)
        if not self._are_known or files is None or in_place is None:
            return None
        return TaskWitnesses(tasks, planned, files, sorted(runs), in_place, self._awaited)


def _leave_out(
    draft: Draft, results: KnownResults, job: int, jobs: _Jobs, needed: set[str], finals: _FinalPlaces
) -> None:
    entry, made = jobs.entries[job], jobs.made
    undelivered = []
    for use in draft.outputs(job):
        one = made[use.lfn]
        if draft.is_wanted(use) and not finals.is_delivered(one):
            undelivered.append(use)
        elif use.lfn not in needed:
            continue
        path = results.path(one)
        assert path is not None, "a job of which bytes are needed that are gone stays"
        draft.found[use.lfn] = RawInput([Pfn("local", path)], [], one.sha256, one.size_bytes)
    if undelivered:
        draft.reused[job] = undelivered
    for task in draft.tasks_of(job):
        files = [ReusedFile(one.lfn, one.sha256, one.size_bytes) for one in entry.made]
        transformation = transformation_name(task.namespace, task.name or "", task.version)
        draft.reused_tasks.append(
            ReusedTask(
                task.id, jobs.keys[job], entry.run, entry.job, files, task.node_label or "", transformation
            )
        )
    draft.remove(job, BY, f"reused: as made by job {entry.job} of run {results.run_name(entry.run)}")
