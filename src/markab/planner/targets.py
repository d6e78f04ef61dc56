"""Targets: what `--until` names, as jobs that have to be done and files that are wanted. Pure.

A target is the name of a file that a job makes, of a job (its id, or its name in the plan), of a
transformation or of a label (`node_label`); or a pattern of such names, with `*`, `?` and `[…]`. If a name
could be read in two ways, `file:`, `job:`, `transformation:` or `label:` before it says which is meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate

from markab.errors import Problem, quoted
from markab.formatting import count
from markab.planner.job_names import compute_name
from markab.planner.task_files import outputs_of
from markab.spec.model import Task, transformation_name
from markab.spec.suggestions import likely, nearest

FILE, JOB, TRANSFORMATION, LABEL = KINDS = "file", "job", "transformation", "label"
UNKNOWN = "unknown-target"
"""Kind of the problem of a target that means nothing."""
_NAMED = 3
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Targets:
    """What the user wants to have: what the plan is made for."""

    words: tuple[str, ...] = ()
    """As they were typed."""
    jobs: frozenset[int] = frozenset()
    """Jobs that are named, or whose files are; nothing but these and what they need is planned."""
    named_jobs: frozenset[int] = frozenset()
    """Those that are named themselves: they are needed though they make nothing."""
    wanted: frozenset[str] = frozenset()
    """Lfns: files that are named, and all that the named jobs make."""

    def __or__(self, other: Targets) -> Targets:
        return Targets(
            self.words + other.words,
            self.jobs | other.jobs,
            self.named_jobs | other.named_jobs,
            self.wanted | other.wanted,
        )


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a workflow that can be targets."""

    tasks: Sequence[Task]
    producer: Mapping[str, int]
    """Lfn → task that makes it."""
    prefix: str = ""
    """Of the names of jobs in the plan."""

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Names:
        """Return the names of tasks that no planner has looked at yet."""
        made = {
            use.lfn: n for n, task in enumerate(tasks) for use in outputs_of(task) if use.type == "output"
        }
        return cls(tasks, made)

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        """Yield each name: its kind, itself, and the number of a task that has it or makes it."""
        for lfn, number in self.producer.items():
            yield FILE, lfn, number
        for number, task in enumerate(self.tasks):
            yield JOB, task.id, number
            yield JOB, compute_name(task, self.prefix), number
            for name in _transformations(task):
                yield TRANSFORMATION, name, number
            if task.node_label:
                yield LABEL, task.node_label, number


def _transformations(task: Task) -> set[str]:
    """Return the ways in which a user may write a transformation; empty for a sub-workflow."""
    if not task.name:
        return set()
    return {
        transformation_name(namespace, task.name, version)
        for namespace in (None, task.namespace)
        for version in (None, task.version)
    }


@dataclass(slots=True)
class _Target:
    """One word, and the names that it may mean."""

    word: str
    kind: str = ""
    """Empty: any."""
    name: str = ""
    pattern: re.Pattern[str] | None = None
    found: dict[bool, dict[str, dict[str, set[int]]]] = field(default_factory=lambda: {True: {}, False: {}})
    """Whether the name is exactly that, or only like the pattern → kind → name → tasks."""

    def __post_init__(self) -> None:
        kind, colon, name = self.word.partition(":")
        self.kind, self.name = (kind, name) if colon and kind in KINDS else ("", self.word)
        if any(character in self.name for character in "*?["):
            self.pattern = re.compile(translate(self.name))

    def compare(self, kind: str, name: str, number: int) -> None:
        if self.kind in ("", kind):
            is_exact = name == self.name
            if is_exact or (self.pattern is not None and self.pattern.match(name)):
                self.found[is_exact].setdefault(kind, {}).setdefault(name, set()).add(number)

    @property
    def meanings(self) -> dict[str, dict[str, set[int]]]:
        """By kind, the names that are meant, with their tasks; exact names win over what a pattern matches."""
        return self.found[True] or self.found[False]


def find_targets(words: Iterable[str], names: Names, problems: list[Problem]) -> Targets:
    """Return what the words mean; what means nothing, or several things, is added to `problems`."""
    targets = [_Target(word) for word in dict.fromkeys(words)]
    exact: dict[str, list[_Target]] = defaultdict(list)
    for target in targets:
        exact[target.name].append(target)
    patterns = [target for target in targets if target.pattern is not None]
    for kind, name, number in names:
        for target in exact.get(name, ()):
            target.compare(kind, name, number)
        for target in patterns:
            if target.name != name:
                target.compare(kind, name, number)
    found = Targets()
    for target in targets:
        meanings = [_targets(target.word, kind, jobs, names.tasks) for kind, jobs in target.meanings.items()]
        if not meanings:
            problems.append(_unknown(target, names))
        elif len({(each.jobs, each.wanted) for each in meanings}) > 1:
            problems.append(_ambiguous(target, names))
        else:
            found |= meanings[-1]
    return found


def _targets(word: str, kind: str, found: Mapping[str, set[int]], tasks: Sequence[Task]) -> Targets:
    jobs = frozenset().union(*found.values())
    if kind == FILE:
        return Targets((word,), jobs, wanted=frozenset(found))
    made = {use.lfn for job in jobs for use in outputs_of(tasks[job]) if use.type != "checkpoint"}
    return Targets((word,), jobs, jobs, frozenset(made))


def _unknown(target: _Target, names: Names) -> Problem:
    if target.kind in ("", FILE) and any(target.name == use.lfn for task in names.tasks for use in task.uses):
        fault = f"no job makes the file {target.name!r}: it is an input"
    else:
        what = target.kind or "file that a job makes, no job, transformation or label"
        fault = f"no {what} {'is called that' if target.pattern is None else 'has such a name'}"
    return Problem(f"--until {target.word!r}: {fault}", _near(target, names), kind=UNKNOWN)


def _near(target: _Target, names: Names) -> str:
    """Return which names look like that of a target, and where they come from."""
    known: dict[str, dict[str, set[int]]] = defaultdict(dict)
    for kind, name, number in names:
        if target.kind in ("", kind) or target.name == name:
            known[name].setdefault(kind, set()).add(number)
    first = likely(target.name, known)
    alike = [*dict.fromkeys([*([first] if first else []), *nearest(target.name, known)])][:_NAMED]
    shown = [_described(kind, name, jobs, names) for name in alike for kind, jobs in known[name].items()]
    if shown:
        return f"did you mean {_listed(shown[:_NAMED], 'or')}?"
    transformations = sorted({task.name for task in names.tasks if task.name})
    if not transformations:
        return ""
    more = f" and {count(hidden, 'more')}" if (hidden := len(transformations) - _LISTED) > 0 else ""
    return f"transformations of this workflow are {', '.join(map(repr, transformations[:_LISTED]))}{more}"


def _described(kind: str, name: str, jobs: set[int], names: Names) -> str:
    first = names.tasks[min(jobs)].id
    if kind == JOB:
        return f"job {name!r}"
    if len(jobs) > 1:
        return f"{kind} {name!r} (of {count(len(jobs), 'job')})"
    return f"{kind} {name!r} ({'made by' if kind == FILE else 'of'} job {first!r})"


def _ambiguous(target: _Target, names: Names) -> Problem:
    """Return the problem of a word that could be read in several ways, with a way to write each."""
    shown = [
        _described(kind, name, jobs, names)
        if len(found) == 1
        else f"{count(len(found), kind)} such as {name!r}"
        for kind, found in target.meanings.items()
        for name, jobs in [*found.items()][:1]
    ]
    ways = [f"--until {quoted(f'{kind}:{target.name}')}" for kind in target.meanings]
    return Problem(
        f"--until {target.word!r} could be {_listed(shown, 'or')}",
        f"write {_listed(ways, 'or')}",
        kind="ambiguous-target",
    )


def _listed(words: Sequence[str], conjunction: str) -> str:
    *first, last = words
    return f"{', '.join(first)} {conjunction} {last}" if first else last
