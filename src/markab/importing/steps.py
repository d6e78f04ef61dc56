"""Steps of a script, a Makefile or a Snakefile: a piece of shell, and the files that it uses."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Step:
    """A piece of shell that becomes a job, or a part of one. Paths are relative to the directory of the source."""

    name: str
    line: int
    text: str
    """What is run, with the settings and variables before it."""
    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    removes: set[str] = field(default_factory=set)
    """Files that the original does not leave behind."""
    directories: set[str] = field(default_factory=set)
    """Directories that must exist before it."""
    cores: int = 1
    memory_mb: int = 0
    is_job: bool = True
    """False: it only removes files, which the workflow does by not delivering them."""


def grouped(steps: list[Step]) -> list[list[Step]]:
    """Return the steps in groups that become one job each, in an order in which they can run.

    In a workflow one job makes a file. Steps that write a file one after the other, and those between them that read it,
    are therefore one job; and so are steps that would then wait for each other.
    """
    number = {id(step): position for position, step in enumerate(steps)}
    group = list(range(len(steps)))
    for touching in _rewritten(steps):
        for position in touching[1:]:
            _join(group, touching[0], position)
    while cycle := _cycle(steps, group):
        for each in cycle[1:]:
            _join(group, cycle[0], each)
    members: dict[int, list[Step]] = {}
    for step in steps:
        members.setdefault(group[number[id(step)]], []).append(step)
    order = _ordered(members, _needs(steps, group))
    return [members[each] for each in order]


def outside_reads(group: list[Step]) -> set[str]:
    """Return the files that a group reads and has not made before."""
    made: set[str] = set()
    read: set[str] = set()
    for step in group:
        read |= step.reads - made
        made |= step.writes
    return read


def _rewritten(steps: list[Step]) -> list[list[int]]:
    """Return, for each file that is written more than once, the steps from the first to the last that touch it."""
    writers: dict[str, list[int]] = {}
    for position, step in enumerate(steps):
        for file in step.writes:
            writers.setdefault(file, []).append(position)
    found = []
    for file, positions in writers.items():
        if len(positions) > 1:
            between = range(positions[0], positions[-1] + 1)
            found.append([p for p in between if file in steps[p].writes | steps[p].reads])
    return found


def _join(group: list[int], one: int, other: int) -> None:
    """Make one group of two, named by their first step."""
    new, old = sorted((group[one], group[other]))
    for position, each in enumerate(group):
        if each == old:
            group[position] = new


def _needs(steps: list[Step], group: list[int]) -> dict[int, set[int]]:
    """Return, for each group, those that make what it reads."""
    makers: dict[str, int] = {}
    needs: dict[int, set[int]] = {each: set() for each in group}
    for position, step in enumerate(steps):
        for file in step.reads:
            if file in makers and group[makers[file]] != group[position]:
                needs[group[position]].add(group[makers[file]])
        makers.update(dict.fromkeys(step.writes, position))
    return needs


def _cycle(steps: list[Step], group: list[int]) -> list[int]:
    """Return the groups of a circle, if there is one."""
    needs = _needs(steps, group)
    done: set[int] = set()
    for root in needs:
        path: list[int] = []
        stack = [(root, iter(sorted(needs[root])))]
        path.append(root)
        while stack:
            each = next((one for one in stack[-1][1] if one not in done), None)
            if each is None:
                stack.pop()
                done.add(path.pop())
            elif each in path:
                return path[path.index(each) :]
            else:
                path.append(each)
                stack.append((each, iter(sorted(needs[each]))))
    return []


def _ordered(members: dict[int, list[Step]], needs: dict[int, set[int]]) -> list[int]:
    order: list[int] = []
    left = dict.fromkeys(members)
    while left:
        ready = [each for each in left if not (needs[each] & left.keys())]
        order += ready
        for each in ready:
            del left[each]
    return order
