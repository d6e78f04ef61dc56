"""Exporting a run as a Workflow Run RO-Crate: a directory with `ro-crate-metadata.json` and the workflow document.

It follows the profiles Process, Workflow and Provenance Run Crate 0.5: an action
for the run, one for every attempt of a compute job (failed ones with their
error), and the steps that they carry out. Data is not copied: a file with a known
place is named by its URL; one without (an intermediate result, or one that was
deleted) is described by name, size and sha256. Transfers and cleanup are not steps
of the user's workflow, and are left out.

Format: https://www.researchobject.org/workflow-run-crate/
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import msgspec

from markab import __version__
from markab.errors import NothingToExport, StorageError
from markab.formatting import titled
from markab.journal.attempt_story import environment_texts
from markab.plan.atomic_file import replacing
from markab.plan.model import Kind
from markab.reports.exports.formatting import as_url, encoded, is_gone, iso, planned_words
from markab.reports.exports.public_document import write_document
from markab.reports.exports.run_facts import AttemptFacts, Facts, RunFile
from markab.reports.exports.spooled_text import Spools

METADATA = "ro-crate-metadata.json"
INNER_CRATES = "sub-workflows"
"""The directory in which the crates of sub-workflows are."""
DOCUMENT = "workflow.yml"
LICENSE = "No license was stated for this crate."
CRATE = "https://w3id.org/ro/crate/1.1"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
ENGINE = "#markab"
LANGUAGE = "#pegasus"
RUN = "#run"
DONE, FAILED = "http://schema.org/CompletedActionStatus", "http://schema.org/FailedActionStatus"

_encode = msgspec.json.Encoder().encode


def write_ro_crate(facts: Facts, path: Path, license: str = LICENSE, crates: Mapping[int, str] = {}) -> None:
    """Write the crate into the directory `path`, which is created if necessary.

    Args:
        crates: directories inside that are the crates of sub-workflows, by their jobs.

    Raises:
        NothingToExport: nothing has run yet.
        MarkabError: the copy of the workflow document is missing.
        StorageError: disk full, directory not writable.
        CorruptJournal: the journal is damaged.
    """
    document = facts.document
    with Spools() as spools:
        crate = _Crate(facts, spools, crates)
        for attempt in facts.attempts():
            if attempt.job.kind in (Kind.COMPUTE, Kind.SUBWORKFLOW):
                crate.attempt(attempt)
        if not crate.tools:
            raise NothingToExport(
                f"no task of {str(facts.place.path)!r} has run, so there is no run to describe in a crate",
                hint=f"start it with `markab run {shlex.quote(str(facts.place.path))}`, or wait for its first task",
            )
        crate.steps()
        crate.all_files()
        crate.inner_crates()
        crate.context(license)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot create the directory {str(path)!r}: {error.strerror}",
                hint="name another directory with -o",
            ) from error
        write_document(document, path / DOCUMENT)
        with replacing(path / METADATA) as out:
            out.write(b'{"@context":' + _encode(CONTEXT) + b',\n"@graph":[\n')
            spools["graph"].copy_to(out)
            for entity, lists in (
                (crate.root(license), {"hasPart": "parts", "mentions": "actions"}),
                (crate.workflow(), {"step": "steps"}),
                (crate.orchestration(), {"object": "controls"}),
            ):
                out.write(b",\n" + _encode(entity)[:-1])
                for key, name in lists.items():
                    out.write(b',"%b":[' % key.encode())
                    spools[name].copy_to(out)
                    out.write(b"]")
                out.write(b"}")
            out.write(b"\n]}\n")


class _Crate:
    """The graph under construction: entities go to spools as soon as they are complete."""

    def __init__(self, facts: Facts, spools: Spools, crates: Mapping[int, str]) -> None:
        self.facts = facts
        self._crates = crates
        self._requirements: dict[str, dict[str, dict[str, str]]] = {}
        """Transformation → the software environments in which it ran, as references by their ids."""
        self.tools: dict[str, str] = {}
        """Transformation → program, of those that have run."""
        self._attempted: set[str] = set()
        self._images: set[str] = set()
        """Ids of those that were added."""
        self._add = spools["graph"].item
        self._spools = spools
        self._spools["parts"].item(_ref(DOCUMENT))
        self._inputs: list[RunFile] = []
        self._outputs: list[RunFile] = []

    def attempt(self, attempt: AttemptFacts) -> None:
        """Add one attempt of a step."""
        job = attempt.job
        for task in job.tasks:
            self.tools.setdefault(task.transformation or job.id, planned_words(task)[0])
        action = f"#attempt/{encoded(attempt.name)}"
        fields: dict[str, Any] = {
            "@id": action,
            "@type": "CreateAction",
            "name": f"Attempt {attempt.number} of {titled(job.id, job.label)}",
            "description": f"{attempt.state} at site {attempt.site}"
            + (f" on {attempt.host}" if attempt.host else ""),
            "instrument": _one_or_all([_ref(_tool(task.transformation or job.id)) for task in job.tasks]),
            "agent": _ref(_user(self.facts)),
            "object": _files(attempt.used),
            "result": _files(attempt.made),
            "startTime": iso(attempt.start),
        }
        fields |= _ending(attempt.end, attempt.state, attempt.error)
        usage = list(self._usage(attempt, action))
        if usage:
            fields["resourceUsage"] = usage
        if attempt.containers:
            fields["containerImage"] = _one_or_all([self._image(one) for one in attempt.containers])
        for one in attempt.environments:
            id = self._environment(one)
            for task in job.tasks:
                self._requirements.setdefault(task.transformation or job.id, {})[id] = _ref(id)
        if attempt.inner is not None:
            fields["identifier"] = f"urn:uuid:{attempt.inner.uuid}"
            if crate := self._crates.get(attempt.position):
                fields["subjectOf"] = _ref(crate)
        self._add(_without_empty(fields))
        self._spools["actions"].item(_ref(action))
        control = f"#control/{encoded(attempt.name)}"
        self._add(
            {
                "@id": control,
                "@type": "ControlAction",
                "name": f"Carry out {job.id}, attempt {attempt.number}",
                "instrument": _ref(_step(job.id)),
                "object": _ref(action),
            }
            | ({"actionStatus": DONE if attempt.state == "succeeded" else FAILED} if attempt.end else {})
        )
        self._spools["controls"].item(_ref(control))
        self._attempted.add(job.id)

    def _image(self, container: dict[str, Any]) -> dict[str, str]:
        """Add the image of a container, once; return a reference to it."""
        digest = str(container.get("sha256", ""))
        id = f"#image/{encoded(container['name'])}" + (f"/{digest}" if digest else "")
        if id not in self._images:
            self._images.add(id)
            kind = "DockerImage" if container["type"] == "docker" else "SIFImage"
            fields: dict[str, Any] = {
                "@id": id,
                "@type": "ContainerImage",
                "additionalType": _ref(f"https://w3id.org/ro/terms/workflow-run#{kind}"),
                "name": container["name"],
            }
            self._add(fields | ({"sha256": digest} if digest else {}))
        return _ref(id)

    def _environment(self, found: dict[str, Any]) -> str:
        """Add a software environment, once; return its id."""
        id = f"#environment/{encoded(str(found.get('digest') or found['name']))}"
        if id not in self._images:
            self._images.add(id)
            (text,) = environment_texts({"environments": [found]})
            fields: dict[str, Any] = {"@id": id, "@type": "SoftwareApplication", "name": text}
            if packages := found.get("packages"):
                fields["softwareRequirements"] = list(packages)
            if digest := found.get("digest"):
                fields["identifier"] = digest
            self._add(fields)
        return id

    def inner_crates(self) -> None:
        """Add the crates of the sub-workflows as parts of this one."""
        for position, place in self._crates.items():
            inner = self.facts.inner[position]
            self._add(
                {
                    "@id": place,
                    "@type": "Dataset",
                    "name": f"{inner.workflow}, run {inner.uuid}",
                    "description": f"The run of the sub-workflow {inner.job}.",
                    "conformsTo": _ref("https://w3id.org/ro/crate"),
                    "subjectOf": _ref(f"{place}{METADATA}"),
                }
            )
            self._add(
                {
                    "@id": f"{place}{METADATA}",
                    "@type": "CreativeWork",
                    "name": f"metadata of the run of {inner.job}",
                    "encodingFormat": "application/ld+json",
                }
            )
            self._spools["parts"].item(_ref(place))

    def steps(self) -> None:
        """Add the steps of the workflow: all that were planned, whether they ran or not."""
        for position, job in enumerate(self.facts.plan.jobs()):
            if job.kind not in (Kind.COMPUTE, Kind.SUBWORKFLOW):
                continue
            names = [task.transformation or job.id for task in job.tasks]
            self._add(
                {
                    "@id": _step(job.id),
                    "@type": "HowToStep",
                    "name": job.id,
                    "position": str(position),
                    "workExample": _one_or_all([_ref(_tool(name)) for name in names]),
                }
                | ({"description": job.label} if job.label else {})
            )
            self._spools["steps"].item(_ref(_step(job.id)))
            for name, task in zip(names, job.tasks, strict=True):
                if name not in self.tools and name not in self._attempted:
                    self._attempted.add(name)
                    self._add(_software(name, planned_words(task)[0]))
        for name, program in self.tools.items():
            needs = list(self._requirements.get(name, {}).values())
            more = {"softwareRequirements": _one_or_all(needs)} if needs else {}
            self._add(_software(name, program) | more)

    def all_files(self) -> None:
        """Add every file: one with a place as data, one without as a description."""
        for file in [*self.facts.older, *self.facts.files.values()]:
            if not file.is_input and not file.maker:
                continue
            is_there = _is_there(file)
            kind = "File" if is_there else "CreativeWork"
            fields: dict[str, Any] = {"@id": _file(file), "@type": kind, "name": file.lfn}
            if file.sha256:
                fields["sha256"] = file.sha256
            if file.size_bytes is not None:
                fields["contentSize"] = str(file.size_bytes)
            if is_there and (media_type := guess_type(file.lfn)[0]):
                fields["encodingFormat"] = media_type
            if file.made:
                fields["dateModified"] = iso(file.made)
            if file.delivered and is_gone(file.home):
                fields["description"] = (
                    f"was delivered to {as_url(file.delivered[0].url)}, and no longer exists there"
                )
            role = self._role(file)
            if role:
                parameter = f"#parameter/{encoded(file.lfn)}"
                fields["exampleOfWork"] = _ref(parameter)
                self._parameter(file, parameter, role, is_there)
            if is_there:
                self._spools["parts"].item(_ref(_file(file)))
            self._add(fields)

    def context(self, license: str) -> None:
        """Add the user, the software and the other entities that are referred to."""
        facts = self.facts
        self._add(
            {
                "@id": METADATA,
                "@type": "CreativeWork",
                "about": _ref("./"),
                "conformsTo": [_ref(CRATE), _ref(WORKFLOW_CRATE)],
            }
        )
        for url, (name, version) in PROFILES.items():
            self._add({"@id": url, "@type": "CreativeWork", "name": name, "version": version})
        self._add({"@id": _user(facts), "@type": "Person", "name": facts.user})
        self._add(
            {"@id": ENGINE, "@type": "SoftwareApplication", "name": "Markab", "softwareVersion": __version__}
        )
        self._add(
            {
                "@id": LANGUAGE,
                "@type": "ComputerLanguage",
                "name": "Pegasus",
                "alternateName": "Pegasus abstract workflow, YAML",
                "identifier": _ref("https://pegasus.isi.edu"),
                "url": _ref("https://pegasus.isi.edu"),
            }
        )
        if license.startswith(("http://", "https://")):
            self._add({"@id": license, "@type": "CreativeWork", "name": license})
        run: dict[str, Any] = {
            "@id": RUN,
            "@type": "CreateAction",
            "name": f"Run of {facts.name}",
            "description": f"Run {facts.uuid}: {facts.state.lower()}",
            "instrument": _ref(DOCUMENT),
            "agent": _ref(_user(facts)),
            "object": _files(self._inputs),
            "result": _files(self._outputs),
            "startTime": iso(facts.started),
        }
        state = {"Success": "succeeded", "Running": "running"}.get(facts.state, "failed")
        run |= _ending(
            facts.ended or (0.0 if state == "running" else facts.last_time), state, _why(facts, state)
        )
        self._add(_without_empty(run))
        self._spools["actions"].item(_ref(RUN))

    def root(self, license: str) -> dict[str, Any]:
        """Return the crate itself."""
        facts = self.facts
        missing = "".join(f" {sentence[0].upper()}{sentence[1:]}." for sentence in facts.missing())
        return {
            "@id": "./",
            "@type": "Dataset",
            "name": f"{facts.name}, run {facts.uuid}",
            "description": f"A run of the workflow {facts.name} by Markab.{missing}",
            "datePublished": iso(time.time()),
            "license": _ref(license) if license.startswith(("http://", "https://")) else license,
            "author": _ref(_user(facts)),
            "conformsTo": [_ref(url) for url in PROFILES],
            "mainEntity": _ref(DOCUMENT),
        }

    def workflow(self) -> dict[str, Any]:
        """Return the workflow document."""
        fields = {
            "@id": DOCUMENT,
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": self.facts.name,
            "encodingFormat": "application/yaml",
            "version": self.facts.braindump.get("dax_version") or "5.0",
            "conformsTo": _ref("https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"),
            "programmingLanguage": _ref(LANGUAGE),
            "hasPart": _one_or_all([_ref(_tool(name)) for name in self.tools]),
            "input": _parameters(self._inputs),
            "output": _parameters(self._outputs),
        }
        return _without_empty(fields)

    def orchestration(self) -> dict[str, Any]:
        """Return the action of the engine."""
        return {
            "@id": "#orchestration",
            "@type": "OrganizeAction",
            "name": f"Markab ran {self.facts.name}",
            "instrument": _ref(ENGINE),
            "agent": _ref(_user(self.facts)),
            "result": _ref(RUN),
            "startTime": iso(self.facts.started),
        }

    def _role(self, file: RunFile) -> str:
        if file.is_input:
            if file.executable:
                return ""
            self._inputs.append(file)
            return "input"
        if file.delivered and self.facts.files[file.lfn] is file:
            self._outputs.append(file)
            return "output"
        return ""

    def _parameter(self, file: RunFile, id: str, role: str, is_there: bool) -> None:
        fields: dict[str, Any] = {
            "@id": id,
            "@type": "FormalParameter",
            "conformsTo": _ref("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
            "additionalType": "File",
            "name": file.lfn,
            "description": f"{role} of the workflow",
        }
        if is_there:
            fields["workExample"] = _ref(_file(file))
        self._add(fields)

    def _usage(self, attempt: AttemptFacts, action: str) -> list[dict[str, str]]:
        used = [one.usage for one in attempt.invocations]
        if not used:
            return []
        memory_kb = max(one.get("maxrss_kb", 0) for one in used)
        cpu_s = sum(one.get("utime_s", 0.0) + one.get("stime_s", 0.0) for one in used)
        refs = []
        for name, value, unit in (
            ("maxResidentMemory", memory_kb, "KibiBYTE"),
            ("cpuTime", round(cpu_s, 6), "SEC"),
        ):
            id = f"{action}/{name}"
            self._add(
                {
                    "@id": id,
                    "@type": "PropertyValue",
                    "name": name,
                    "propertyID": f"https://w3id.org/markab/terms#{name}",
                    "unitCode": f"https://qudt.org/vocab/unit/{unit}",
                    "value": str(value),
                }
            )
            refs.append(_ref(id))
        return refs


def _software(name: str, program: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"@id": _tool(name), "@type": "SoftwareApplication", "name": name}
    if program:
        fields["description"] = f"the program {program}"
    _, colon, version = name.rpartition(":")
    if colon and version and not name.endswith("::" + version):
        fields["softwareVersion"] = version
    return fields


def _ending(end: float, state: str, error: str) -> dict[str, Any]:
    """Return how an action ended; nothing while it runs."""
    if not end:
        return {}
    fields: dict[str, Any] = {"endTime": iso(end), "actionStatus": DONE if state == "succeeded" else FAILED}
    if error and state != "succeeded":
        fields["error"] = error
    return fields


def _why(facts: Facts, state: str) -> str:
    return "; ".join(facts.missing()) if state == "failed" else ""


def _is_there(file: RunFile) -> bool:
    """Return whether the URL of a file still leads to it, as far as can be checked from here."""
    return _has_url(file) and bool(file.is_input or file.delivered) and not is_gone(file.home)


def _has_url(file: RunFile) -> bool:
    # A checkpoint has several versions, but only one URL for all of them.
    return bool(file.home) and not file.checkpoint


def _file(file: RunFile) -> str:
    """Return the id of a file; it depends on the plan only, so it can be used before the file is complete."""
    if _has_url(file):
        return as_url(file.home)
    return f"#file/{encoded(file.lfn)}" + (f";version={file.version}" if file.version > 1 else "")


def _user(facts: Facts) -> str:
    return f"#user/{encoded(facts.user)}"


def _step(job: str) -> str:
    return f"#step/{encoded(job)}"


def _tool(transformation: str) -> str:
    return f"#tool/{encoded(transformation)}"


def _ref(id: str) -> dict[str, str]:
    return {"@id": id}


def _files(files: list[RunFile]) -> Any:
    return _one_or_all([_ref(_file(file)) for file in files])


def _parameters(files: list[RunFile]) -> Any:
    return _one_or_all([_ref(f"#parameter/{encoded(file.lfn)}") for file in files])


def _one_or_all(refs: list[dict[str, str]]) -> Any:
    return refs[0] if len(refs) == 1 else refs


def _without_empty(entity: dict[str, Any]) -> dict[str, Any]:
    """Return an entity without its empty values."""
    return {key: value for key, value in entity.items() if value != []}
