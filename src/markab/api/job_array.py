"""Job arrays: the jobs of a sweep over parameters, made of one template.

A point is one combination of values. Every text of the template may name parameters, as `str.format` does:
`fit_{n:03d}.txt`. Label, metadata and id of each job tell its point. Ids are made of the point alone, so a value
that is added changes no other job.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, overload

from markab.api.files import File, Use
from markab.api.job import Job

How = Literal["product", "zip"]
Point = Mapping[str, Any]
Copied = TypeVar("Copied")

_LONGEST_ID = 80
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
"""HTCondor's DAGMan, for which such a document may be planned too, takes no other characters in the name of a job."""


class JobArray(Sequence[Job]):
    """The jobs of a sweep, in the order of its points: the last parameter changes fastest."""

    def __init__(self, jobs: Iterable[Job], points: Iterable[Point]) -> None:
        self._jobs = tuple(jobs)
        self.points = tuple(points)
        """The values of the parameters, by job."""

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Job, ...]: ...

    def __getitem__(self, index: int | slice) -> Job | tuple[Job, ...]:
        """Return one job, or several."""
        return self._jobs[index]

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self._jobs)

    def __repr__(self) -> str:
        return f"JobArray({len(self)} jobs)"

    def outputs(self) -> list[File]:
        """Return the files that the jobs make, in the order of the jobs: inputs of a job that gathers them."""
        return [use.file for job in self for use in job.uses if use.type == "output"]


def points_of(
    over: Mapping[str, Iterable[Any]] | Iterable[Point], how: How = "product"
) -> list[dict[str, Any]]:
    """Return the points of a sweep.

    Args:
        over: parameter → its values; or the points themselves.
        how: `product`: every value with every other; `zip`: the first values together, the second ones, and so on.

    Raises:
        TypeError: the values of a parameter are one text, or a point is no mapping.
        ValueError: `how` is unknown, a parameter has no values or no name, the values to be zipped are not of
            the same number, or a point occurs twice or has other parameters than the first.
    """
    points = [*_combined(over, how)] if isinstance(over, Mapping) else [*_checked(over)]
    if not points:
        raise ValueError("a sweep has no points: give it parameters with values")
    known: set[tuple[Any, ...]] = set()
    for point in points:
        if wrong := [name for name in point if not name.isidentifier()]:
            raise ValueError(f"a parameter is called {wrong[0]!r}, but must have a name that Python takes")
        if point.keys() != points[0].keys():
            raise ValueError(f"point {point} has other parameters than the first, {points[0]}")
        if (shown := tuple(map(str, point.values()))) in known:
            raise ValueError(f"point {point} occurs twice")
        known.add(shown)
    return points


def _combined(over: Mapping[str, Iterable[Any]], how: str) -> Iterator[dict[str, Any]]:
    if how not in get_args(How):
        raise ValueError(f"how is {how!r}, but must be 'product' or 'zip'")
    values = {name: _values(name, found) for name, found in over.items()}
    if how == "zip" and len({len(found) for found in values.values()}) > 1:
        numbers = ", ".join(f"{name!r} has {len(found)}" for name, found in values.items())
        raise ValueError(f"parameters that are zipped must have as many values: {numbers}")
    combinations = zip(*values.values(), strict=True) if how == "zip" else product(*values.values())
    return (dict(zip(values, chosen, strict=True)) for chosen in combinations if values)


def _values(name: str, found: Iterable[Any]) -> list[Any]:
    if isinstance(found, (str, bytes)) or not isinstance(found, Iterable):
        raise TypeError(f"the values of parameter {name!r} are {found!r}, but must be a list: [{found!r}]")
    values = [*found]
    if not values:
        raise ValueError(f"parameter {name!r} has no values")
    return values


def _checked(points: Iterable[Point]) -> Iterator[dict[str, Any]]:
    for point in points:
        if not isinstance(point, Mapping):
            raise TypeError(
                f"a point is {point!r} ({type(point).__name__}), but must be a dict of parameters"
            )
        yield dict(point)


def make_array(template: Job, points: Sequence[Point]) -> JobArray:
    """Return the jobs of a sweep; the template is not changed.

    Raises:
        TypeError: the template is no Job.
        ValueError: a text of it names what is no parameter, or formats a value as it cannot be.
    """
    if not isinstance(template, Job):
        raise TypeError(f"the template of an array is a Job, not {template!r} ({type(template).__name__})")
    return JobArray([_Filled(template, point).job() for point in points], points)


class _Filled:
    """A template whose texts are filled in with one point."""

    def __init__(self, template: Job, point: Point) -> None:
        self.template = template
        self.point = point

    def job(self) -> Job:
        """Return the job."""
        template = self.template
        made = _copy(template)
        made.transformation = self.text(template.transformation, "transformation")
        made._id = self.text(template._id, "_id") if template._id else self._id(made.transformation)
        made.node_label = (
            self.text(template.node_label, "label")
            if template.node_label
            else self._label(made.transformation)
        )
        made.args = [self._argument(arg) for arg in template.args]
        files = {id(use.file): self._file(use.file) for use in template.uses}
        for stream in ("stdin", "stdout", "stderr"):
            if (file := getattr(template, stream)) is not None:
                setattr(made, stream, files.get(id(file)) or self._file(file))
        made._uses = {}
        for use in template.uses:
            made._use(Use(files[id(use.file)], use.type, use.stage_out, use.register_replica, use.bypass))
        made._metadata = {key: str(value) for key, value in self.point.items()} | {
            key: self.text(value, "metadata") for key, value in (template._metadata or {}).items()
        }
        if template._hooks:
            made._hooks = {kind: [*hooks] for kind, hooks in template._hooks.items()}
        if template._profiles:
            made._profiles = defaultdict(dict)
            for namespace, keys in template._profiles.items():
                made._profiles[namespace] = {key: self.text(value, "profiles") for key, value in keys.items()}
        return made

    def text(self, text: Any, what: str) -> Any:
        """Return a text with the values of the point; anything else as it is."""
        if not isinstance(text, str) or ("{" not in text and "}" not in text):
            return text
        try:
            return text.format_map(self.point)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{text!r} ({what} of {self.template!r}) cannot be filled in with {dict(self.point)}: "
                f"{_why(error)}; braces that stand for themselves are doubled: {{{{ and }}}}"
            ) from None

    def _argument(self, arg: Any) -> Any:
        if isinstance(arg, File):
            return self._file(arg)
        if isinstance(arg, os.PathLike):
            return Path(self.text(os.fspath(arg), "arguments"))
        return self.text(arg, "arguments")

    def _file(self, file: File) -> File:
        lfn = self.text(file.lfn, "files")
        if lfn == file.lfn:
            return file
        made = _copy(file)
        made.lfn = lfn
        return made

    def _label(self, transformation: str) -> str:
        return " ".join([transformation, *(f"{key}={value}" for key, value in self.point.items())])

    def _id(self, transformation: str) -> str:
        """Return an id that has the point in it, of characters that every planner takes."""
        parts = [transformation, *(f"{key}-{value}" for key, value in self.point.items())]
        readable = [re.sub(r"(?<=\d)\.(?=\d)", "p", part) for part in parts]
        text = "_".join(_NOT_IN_IDS.sub("_", part) for part in readable)
        if text == "_".join(readable) and len(text) <= _LONGEST_ID:
            return text
        import hashlib

        return f"{text[:_LONGEST_ID]}_{hashlib.sha256(repr(parts).encode()).hexdigest()[:8]}"


def _copy(thing: Copied) -> Copied:
    """Return a copy that shares its attributes; `copy.copy` takes five times as long."""
    made = object.__new__(type(thing))
    made.__dict__.update(thing.__dict__)
    return made


def _why(error: Exception) -> str:
    return f"there is no parameter {error}" if isinstance(error, (KeyError, IndexError)) else str(error)
