"""The job aggregator: how the tasks of a cluster are run, one after the other or several at once, and what it holds for that.

| aggregator | at a time | after a failure |
|---|---|---|
| seqexec, the default | one; with the argument `-n N` N, each with the cores it asks for; with `-n auto` as many as the cluster has cores | nothing starts; the others run too if `firstjobfail` is false and there is no argument `-f` |
| mpiexec | what fits into the cores and the memory of the cluster: a task takes `pmc_request_cpus` and `pmc_request_memory` | what does not come after it runs too |

A cluster holds what its most demanding task asks for; with `mpiexec`, the arguments `--host-cpus N` and
`--host-memory MB` say otherwise. Aggregator and arguments are those of the tasks' profiles `pegasus.job.aggregator` and
`pegasus.job.aggregator.arguments`, else of the properties.

Source: Pegasus 5, "Job Clustering" and the manual pages of pegasus-cluster and pegasus-mpi-cluster.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from markab.errors import Problem
from markab.planner.draft import Context
from markab.planner.placement import Aggregation, Placement, Program, TaskNeeds
from markab.spec import units
from markab.spec.profiles import Resources, resources
from markab.spec.suggestions import did_you_mean

AGGREGATOR = "pegasus.clusterer.job.aggregator"
_ARGUMENTS = "pegasus.clusterer.job.aggregator.arguments"
FIRST_FAILURE_ENDS = "pegasus.clusterer.job.aggregator.seqexec.firstjobfail"
SEQUENTIAL, PARALLEL = "seqexec", "mpiexec"
AGGREGATORS = (SEQUENTIAL, PARALLEL, "AWSBatch", "decaf")

_OF_A_FILE = ("-R", "-s", "-o", "--stdout", "-e", "--stderr", "-r", "--rescue", "-S")
"""Arguments that name files which Markab does not need, or what it does not do; each with its value."""
_NO_VALUE = frozenset(
    ["-f", "-d", "-v", "-q", "--verbose", "--quiet", "--nolock", "--no-resource-log", "--strict-limits"]
)


@dataclass(slots=True)
class _Arguments:
    """What the arguments of an aggregator say."""

    width: int = 0
    """Tasks at a time (-n); 0: not given."""
    is_auto: bool = False
    stops: bool = False
    cores: int = 0
    memory_mb: int = 0
    max_wall_s: float = 0.0


class Aggregators:
    """The aggregators of one planner run; what is wrong with one is said once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._default = context.properties.choice(AGGREGATOR, AGGREGATORS, SEQUENTIAL)
        self._arguments: dict[tuple[str, str], _Arguments] = {}
        self._known: dict[int, tuple[Placement, Placement]] = {}
        """Identity of a placement → it, so that it exists, and what it becomes."""
        self._needs: dict[int, tuple[Resources, TaskNeeds]] = {}
        self._noted: set[str] = set()

    def aggregated(self, placement: Placement) -> Placement:
        """Return the placement of a cluster with how its tasks are run, and what it holds for that."""
        if (known := self._known.get(id(placement))) is None:
            known = self._known[id(placement)] = placement, self._aggregated(placement)
        return known[1]

    def _aggregated(self, placement: Placement) -> Placement:
        programs = placement.programs
        name = self._name(_last(programs, "job.aggregator"))
        text = _last(programs, "job.aggregator.arguments")
        text = text or self._context.properties.get(_ARGUMENTS, "").strip()
        given = self._given(name, text)
        needs: tuple[TaskNeeds, ...] = ()
        held = placement.resources
        if name == PARALLEL:
            needs = tuple(self._of(program)[1] for program in programs)
            self._check_needs(given, needs)
            cores = given.cores or held.cores
            held = msgspec.structs.replace(
                held,
                cores=max([cores, *(need.cores for need in needs)]),
                memory_mb=max([given.memory_mb or held.memory_mb, *(need.memory_mb for need in needs)]),
            )
        elif given.is_auto:
            needs = (TaskNeeds(),) * len(programs)
        elif given.width > 1:
            each = max(self._of(program)[0].cores for program in programs)
            memory_mb = max(self._of(program)[0].memory_mb for program in programs)
            needs = (TaskNeeds(each, memory_mb),) * len(programs)
            held = msgspec.structs.replace(held, cores=each * given.width, memory_mb=memory_mb * given.width)
        if given.max_wall_s:
            held = msgspec.structs.replace(
                held, max_wall_s=min(given.max_wall_s, held.max_wall_s or given.max_wall_s)
            )
        goes_on = not self._context.properties.flag(FIRST_FAILURE_ENDS, True)
        keep_going = name == PARALLEL or (goes_on and not given.stops)
        return replace(placement, resources=held, aggregation=Aggregation(keep_going, needs))

    def _check_needs(self, given: _Arguments, needs: Sequence[TaskNeeds]) -> None:
        """Warn of tasks that ask for more than the arguments give to their cluster, which then takes more."""
        for key, argument, held, most in (
            ("pmc_request_cpus", "--host-cpus", given.cores, max(need.cores for need in needs)),
            ("pmc_request_memory", "--host-memory", given.memory_mb, max(need.memory_mb for need in needs)),
        ):
            if 0 < held < most:
                self._warn(
                    f"profile pegasus.{key} = {most} of a task is more than {argument} {held} of its cluster, which takes {most}"
                )

    def _name(self, given: str) -> str:
        word = given.strip() or self._default
        found = next((one for one in AGGREGATORS if one.lower() == word.lower()), "")
        if not found:
            message = (
                f"profile pegasus.job.aggregator is {word!r}; it must be one of {', '.join(AGGREGATORS)}"
            )
            self._note(message, did_you_mean(word, AGGREGATORS, "change or remove it"))
        elif found not in (SEQUENTIAL, PARALLEL):
            self._warn(
                f"the job aggregator {found!r} needs a service that this version does not use: "
                f"the tasks of a cluster run one after the other"
            )
        return found if found == PARALLEL else SEQUENTIAL

    def _given(self, name: str, text: str) -> _Arguments:
        if (name, text) not in self._arguments:
            try:
                self._arguments[name, text] = self._read(name, text)
            except ValueError as error:
                message = f"the arguments of the job aggregator {name!r}, {text!r}, are wrong: {error}"
                self._note(message, "change the profile pegasus.job.aggregator.arguments, or the property")
                self._arguments[name, text] = _Arguments()
        return self._arguments[name, text]

    def _read(self, name: str, text: str) -> _Arguments:
        found = _Arguments()
        for word, value in _options(text):
            if name == SEQUENTIAL and word == "-n":
                found.is_auto = value == "auto"
                found.width = 0 if found.is_auto else _number(word, value)
            elif name == SEQUENTIAL and word == "-f":
                found.stops = True
            elif name == PARALLEL and word == "--host-cpus":
                found.cores = _number(word, value)
            elif name == PARALLEL and word == "--host-memory":
                found.memory_mb = _number(word, value)
            elif name == PARALLEL and word == "--max-wall-time":
                found.max_wall_s = 60 * units.seconds(value)
            elif word not in _OF_A_FILE and word not in _NO_VALUE:
                self._warn(f"the argument {word!r} of the job aggregator {name!r} does nothing")
        return found

    def _of(self, program: Program) -> tuple[Resources, TaskNeeds]:
        """Return what a task asks for by itself, and within a cluster of `mpiexec`."""
        if (found := self._needs.get(id(program))) is None:
            pegasus = program.profiles.get("pegasus", {})
            numbers = []
            for key, least in (("pmc_request_cpus", 1), ("pmc_request_memory", 0), ("pmc_priority", None)):
                text = pegasus.get(key, "")
                try:
                    numbers.append(_number(key, text, least) if text.strip() else least or 0)
                except ValueError as error:
                    self._note(f"profile pegasus.{error}", f"change or remove pegasus.{key}")
                    numbers.append(least or 0)
            found = self._needs[id(program)] = resources(program.profiles, problems=[]), TaskNeeds(*numbers)
        return found

    def _note(self, message: str, hint: str) -> None:
        if message not in self._noted:
            self._noted.add(message)
            self._context.problems.append(Problem(message, hint, kind="bad-profile"))

    def _warn(self, message: str) -> None:
        if message not in self._noted:
            self._noted.add(message)
            self._context.warn("unsupported", message)


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Yield the options of a command line, each with its value. Raises ValueError."""
    words = iter(shlex.split(text))
    for word in words:
        name, equals, value = word.partition("=")
        if equals or name in _NO_VALUE:
            yield name, value
        elif word.startswith("-n") and word[2:]:
            yield "-n", word[2:]
        elif (following := next(words, None)) is None:
            raise ValueError(f"{word!r} has no value")
        else:
            yield name, following


def _number(name: str, text: str, least: int | None = 1) -> int:
    try:
        number = units.whole(text)
    except ValueError:
        number = None
    if number is None or (least is not None and number < least):
        wanted = "a whole number" + ("" if least is None else f" from {least}")
        raise ValueError(f"{name} is {text!r}; it must be {wanted}")
    return number


def _last(programs: Sequence[Program], key: str) -> str:
    """Return a profile of the last task that has one."""
    given = (program.profiles.get("pegasus", {}).get(key) for program in reversed(programs))
    return next((value for value in given if value), "")
