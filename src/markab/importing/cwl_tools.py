"""One CommandLineTool with the values of its inputs, as a task."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markab.importing.cwl_command import CommandWord, command_words, shell_line, short_name
from markab.importing.cwl_places import CwlPlace, Inconvertible
from markab.importing.cwl_programs import Programs
from markab.importing.cwl_references import Scope, as_text
from markab.importing.cwl_requirements import Requirement, ToolSettings, settings_of
from markab.importing.cwl_values import (
    UNKNOWN,
    FileValue,
    files_in,
    fits,
    is_unknown,
    secondary_name,
    secondary_patterns,
    type_name,
)
from markab.importing.word_quoting import quoted_word
from markab.spec.model import Task, Use

_SHELL = "/bin/sh"
_FOUND_BY_NAME = "/usr/bin/env"
_GLOB = frozenset("*?[")


@dataclass
class ToolRun:
    """One run of a tool: a step, or one of its scattered runs."""

    tool: Any
    place: CwlPlace
    id: str
    """The id of the task."""
    inputs: dict[str, Any]
    requirements: dict[str, Requirement]
    lfn_of: Callable[[str], str]
    """From the name of an output in the tool's directory to its logical name."""
    programs: Programs
    with_containers: bool
    problems: list[Inconvertible]

    def convert(self) -> tuple[Task | None, dict[str, Any]]:
        """Return the task, and the values of the outputs; None if something could not be converted."""
        errors = len(self.problems)
        self._check_inputs()
        scope = Scope(self.inputs, {})
        settings = settings_of(self.requirements, scope, self.problems, with_containers=self.with_containers)
        scope = Scope(self.inputs, settings.runtime)
        words = command_words(self.tool, scope, self.place, self.problems)
        streams = {name: self._stream(name, scope) for name in ("stdin", "stdout", "stderr")}
        made, outputs = self._outputs(scope, streams)
        if len(self.problems) > errors or any(is_unknown(value) for value in self.inputs.values()):
            return None, dict.fromkeys(outputs, UNKNOWN)
        if not words:
            self.problems.append(self.place.error("the tool has no command", "give it a baseCommand"))
            return None, outputs
        try:
            return self._task(words, settings, streams, made), outputs
        except Inconvertible as error:
            self.problems.append(error)
            return None, outputs

    def _check_inputs(self) -> None:
        for parameter in self.tool.inputs:
            name = short_name(parameter.id)
            if self.inputs.get(name) is None and parameter.default is not None:
                self.inputs[name] = parameter.default
            value = self.inputs.setdefault(name, None)
            if is_unknown(value) or fits(value, parameter.type_):
                continue
            where, wanted = self.place.at("inputs", name), type_name(parameter.type_)
            if value is None:
                error = where.error(
                    f"input {name!r} ({wanted}) of {self.id} has no value", "connect it, or give it a default"
                )
            else:
                error = where.error(
                    f"input {name!r} of {self.id} is {as_text(value)!r}, and {wanted} is what the tool takes",
                    "connect it to a value of that type; records and types of schemas cannot be converted",
                )
            self.problems.append(error)

    def _stream(self, name: str, scope: Scope) -> str | None:
        """Return the name of the file that the stream is read from or written to."""
        given = getattr(self.tool, name)
        if name == "stdin" and not given:
            for parameter in self.tool.inputs:
                if parameter.type_ == "stdin" and isinstance(
                    value := self.inputs[short_name(parameter.id)], FileValue
                ):
                    return value.path
        if not given:
            makes = next((each for each in self.tool.outputs if each.type_ == name), None)
            return f"{short_name(makes.id)}.{name}" if makes else None
        try:
            value = scope.value(given, self.place.at(name))
            return None if is_unknown(value) else as_text(value)
        except Inconvertible as error:
            self.problems.append(error)
            return None

    def _outputs(
        self, scope: Scope, streams: Mapping[str, str | None]
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Return name in the tool's directory → lfn, and name of the output → value."""
        made: dict[str, str] = {}
        values: dict[str, Any] = {}
        for parameter in self.tool.outputs:
            name = short_name(parameter.id)
            try:
                values[name] = self._output(parameter, scope, streams, made, self.place.at("outputs", name))
            except Inconvertible as error:
                self.problems.append(error)
                values[name] = UNKNOWN
        return made, values

    def _output(
        self,
        parameter: Any,
        scope: Scope,
        streams: Mapping[str, str | None],
        made: dict[str, str],
        place: CwlPlace,
    ) -> Any:
        kind, name = parameter.type_, short_name(parameter.id)
        if kind in ("stdout", "stderr"):
            stream = streams[kind]
            return UNKNOWN if stream is None else self._file(stream, made, parameter, place)
        binding = parameter.outputBinding
        optional = isinstance(kind, list) and "null" in kind
        if optional:
            kind = next((each for each in kind if each != "null"), "null")
        item = kind.items if getattr(kind, "type_", None) == "array" else kind
        if item not in ("File", "Directory"):
            raise place.error(
                f"output {name!r} is {type_name(kind)}: only files can be converted", "write it to a file"
            )
        if optional:
            raise place.error(
                f"output {name!r} is optional, and a job makes all of its outputs", "make it a File"
            )
        if binding is None or not binding.glob:
            raise place.error(f"output {name!r} has no glob", "name its file in outputBinding.glob")
        if binding.outputEval or binding.loadContents:
            raise place.at("outputBinding").error(
                "outputEval and loadContents cannot be converted", "leave them out"
            )
        names = list(self._globbed(binding.glob, scope, place.at("outputBinding", "glob")))
        if is_unknown(names):
            return UNKNOWN
        files = [self._file(each, made, parameter, place, is_directory=item == "Directory") for each in names]
        if item is kind and len(files) != 1:
            raise place.error(
                f"output {name!r} is one file, and its glob names {len(files)}", "make it a File[]"
            )
        return files[0] if item is kind else files

    def _globbed(self, given: Any, scope: Scope, place: CwlPlace) -> Iterator[Any]:
        """Yield the names; UNKNOWN for one that needs a value which could not be converted."""
        for each in given if isinstance(given, list) else [given]:
            value = scope.value(each, place)
            for name in value if isinstance(value, list) else [value]:
                if name is UNKNOWN:
                    yield name
                    continue
                text = as_text(name).removeprefix("./").rstrip("/")
                if _GLOB & set(text):
                    raise place.error(
                        f"glob {text!r} has wildcards: which files a job makes must be known before it runs",
                        "name the files, or have the tool pack them into one, or declare their Directory",
                    )
                yield text

    def _file(
        self, name: str, made: dict[str, str], parameter: Any, place: CwlPlace, *, is_directory: bool = False
    ) -> FileValue:
        if not name or name.startswith("/") or ".." in name.split("/"):
            raise place.error(f"{name!r} is not a file in the directory of the tool", "give a relative name")
        slash = "/" if is_directory else ""
        made[name + slash] = self.lfn_of(name) + slash
        secondary = []
        for pattern, required in secondary_patterns(parameter, place):
            if not required:
                raise place.at("secondaryFiles").error(
                    f"{pattern} is optional, and a job makes all of its outputs",
                    "leave it out, or require it",
                )
            beside = secondary_name(name, pattern)
            made[beside] = secondary_name(made[name + slash].rstrip("/"), pattern)
            secondary.append(FileValue(made[beside]))
        return FileValue(made[name + slash], is_directory, tuple(secondary))

    def _task(
        self,
        words: list[CommandWord],
        settings: ToolSettings,
        streams: Mapping[str, str | None],
        made: dict[str, str],
    ) -> Task:
        plain = self._plain_command([word.text for word in words], settings)
        script = self._script(words, plain, settings, streams, made)
        if script and plain[2]:
            raise self.place.error(
                f"{plain[0]} is stageable, and its outputs or its working directory need a shell around it",
                "say that it is installed, or give its outputs other names",
            )
        if script:
            name = self.programs.name_of("sh", _SHELL, settings.container)
            arguments = ["-c", script]
        else:
            program, pfn, is_stageable, arguments = plain
            name = self.programs.name_of(program, pfn, settings.container, is_stageable=is_stageable)
        used = {
            file.lfn: Use(file.lfn, "input") for value in self.inputs.values() for file in files_in(value)
        }
        if (source := streams["stdin"]) and source not in used:
            raise self.place.at("stdin").error(
                f"stdin {source!r} is not an input of the tool", "make it an input"
            )
        outputs = [Use(lfn, "output", stage_out=False) for lfn in made.values()]
        return Task(
            self.id,
            name=name,
            arguments=[quoted_word(word) for word in arguments],
            uses=[*used.values(), *outputs],
            stdin=source,
            stdout=made.get(streams["stdout"] or ""),
            stderr=made.get(streams["stderr"] or ""),
            profiles=settings.profiles,
        )

    def _plain_command(self, words: list[str], settings: ToolSettings) -> tuple[str, str, bool, list[str]]:
        """Return the program, its path, whether it is stageable, and its arguments."""
        program, *arguments = words
        path = os.path.expandvars(program)
        is_stageable = self.programs.is_stageable(program)
        if settings.container and "/" not in path and not is_stageable:
            return program, _FOUND_BY_NAME, False, words
        beside = os.path.join(os.path.dirname(self.place.file), path)
        if "/" in path and not os.path.isabs(path):
            path = os.path.abspath(beside)
            is_stageable = is_stageable or not self.programs.has(program)
        found = shutil.which(path) if settings.container is None or is_stageable else path
        if found is None:
            raise self.place.at("baseCommand").error(
                f"the program {program!r} is not on this machine",
                "install it, or write its absolute path in baseCommand",
            )
        return os.path.basename(program), found, is_stageable, arguments

    def _script(
        self,
        words: list[CommandWord],
        plain: tuple[str, str, bool, list[str]],
        settings: ToolSettings,
        streams: Mapping[str, str | None],
        made: dict[str, str],
    ) -> str:
        """Return what a shell has to do around the tool; empty: nothing, and the tool is started by itself."""
        captured = {streams["stdout"], streams["stderr"]}
        moves = [
            f"mkdir -p {quoted_word(os.path.dirname(lfn.rstrip('/')) or '.')} && mv {quoted_word(name)} {quoted_word(lfn)}"
            for name, lfn in made.items()
            if name != lfn and name not in captured
        ]
        codes = sorted({0, *(self.tool.successCodes or [])})
        if not (moves or settings.work_files or settings.uses_shell or codes != [0]):
            return ""
        command = (
            shell_line(words)
            if settings.uses_shell
            else " ".join(quoted_word(w) for w in (plain[1], *plain[3]))
        )
        lines = ["set -e", *settings.work_files]
        if codes != [0]:
            lines += [
                "set +e",
                command,
                f"case $? in {'|'.join(map(str, codes))}) ;; *) exit 1;; esac",
                "set -e",
            ]
        else:
            lines.append(command)
        return "\n".join([*lines, *moves])
