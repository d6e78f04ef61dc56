"""Reading workflows in XML, as Pegasus 3 and 4 wrote them (DAX 3.0 to 3.6), into today's structs.

The root `<adag version="3.6" name="…">` holds, in any order, `metadata` and
`invoke` (hooks) of the workflow; `file` with `pfn` (replicas); `executable` with
`pfn`, and `transformation` with `uses` (executables that need others); `job`,
`dax` and `dag` (sub-workflows); and `child` with `parent` (dependencies).

What today's documents cannot express is mapped:

* A transformation may use data files: each of its jobs gets them as inputs.
* The document of a `dax` or `dag` is an input of it, named or not.
* `transfer="optional"` makes a file optional; `transfer` and `register` of inputs are ignored.
* Profiles of files and of their places are ignored, and so is a file without a place.
* Of several places of an executable at one site, the first counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from markab.errors import Problem
from markab.spec.careful_reader import Lines
from markab.spec.dax3_elements import EVENTS, SHAPES, ElementReader
from markab.spec.model import (
    Dependency,
    Hooks,
    Metadata,
    Pfn,
    Replica,
    ReplicaCatalog,
    ShellHook,
    Task,
    Transformation,
    TransformationCatalog,
    TransformationSite,
    Use,
    Workflow,
    transformation_name,
)
from markab.spec.variables import expand_argument
from markab.spec.xml_elements import Element, NotXmlError, read_elements

DOCUMENT_VERSION = "5.0.4"
"""The document version that the workflow is given."""

_LINKS = ("input", "output", "checkpoint", "inout", "none")
_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+""", re.DOTALL)


def read_dax(
    data: bytes, name: str, environment: Mapping[str, str]
) -> tuple[Workflow | None, list[Problem], Lines]:
    """Return a workflow, its problems, and the lines of its structs.

    Without a workflow, there is at least one problem. `${VAR}` is replaced as in YAML.
    """
    reader = _WorkflowReader(name, environment)
    try:
        read_elements(data, name, reader.root, reader.part)
    except NotXmlError as error:
        return None, [*reader.problems, *error.args], reader.lines
    return reader.workflow(), reader.problems, reader.lines


class _WorkflowReader(ElementReader):
    """Collects the parts of one workflow."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        super().__init__(name, environment, SHAPES)
        self.top = Element("adag", {}, 0)
        self.found = Workflow(DOCUMENT_VERSION, "", [])
        self.shell: list[ShellHook] = []
        self.replicas: list[Replica] = []
        self.transformations: dict[str, Transformation] = {}
        self.dependencies: dict[str, Dependency] = {}
        self.data_of: dict[str, list[Use]] = {}
        self.take = {
            "metadata": self.workflow_metadata,
            "invoke": self.workflow_hook,
            "file": self.replica,
            "executable": self.executable,
            "transformation": self.compound,
            "job": self.job,
            "dax": self.sub_workflow,
            "dag": self.sub_workflow,
            "child": self.child,
        }

    def root(self, element: Element) -> None:
        """Read the root; a document of another kind is not read further."""
        message = ""
        version = element.attributes.get("version", "")
        if element.name != "adag":
            message, kind = f"the document is a <{element.name}>; a workflow in XML is an <adag>", "other"
            hint = "check which file is passed as which document"
        elif version.partition(".")[0] != "3":
            message = f"unsupported DAX version {version!r}: only version 3 can be read"
            hint, kind = "write it as YAML, for example with the Python API", "wrong-version"
        if message:
            raise NotXmlError(Problem(message, hint, self.name, element.line, kind))
        self.top = element
        self.is_known(element)
        self.found.name = self.get(element, "name")

    def part(self, element: Element) -> None:
        """Read an element directly below the root."""
        if element.name not in self.take:
            self.unknown(element, self.top, self.take)
        elif self.is_known(element):
            self.take[element.name](element)

    def workflow(self) -> Workflow:
        """Return the workflow; elements with problems are left out."""
        found = self.found
        found.hooks = Hooks(self.shell) if self.shell else None
        found.job_dependencies = list(self.dependencies.values())
        if self.replicas:
            found.replica_catalog = ReplicaCatalog(self.replicas)
        if self.transformations:
            found.transformation_catalog = TransformationCatalog(list(self.transformations.values()))
        for task in found.jobs if self.data_of else ():
            needed = self.data_of.get(transformation_name(task.namespace, task.name or "", task.version), ())
            listed = {use.lfn for use in task.uses}
            task.uses += [use for use in needed if use.lfn not in listed]
        return self.at(self.top, found)

    def workflow_metadata(self, element: Element) -> None:
        self.found.metadata = {**self.found.metadata, self.get(element, "key"): self.content(element)}

    def workflow_hook(self, element: Element) -> None:
        self.shell += self.hooks([element])

    def replica(self, element: Element) -> None:
        places = [
            self.at(place, Pfn(self.find(place, "site") or "local", self.get(place, "url")))
            for place in self.each(element, "pfn")
        ]
        if places:
            item = Replica(self.get(element, "name"), places, metadata=self.metadata(element))
            self.replicas.append(self.at(element, item))

    def executable(self, element: Element) -> None:
        found = self.transformation(element)
        known = {site.name for site in found.sites}
        kind: Literal["installed", "stageable"] = "installed"
        if self.flag(element, "installed") is False:
            kind = "stageable"
        for place in self.each(element, "pfn"):
            site = TransformationSite(
                self.find(place, "site") or "local",
                kind,
                self.get(place, "url"),
                arch=self.find(element, "arch"),
                os_type=self.find(element, "os"),
                os_release=self.find(element, "osrelease"),
                os_version=self.find(element, "osversion"),
                profiles=self.profiles(place),
            )
            if site.name not in known:
                known.add(site.name)
                found.sites.append(self.at(place, site))
        for namespace, values in self.profiles(element).items():
            found.profiles = {**found.profiles, namespace: {**found.profiles.get(namespace, {}), **values}}

    def compound(self, element: Element) -> None:
        found = self.transformation(element)
        own = found.full_name
        for use in self.each(element, "uses"):
            lfn = self.find(use, "name", "file") or ""
            if self.flag(use, "executable") is False:
                item = Use(lfn, "input", metadata=self.metadata(use))
                self.data_of.setdefault(own, []).append(self.at(use, item))
                continue
            namespace = self.find(use, "namespace") or found.namespace
            needed = transformation_name(namespace, lfn, self.find(use, "version") or found.version)
            if needed != own and needed not in found.requires:
                found.requires.append(needed)

    def transformation(self, element: Element) -> Transformation:
        """Return the transformation of this name, new or read before, with the metadata and hooks added."""
        made = self.at(
            element,
            Transformation(
                self.get(element, "name"),
                namespace=self.find(element, "namespace"),
                version=self.find(element, "version"),
            ),
        )
        name = made.full_name
        found = self.transformations.setdefault(name, made)
        found.metadata = {**found.metadata, **self.metadata(element)}
        if shell := self.hooks(self.each(element, "invoke")):
            found.hooks = Hooks([*(found.hooks.shell if found.hooks else ()), *shell])
        return found

    def job(self, element: Element) -> None:
        task = self.task(element, "job")
        task.name = self.get(element, "name")
        task.namespace = self.find(element, "namespace")
        task.version = self.find(element, "version")

    def sub_workflow(self, element: Element) -> None:
        task = self.task(element, "pegasusWorkflow" if element.name == "dax" else "condorWorkflow")
        task.file = self.find(element, "file", "name") or ""
        if task.file not in [use.lfn for use in task.uses]:
            task.uses.append(self.at(element, Use(task.file, "input", for_planning=True)))

    def child(self, element: Element) -> None:
        child = self.get(element, "ref")
        for parent in self.each(element, "parent"):
            ref = self.get(parent, "ref")
            found = self.dependencies.get(ref)
            if found is None:
                found = self.dependencies[ref] = self.at(parent, Dependency(ref, []))
            found.children.append(child)

    def task(self, element: Element, kind: Literal["job", "pegasusWorkflow", "condorWorkflow"]) -> Task:
        """Add a task to the workflow with what a job and a sub-workflow have in common, and return it."""
        shell = self.hooks(self.each(element, "invoke"))
        task = Task(
            self.get(element, "id"),
            kind,
            uses=[use for part in self.each(element, "uses") if (use := self.use(part))],
            arguments=[word for part in self.each(element, "argument") for word in self.words(part)],
            node_label=self.find(element, "node-label"),
            profiles=self.profiles(element),
            metadata=self.metadata(element),
            hooks=Hooks(shell) if shell else None,
        )
        for stream in ("stdin", "stdout", "stderr"):
            for part in self.each(element, stream):
                setattr(task, stream, self.find(part, "name", "file"))
        self.found.jobs.append(self.at(element, task))
        return task

    def words(self, element: Element) -> list[str]:
        """Return the words of a command line; a quoted word keeps its quotes, as in YAML."""
        text = ""
        for part in element.content:
            if isinstance(part, str):
                text += part
            elif part.name in ("file", "filename") and self.is_known(part, "argument/file"):
                text += self.find(part, "name", "file") or ""
        all_matched = not _WORD.sub(
            "", text
        ).strip()  # if not, a quote is not closed: reported when the job runs
        return [
            expand_argument(word, self.environment)
            for word in (_WORD.findall(text) if all_matched else text.split())
        ]

    def use(self, element: Element) -> Use | None:
        executable = self.flag(element, "executable") or False
        link = self.choice(element, "link", _LINKS, "input" if executable else "")
        is_optional = element.attributes.get("transfer") == "optional"
        stage_out = True if is_optional else self.flag(element, "transfer")
        register = self.flag(element, "register")
        use = Use(
            self.find(element, "name", "file") or "",
            link or "none",  # type: ignore[arg-type]
            optional=is_optional or self.flag(element, "optional") or False,
            size=self.whole(element, "size"),
            metadata=self.metadata(element),
            executable=executable,
            namespace=self.find(element, "namespace"),
            version=self.find(element, "version"),
        )
        if link in ("output", "checkpoint", "inout"):
            use.stage_out, use.register_replica = stage_out, register
        return self.at(element, use) if link else None

    def metadata(self, element: Element) -> Metadata:
        return {self.get(part, "key"): self.content(part) for part in self.each(element, "metadata")}

    def hooks(self, elements: list[Element]) -> list[ShellHook]:
        return [
            self.at(element, ShellHook(EVENTS[when], self.content(element)))
            for element in elements
            if (when := self.choice(element, "when", tuple(EVENTS)))
        ]
