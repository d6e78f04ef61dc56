"""Builders of jobs: an executable, its arguments, and the files it reads and makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from markab.api.errors import DuplicateError, PegasusError
from markab.api.files import File, Use, as_file
from markab.api.mixins import HookMixin, MetadataMixin, ProfileMixin, shared_data
from markab.api.transformation_catalog import Transformation
from markab.api.warnings import warn

if TYPE_CHECKING:
    from typing_extensions import Self


class JobLogs(Protocol):
    """The workflow of a job, as far as it shows what the job writes: each method takes the job, and options."""

    @property
    def logs(self) -> Callable[..., object]:
        """Print it."""
        ...

    @property
    def get_logs(self) -> Callable[..., dict[str, str]]:
        """Return it."""
        ...


class AbstractJob(HookMixin, ProfileMixin, MetadataMixin):
    """The base of jobs and sub-workflows."""

    is_sub_workflow = False

    def __init__(self, _id: str | None = None, node_label: str | None = None) -> None:
        self._id = _id
        self.node_label = node_label
        self.args: list[Any] = []
        self.stdin: File | None = None
        self.stdout: File | None = None
        self.stderr: File | None = None
        self._uses: dict[str, Use] = {}
        self._workflow: JobLogs | None = None
        """To which it was added."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy has: it is in no workflow."""
        return self.__dict__ | {"_workflow": None}

    @property
    def uses(self) -> list[Use]:
        """Every file of the job, in the order added."""
        return list(self._uses.values())

    def write_child(self, directory: Path) -> Path | None:
        """Write the workflow that the job holds to `directory`; return its path, or None if it holds none."""
        return None

    def add_args(self, *args: Any) -> Self:
        """Append arguments to the command line: Files, which become their names, texts, paths and numbers.

        Anything else gives a warning: the document can have it, but cannot be planned with it.
        """
        for arg in args:
            if not isinstance(arg, (str, File, Real, os.PathLike)):
                warn(
                    f"{self!r} has the argument {arg!r} ({type(arg).__name__}), with which it cannot be planned: "
                    "give a File, text, path or number"
                )
        self.args.extend(args)
        return self

    def add_inputs(self, *input_files: File | str, bypass_staging: bool = False) -> Self:
        """Add files that the job reads; with `bypass_staging` the job fetches them directly from their source.

        Raises:
            TypeError: something is no File and no text.
            DuplicateError: the job already uses a file of that name.
        """
        for value in input_files:
            file = as_file(value, "an input", self)
            self._use(Use(file, "input", bypass=bypass_staging))
        return self

    def add_outputs(
        self, *output_files: File | str, stage_out: bool = True, register_replica: bool = True
    ) -> Self:
        """Add files that the job makes; without `stage_out` they are kept only while other jobs need them.

        Raises:
            TypeError: something is no File and no text.
            DuplicateError: the job already uses a file of that name.
        """
        for value in output_files:
            file = as_file(value, "an output", self)
            self._use(Use(file, "output", stage_out, register_replica))
        return self

    def add_checkpoint(
        self, checkpoint_file: File | str, stage_out: bool = True, register_replica: bool = True
    ) -> Self:
        """Add the file from which a later attempt continues; it is kept also if the job fails.

        Raises:
            TypeError: something is no File and no text.
            DuplicateError: the job already uses a file of that name.
        """
        file = as_file(checkpoint_file, "the checkpoint", self)
        self._use(Use(file, "checkpoint", stage_out, register_replica))
        return self

    def set_stdin(self, file: File | str) -> Self:
        """Read standard input from `file`, which becomes one of the inputs.

        Raises:
            TypeError: it is neither a File nor text.
            DuplicateError: there is a stdin already, or the job already uses a file of that name.
        """
        self.stdin = self._stream("stdin", self.stdin, file, "input", None, None)
        return self

    def set_stdout(self, file: File | str, stage_out: bool = True, register_replica: bool = True) -> Self:
        """Write standard output to `file`, which becomes one of the outputs.

        Raises:
            TypeError: it is neither a File nor text.
            DuplicateError: there is a stdout already, or the job already uses a file of that name.
        """
        self.stdout = self._stream("stdout", self.stdout, file, "output", stage_out, register_replica)
        return self

    def set_stderr(self, file: File | str, stage_out: bool = True, register_replica: bool = True) -> Self:
        """Write standard error to `file`, which becomes one of the outputs.

        Raises:
            TypeError: it is neither a File nor text.
            DuplicateError: there is a stderr already, or the job already uses a file of that name.
        """
        self.stderr = self._stream("stderr", self.stderr, file, "output", stage_out, register_replica)
        return self

    def logs(self, **options: Any) -> Self:
        """Print what the job has written, and with `follow` what it writes; options are those of `Workflow.logs`.

        Raises:
            PegasusError: it is in no workflow, or the workflow is not planned.
            PegasusClientError: the run cannot be read, or the job has no such attempt.
        """
        self._in_workflow().logs(self, **options)
        return self

    def get_logs(self, **options: Any) -> dict[str, str]:
        """Return what the job has written, as `stdout` and `stderr`; options are those of `Workflow.get_logs`.

        Raises:
            PegasusError, PegasusClientError: as `logs`.
        """
        return self._in_workflow().get_logs(self, **options)

    def _in_workflow(self) -> JobLogs:
        if self._workflow is None:
            raise PegasusError(f"{self!r} has no logs: add it to a workflow first, and run that")
        return self._workflow

    def get_inputs(self) -> set[File]:
        """Return the files the job reads, stdin included."""
        return {use.file for use in self._uses.values() if use.type == "input"}

    def get_outputs(self) -> set[File]:
        """Return the files the job makes, stdout and stderr included."""
        return {use.file for use in self._uses.values() if use.type == "output"}

    def get_stdin(self) -> File | None:
        """Return the file of standard input."""
        return self.stdin

    def get_stdout(self) -> File | None:
        """Return the file of standard output."""
        return self.stdout

    def get_stderr(self) -> File | None:
        """Return the file of standard error."""
        return self.stderr

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `jobs:`.

        Raises:
            PegasusError: the job has no id yet, because it is not in a workflow.
        """
        own = job_name(self)
        data = self._head()
        data["id"] = own
        if self.stdin is not None:
            data["stdin"] = self.stdin.lfn
        if self.stdout is not None:
            data["stdout"] = self.stdout.lfn
        if self.stderr is not None:
            data["stderr"] = self.stderr.lfn
        if self.node_label is not None:
            data["nodeLabel"] = self.node_label
        data["arguments"] = [arg if type(arg) is str else _argument(arg) for arg in self.args]
        data["uses"] = [use.to_data() for use in self._uses.values()]
        if self._profiles or self._metadata or self._hooks:
            data.update(shared_data(self, "profiles", "metadata", "hooks"))
        return data

    def _head(self) -> dict[str, Any]:
        """Return the keys that name the executable or document."""
        raise NotImplementedError

    def _names(self) -> Iterable[tuple[str, object]]:
        """Return the attributes in `repr` of the job, in order."""
        raise NotImplementedError

    def _use(self, use: Use) -> None:
        present = self._uses.setdefault(use.file.lfn, use)
        if present is not use:
            raise DuplicateError(
                f"{self!r} already has the file {use.file.lfn!r} as {present.type}, "
                f"so it cannot be added as {use.type}",
                "name each file of a job once; set_stdin, set_stdout and set_stderr add their file themselves",
            )

    def _stream(
        self,
        name: str,
        present: File | None,
        value: object,
        type: str,
        stage_out: bool | None,
        register_replica: bool | None,
    ) -> File:
        file = as_file(value, f"the {name}", self)
        if present is not None:
            raise DuplicateError(
                f"the {name} of {self!r} is already {present.lfn!r}, it cannot be {file.lfn!r} too"
            )
        self._use(Use(file, type, stage_out, register_replica))
        return file

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self._names() if value is not None)
        return f"{type(self).__name__}({shown})"

    __str__ = __repr__


class Job(AbstractJob):
    """One run of an executable, which the transformation catalog knows by name."""

    def __init__(
        self,
        transformation: str | Transformation,
        _id: str | None = None,
        node_label: str | None = None,
        namespace: str | None = None,
        version: str | None = None,
    ) -> None:
        """Name the executable, or pass its Transformation; without `_id` the workflow assigns one.

        Raises:
            TypeError: `transformation` is neither a name nor a Transformation.
        """
        super().__init__(_id, node_label)
        if isinstance(transformation, Transformation):
            self.transformation = transformation.name
            self.namespace = transformation.namespace
            self.version = transformation.version
        elif isinstance(transformation, str):
            self.transformation = transformation
            self.namespace = namespace
            self.version = version
        else:
            raise TypeError(
                f"a job runs a Transformation or the name of one, not {transformation!r} "
                f"({type(transformation).__name__})"
            )

    def _head(self) -> dict[str, Any]:
        data: dict[str, Any] = {"type": "job"}
        if self.namespace is not None:
            data["namespace"] = self.namespace
        if self.version is not None:
            data["version"] = self.version
        data["name"] = self.transformation
        return data

    def _names(self) -> Iterable[tuple[str, object]]:
        yield "_id", self._id
        yield "namespace", self.namespace
        yield "transformation", self.transformation
        yield "version", self.version
        yield "node_label", self.node_label


def job_name(job: AbstractJob | str) -> str:
    """Return how the commands name a job: by its id, unless it is named already.

    Raises:
        PegasusError: it has no id yet, because it is not in a workflow.
    """
    if isinstance(job, str):
        return job
    if job._id is None:
        raise PegasusError(f"{job!r} has no id: add it to a workflow first")
    return job._id


def _argument(arg: Any) -> Any:
    """Return the value of an argument in a document; numbers stay numbers."""
    if isinstance(arg, File):
        return arg.lfn
    if isinstance(arg, os.PathLike):
        return os.fspath(arg)
    return arg if isinstance(arg, (bool, int, float, list, dict, type(None))) else str(arg)
