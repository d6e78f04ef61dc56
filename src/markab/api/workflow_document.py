"""The builder of a workflow's document: jobs, their files, and inline catalogs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from markab.api import dependencies
from markab.api.dependencies import JobDependency
from markab.api.errors import DuplicateError, NotFoundError
from markab.api.job import AbstractJob, Job
from markab.api.job_array import How, JobArray, Point, make_array, points_of
from markab.api.mixins import HookMixin, MetadataMixin, ProfileMixin, shared_data
from markab.api.replica_catalog import ReplicaCatalog
from markab.api.script_session import report_written
from markab.api.site_catalog import SiteCatalog
from markab.api.transformation_catalog import TransformationCatalog
from markab.api.warnings import warn
from markab.api.writable import Writable

if TYPE_CHECKING:
    from typing_extensions import Self


class WorkflowDocument(Writable, HookMixin, ProfileMixin, MetadataMixin):
    """The content of a workflow; `write` writes its document. `Workflow` adds planning and running."""

    _DEFAULT_FILENAME = "workflow.yml"

    def __init__(self, name: str, infer_dependencies: bool = True) -> None:
        """Start a workflow without jobs.

        With `infer_dependencies`, a job that reads a file waits for the job that makes it.

        Raises:
            TypeError: the name is not text.
            ValueError: the name has a slash or a blank, which the names of directories made from it cannot have.
        """
        if not isinstance(name, str):
            raise TypeError(f"a workflow is named by text, not by {name!r} ({type(name).__name__})")
        if not name or any(character == "/" or character.isspace() for character in name):
            raise ValueError(
                f"the name of a workflow is {name!r}, but must have no slash and no blank, as 'my-{_slug(name)}'"
            )
        self.name = name
        self.infer_dependencies = infer_dependencies
        self.jobs: dict[str, AbstractJob] = {}
        """Id → job, in the order added."""
        self.dependencies: dict[str, JobDependency] = {}
        """Id of a parent → the children given by `add_dependency`; dependencies by files are computed when writing."""
        self.site_catalog: SiteCatalog | None = None
        self.replica_catalog: ReplicaCatalog | None = None
        self.transformation_catalog: TransformationCatalog | None = None
        self.sequence = 1
        self._has_sub_workflows = False
        self._children: dict[str, Path] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, jobs={len(self.jobs)})"

    def add_jobs(self, *jobs: AbstractJob) -> Self:
        """Add jobs; those without an id get ID0000001, ID0000002, and so on.

        Raises:
            DuplicateError: there is a job of that id.
        """
        for job in jobs:
            if not isinstance(job, AbstractJob):
                raise TypeError(f"workflow {self.name!r} takes a Job or SubWorkflow, not {job!r}")
            if job._id is None:
                job._id = self._next_id()
            elif job._id in self.jobs:
                raise DuplicateError(f"workflow {self.name!r} already has a job with the id {job._id!r}")
            self.jobs[job._id] = job
            self._has_sub_workflows |= job.is_sub_workflow
        return self

    def add_array(
        self, template: Job, over: Mapping[str, Iterable[Any]] | Iterable[Point], how: How = "product"
    ) -> JobArray:
        """Add a job for each point of a sweep, and return all of them.

        `over` has the values of each parameter, or a list of points. With `product` every value is combined
        with every other, with `zip` the first ones go together, the second ones, and so on. Texts of the
        template name parameters:

            fits = wf.add_array(Job("fit").add_args("-n", "{n}").add_outputs("fit_{n}.json"), {"n": [1, 2, 3]})
            wf.add_jobs(Job("gather").add_inputs(*fits.outputs()))

        Unless the template has a label and an id, they tell the point; metadata have its values.

        Raises:
            TypeError, ValueError: template or points are wrong; see `points_of` and `make_array`.
            DuplicateError: there is a job of that id: give the template an id with parameters, `_id="a-{n}"`.
        """
        array = make_array(template, points_of(over, how))
        self.add_jobs(*array)
        return array

    def get_job(self, _id: str) -> AbstractJob:
        """Return the job of that id.

        Raises:
            NotFoundError: there is none.
        """
        job = self.jobs.get(_id)
        if job is None:
            raise NotFoundError(f"workflow {self.name!r} has no job with the id {_id!r}")
        return job

    def add_dependency(
        self, job: AbstractJob, *, parents: Iterable[AbstractJob] = (), children: Iterable[AbstractJob] = ()
    ) -> Self:
        """Run `job` after all of `parents` and before all of `children`.

        Raises:
            TypeError: one of them is not a job.
            ValueError: one of the jobs has no id, because it is not in a workflow yet.
            DuplicateError: the dependency exists already.
        """
        own = _id_of(job)
        for parent, child in [(_id_of(p), own) for p in parents] + [(own, _id_of(c)) for c in children]:
            self.dependencies.setdefault(parent, JobDependency(parent)).add(child)
        return self

    def add_site_catalog(self, sc: SiteCatalog) -> Self:
        """Write the site catalog inside the workflow document.

        Raises:
            TypeError: it is not a SiteCatalog.
            DuplicateError: there is one.
        """
        self._check_inline(sc, SiteCatalog, self.site_catalog)
        self.site_catalog = sc
        return self

    def add_replica_catalog(self, rc: ReplicaCatalog) -> Self:
        """Write the replica catalog inside the workflow document.

        Raises:
            TypeError: it is not a ReplicaCatalog.
            DuplicateError: there is one.
        """
        self._check_inline(rc, ReplicaCatalog, self.replica_catalog)
        self.replica_catalog = rc
        return self

    def add_transformation_catalog(self, tc: TransformationCatalog) -> Self:
        """Write the transformation catalog inside the workflow document.

        Raises:
            TypeError: it is not a TransformationCatalog.
            DuplicateError: there is one.
        """
        self._check_inline(tc, TransformationCatalog, self.transformation_catalog)
        self.transformation_catalog = tc
        return self

    def write(self, file: str | os.PathLike[str] | TextIO | None = None, _format: str = "yml") -> Self:
        """Write `workflow.yml`, or the named file; see `Writable.write`.

        A sub-workflow that holds a Workflow is written first, to the current
        directory as `<its name>_<its id>.yml`.

        Two makers of one file, and a dependency on a job that is not here, give a warning.
        """
        if self._has_sub_workflows:
            self._write_children()
        super().write(file, _format)
        report_written(self, self._path, self._children.values())
        return self

    def to_data(self) -> dict[str, Any]:
        """Return the document; jobs and dependencies are iterators, so that they are made while written."""
        parents = dependencies.edges(self.jobs, self.dependencies, self.infer_dependencies)
        data: dict[str, Any] = {"name": self.name, **shared_data(self, "hooks", "profiles", "metadata")}
        if self.site_catalog is not None:
            data["siteCatalog"] = self.site_catalog.to_data()
        if self.replica_catalog is not None or self._children:
            data["replicaCatalog"] = {"replicas": self._replicas()}
        if self.transformation_catalog is not None:
            data["transformationCatalog"] = self.transformation_catalog.to_data()
        data["jobs"] = (job.to_data() for job in self.jobs.values())
        data["jobDependencies"] = dependencies.to_data(parents)
        return data

    def _replicas(self) -> list[dict[str, Any]]:
        catalog = ReplicaCatalog()
        if self.replica_catalog is not None:
            catalog.entries.update(self.replica_catalog.entries)
        written = ReplicaCatalog()
        for lfn, path in self._children.items():
            catalog.entries.pop((lfn, False), None)
            written.add_replica("local", lfn, path)
        return [*catalog.to_data()["replicas"], *written.to_data()["replicas"]]

    def _write_children(self) -> None:
        if self.site_catalog is not None or self.transformation_catalog is not None:
            warn(
                f"workflow {self.name!r} has sub-workflows, which do not see its inline site and transformation "
                "catalogs: write these to files of their own"
            )
        for job in self.jobs.values():
            path = job.write_child(Path.cwd())
            if path is not None:
                self._children[path.name] = path

    def _next_id(self) -> str:
        while True:
            id = f"ID{self.sequence:07d}"
            self.sequence += 1
            if id not in self.jobs:
                return id

    def _check_inline(self, catalog: object, kind: type[Writable], present: Writable | None) -> None:
        if not isinstance(catalog, kind):
            raise TypeError(f"workflow {self.name!r} takes a {kind.__name__} here, not {catalog!r}")
        if present is not None:
            raise DuplicateError(f"workflow {self.name!r} already has a {kind.__name__}")


def _id_of(job: AbstractJob) -> str:
    if not isinstance(job, AbstractJob):
        raise TypeError(f"a dependency is between jobs, not with {job!r} ({type(job).__name__})")
    if job._id is None:
        raise ValueError(f"{job!r} has no id yet: add it to the workflow before it gets dependencies")
    return job._id


def _slug(name: str) -> str:
    return "-".join(name.replace("/", " ").split()) or "workflow"
