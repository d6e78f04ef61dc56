"""CWL workflows of command-line tools, v1.0 to v1.2, converted.

All that CWL computes while it runs is computed here, once: values, parameter references, scattered steps, the names of
outputs. What cannot be known before the run, and JavaScript, is an error. `cwl_utils` reads and validates the documents.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from markab.errors import DocumentError, Problem, StorageError
from markab.importing.converted_workflow import ConvertedWorkflow
from markab.importing.cwl_command import short_name
from markab.importing.cwl_inputs import InputFiles, read_input_object
from markab.importing.cwl_places import CwlPlace, Inconvertible, place_of
from markab.importing.cwl_programs import Programs, ToolSpec, unused_spec
from markab.importing.cwl_reader import load
from markab.importing.cwl_requirements import requirements_of
from markab.importing.cwl_steps import SourceValues, linked, nested, step_runs
from markab.importing.cwl_tools import ToolRun
from markab.importing.cwl_values import UNKNOWN, files_in, fits, is_unknown, secondary_patterns, type_name
from markab.spec.model import Task, Workflow


@dataclass(frozen=True)
class CwlRequest:
    """What is to be converted, and with what."""

    document: Path
    inputs: Path | None = None
    spec: ToolSpec = field(default_factory=dict)
    spec_file: str = ""
    name: str = ""
    with_containers: bool = True


def convert_cwl(request: CwlRequest) -> ConvertedWorkflow:
    """Convert a workflow, or a single tool.

    Raises:
        DocumentError: with everything that is wrong or has no counterpart.
        StorageError: a document cannot be read.
        MarkabError: the package `cwl-utils` is not installed.
    """
    names, documents = _LogicalNames(), _Documents()
    _Conversion(request, documents, names).converted()  # finds out which names are taken twice
    names.is_counted = True
    return _Conversion(request, documents, names).converted()


class _LogicalNames:
    """The logical names of files: base names where only one file has it, else below the step, or `inputs`."""

    def __init__(self) -> None:
        self._owners: dict[str, set[str]] = {}
        self.is_counted = False

    def of(self, owner: str, directory: str, name: str) -> str:
        """Return the logical name of a file; `owner` is what makes it, or where it is."""
        if not self.is_counted:
            self._owners.setdefault(name, set()).add(owner)
        is_alone = self.is_counted and len(self._owners.get(name, ())) == 1
        return name if is_alone else f"{directory}/{name}"


class _Documents:
    """The documents that a conversion reads, each once."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[Path, str], Any] = {}

    def load(self, path: Path, shown: str, fragment: str = "") -> Any:
        key = (path, fragment)
        if key not in self._loaded:
            self._loaded[key] = load(path, shown, fragment)
        return self._loaded[key]


class _Conversion:
    def __init__(self, request: CwlRequest, documents: _Documents, names: _LogicalNames) -> None:
        self._request = request
        self._names = names
        self._problems: list[Inconvertible] = []
        self._notes: list[Problem] = []
        self._tasks: list[Task] = []
        self._programs = Programs(request.spec)
        self._numbers: Counter[str] = Counter()
        self._input_numbers: dict[str, int] = {}
        self._files = InputFiles(self._input_lfn, self._problems)
        self._documents = documents
        self._process = documents.load(request.document, str(request.document))
        is_tool = self._process.class_ != "Workflow"
        self._workflow = _around(self._process) if is_tool else self._process
        self._values = SourceValues("" if is_tool else self._process.id)
        self._place = place_of(request.document, str(request.document), short_name(self._process.id))

    def converted(self) -> ConvertedWorkflow:
        self._read_inputs()
        for step in self._in_order():
            self._convert_step(step)
        self._deliver()
        if self._problems:
            raise DocumentError(*dict.fromkeys(error.args[0] for error in self._problems))
        notes = [*self._notes, *unused_spec(self._request.spec, self._programs, self._request.spec_file)]
        return ConvertedWorkflow(
            Workflow("5.0.4", self._request.name or _workflow_name(self._request.document), self._tasks),
            self._files.catalog(),
            self._programs.catalog(),
            notes=list(dict.fromkeys(notes)),
        )

    # --- inputs -------------------------------------------------------------

    def _input_lfn(self, url: str, base: str) -> str:
        number = self._input_numbers.setdefault(url, len(self._input_numbers) + 1)
        return self._names.of(url, f"inputs/{number}", base)

    def _read_inputs(self) -> None:
        given: dict[str, Any] = {}
        place = self._place
        path = self._request.inputs
        if path is not None:
            given, place = read_input_object(path)
        known = {short_name(parameter.id) for parameter in self._workflow.inputs}
        for name in given:
            if name not in known and not str(name).startswith("cwl:"):
                hint = f"its inputs are {', '.join(sorted(known))}" if known else "it has none"
                self._problems.append(place.at(str(name)).error(f"the workflow has no input {name!r}", hint))
        for parameter in self._workflow.inputs:
            name = short_name(parameter.id)
            declared = self._place.at("inputs", name)
            is_given = given.get(name) is not None
            where = place.at(name) if is_given else declared.at("default")
            directory = path.parent if path and is_given else _directory(parameter)
            try:
                patterns = secondary_patterns(parameter, declared)
            except Inconvertible as error:
                self._problems.append(error)
                patterns = []
            raw = given[name] if is_given else parameter.default
            value = self._files.value(raw, patterns, directory, where)
            self._values[name] = value
            if not is_unknown(value) and not fits(value, parameter.type_):
                self._values[name] = UNKNOWN
                self._problems.append(_misfit(name, value, parameter, where if is_given else declared))

    # --- steps --------------------------------------------------------------

    def _in_order(self) -> Iterator[Any]:
        """Yield the steps, each behind those whose outputs it reads."""
        left = {short_name(step.id): step for step in self._workflow.steps}
        while left:
            ready = [name for name, step in left.items() if not (self._read_by(step) & left.keys())]
            if not ready:
                steps = ", ".join(left)
                self._problems.append(
                    self._place.at("steps").error(f"these steps wait for each other: {steps}")
                )
                return
            for name in ready:
                yield left.pop(name)

    def _read_by(self, step: Any) -> set[str]:
        """Return the names of the steps whose outputs a step reads."""
        given = [entry.source for entry in step.in_ if entry.source]
        sources = [source for each in given for source in (each if isinstance(each, list) else [each])]
        names = [self._values.name_of(source) for source in sources]
        return {name.partition("/")[0] for name in names if "/" in name}

    def _convert_step(self, step: Any) -> None:
        name = short_name(step.id)
        place = self._place.at("steps", name) if self._process.class_ == "Workflow" else self._place
        tool, tool_place = self._tool_of(step, place)
        if getattr(step, "when", None):
            self._problems.append(
                place.at("when").error("a conditional step has no counterpart", "leave `when` out")
            )
        runs: list[tuple[tuple[int, ...], dict[str, Any]]] = []
        if tool is not None:
            levels = [(self._workflow, self._place), (step, place), (tool, tool_place)]
            requirements = requirements_of(levels, self._notes, self._problems)
            for position, inputs in step_runs(step, self._values, place, self._problems):
                number = "_".join(str(each + 1) for each in position)
                outputs = ToolRun(
                    tool,
                    tool_place,
                    f"{name}_{number}" if position else name,
                    self._default_files(tool, inputs, tool_place),
                    requirements,
                    partial(self._names.of, f"{name}/{number}", f"{name}/{number}" if position else name),
                    self._programs,
                    self._request.with_containers,
                    self._problems,
                )
                task, made = outputs.convert()
                runs.append((position, made))
                if task is not None:
                    self._tasks.append(task)
        for output in step.out:
            key = short_name(output if isinstance(output, str) else output.id)
            found = [(position, made.get(key, UNKNOWN)) for position, made in runs]
            is_single = not step.scatter and found
            whole = nested(found, step.scatterMethod) if tool is not None and step.scatter else UNKNOWN
            self._values[f"{name}/{key}"] = found[0][1] if is_single else whole

    def _default_files(self, tool: Any, inputs: dict[str, Any], place: CwlPlace) -> dict[str, Any]:
        """Return the inputs of a run: those that the tool has, with its default files as files of the workflow."""
        found = {}
        for parameter in tool.inputs:
            name = short_name(parameter.id)
            where = place.at("inputs", name)
            value = inputs.get(name)
            found[name] = value
            if value is None or isinstance(value, (dict, list)) or hasattr(value, "class_"):
                raw = parameter.default if value is None else value
                found[name] = self._files.value(raw, [], _directory(parameter), where.at("default"))
        return {**inputs, **found}

    def _tool_of(self, step: Any, place: CwlPlace) -> tuple[Any, CwlPlace]:
        """Return the tool of a step and its place; None: there is none that can be converted."""
        run, where = step.run, place.at("run")
        if isinstance(run, str):
            file, fragment = urldefrag(run)
            path = Path(unquote(urlsplit(file).path))
            shown = _shown(path, self._request.document)
            where = place_of(path, shown, fragment)
            try:
                run = self._documents.load(path, shown, fragment)
            except (DocumentError, StorageError) as error:
                found = getattr(error, "problems", None) or [place.at("run").problem(str(error), error.hint)]
                self._problems += [Inconvertible(problem) for problem in found]
                return None, where
        if run.class_ == "CommandLineTool":
            return run, where
        what, hint = {
            "Workflow": ("a workflow as a step", "put its steps into this workflow"),
            "ExpressionTool": ("an ExpressionTool", "compute the value in a command-line tool"),
        }.get(run.class_, (run.class_, "use a CommandLineTool"))
        self._problems.append(place.at("run").error(f"{what} has no counterpart", hint))
        return None, where

    # --- outputs ------------------------------------------------------------

    def _deliver(self) -> None:
        """Mark the outputs of the workflow as those that are delivered."""
        wanted: set[str] = set()
        for parameter in self._workflow.outputs:
            place = self._place.at("outputs", short_name(parameter.id))
            try:
                value = linked(parameter, self._values, place)
            except Inconvertible as error:
                self._problems.append(error)
                continue
            files = files_in(value)
            wanted |= {file.lfn for file in files}
            if inputs := [file.lfn for file in files if file.lfn in self._files.replicas]:
                self._notes.append(
                    place.problem(f"the output is the input {inputs[0]!r}, which stays where it is")
                )
            elif not files and not is_unknown(value):
                self._notes.append(place.problem(f"the output is {value!r}, which no job makes"))
        for task in self._tasks:
            for use in task.uses:
                if use.type == "output":
                    use.stage_out = use.lfn in wanted


def _around(tool: Any) -> Any:
    """Return a workflow whose only step is a tool, and that has its inputs and outputs."""
    name = re.sub(r"\W+", "_", short_name(tool.id).removesuffix(".cwl")) or "tool"
    step = SimpleNamespace(
        id=name,
        run=tool,
        in_=[
            SimpleNamespace(id=p.id, source=short_name(p.id), default=None, valueFrom=None, linkMerge=None)
            for p in tool.inputs
        ],
        out=[output.id for output in tool.outputs],
        scatter=None,
        scatterMethod=None,
    )
    outputs = [
        SimpleNamespace(id=o.id, outputSource=f"{name}/{short_name(o.id)}", linkMerge=None)
        for o in tool.outputs
    ]
    return SimpleNamespace(inputs=tool.inputs, steps=[step], outputs=outputs)


def _misfit(name: str, value: Any, parameter: Any, place: CwlPlace) -> Inconvertible:
    wanted = type_name(parameter.type_)
    if value is None:
        return place.error(
            f"input {name!r} ({wanted}) has no value", "give it in the input object", "missing-input"
        )
    return place.error(
        f"input {name!r} is {wanted}, and the value is not", "correct the value; records cannot be converted"
    )


def _directory(parameter: Any) -> Path:
    """Return the directory of the document in which a parameter stands."""
    return Path(unquote(urlsplit(parameter.loadingOptions.fileuri).path)).parent


def _shown(path: Path, document: Path) -> str:
    """Return the path of another document as the user would type it: as the first was typed."""
    try:
        return str(document.parent / path.relative_to(document.parent.absolute()))
    except ValueError:
        return str(path)


def _workflow_name(document: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", document.stem).strip("-.") or "workflow"
