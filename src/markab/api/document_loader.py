"""Reading documents into builders, the reverse of `write`.

References to the environment, `${NAME}`, are kept; the planner replaces them.
Numbers in place of text become the text that is in the document.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from markab.api.enums import (
    OS,
    Arch,
    ContainerType,
    DirectoryType,
    EventType,
    GridType,
    Operation,
    Scheduler,
    SupportedJobs,
)
from markab.api.files import File, Use
from markab.api.job import AbstractJob, Job
from markab.api.mixins import ProfileMixin
from markab.api.replica_catalog import PFN, ReplicaCatalog, ReplicaEntry
from markab.api.site_catalog import Directory, FileServer, Grid, Site, SiteCatalog
from markab.api.subworkflow import SubWorkflow
from markab.api.transformation_catalog import (
    Container,
    Transformation,
    TransformationCatalog,
    TransformationSite,
)
from markab.api.workflow import Workflow
from markab.spec import model, reader
from markab.spec.variables import Unexpanded

Profiled = TypeVar("Profiled", bound=ProfileMixin)
Struct = TypeVar("Struct", bound=msgspec.Struct)


def to_workflow(text: str | bytes) -> Workflow:
    """Return the Workflow of a document, whose list of dependencies is taken to be complete.

    Raises:
        DocumentError: the document is invalid; the error has all its problems.
    """
    item = _parse(text, model.Workflow, reader.parse_workflow)
    workflow = Workflow(item.name, infer_dependencies=False)
    _share(workflow, item.profiles, item.metadata, item.hooks)
    if item.site_catalog is not None:
        workflow.add_site_catalog(_sites(item.site_catalog))
    if item.replica_catalog is not None:
        workflow.add_replica_catalog(_replicas(item.replica_catalog))
    if item.transformation_catalog is not None:
        workflow.add_transformation_catalog(_transformations(item.transformation_catalog))
    workflow.add_jobs(*(_job(task) for task in item.jobs))
    for dependency in item.job_dependencies:
        children = [workflow.get_job(id) for id in dict.fromkeys(dependency.children)]
        workflow.add_dependency(workflow.get_job(dependency.id), children=children)
    return workflow


def to_site_catalog(text: str | bytes) -> SiteCatalog:
    """Return the SiteCatalog of a document. Raises as `to_workflow`."""
    return _sites(_parse(text, model.SiteCatalog, reader.parse_sites))


def to_replica_catalog(text: str | bytes) -> ReplicaCatalog:
    """Return the ReplicaCatalog of a document. Raises as `to_workflow`."""
    return _replicas(_parse(text, model.ReplicaCatalog, reader.parse_replicas))


def to_transformation_catalog(text: str | bytes) -> TransformationCatalog:
    """Return the TransformationCatalog of a document. Raises as `to_workflow`."""
    return _transformations(_parse(text, model.TransformationCatalog, reader.parse_transformations))


def _parse(text: str | bytes, kind: type[Struct], parse: Callable[[bytes], Struct]) -> Struct:
    data = text.encode() if isinstance(text, str) else text
    if b"${" not in data:
        return parse(data)
    # `${HOME}/x` is not a whole path before the planner has replaced it, so only the structure can be checked.
    return reader.parse_carefully(data, kind, "<string>", Unexpanded(), lambda item, name, line_of: [])


def _job(task: model.Task) -> AbstractJob:
    job: AbstractJob
    if task.type == "job":
        job = Job(str(task.name), task.id, task.node_label, task.namespace, task.version)
    else:
        document = File(str(task.file))
        job = SubWorkflow(document, task.type == "condorWorkflow", task.id, task.node_label)
        job._uses.clear()  # the document lists it
    job.args.extend(task.arguments)
    for use in task.uses:
        file = File(use.lfn, use.size, use.for_planning)
        file.metadata.update(use.metadata)
        job._use(Use(file, use.type, use.stage_out, use.register_replica, use.bypass))
    for name in ("stdin", "stdout", "stderr"):
        lfn = getattr(task, name)
        if lfn is not None:
            setattr(job, name, job._uses[lfn].file if lfn in job._uses else File(lfn))
    _share(job, task.profiles, task.metadata, task.hooks)
    return job


def _sites(item: model.SiteCatalog) -> SiteCatalog:
    catalog = SiteCatalog()
    for entry in item.sites:
        site = Site(
            entry.name,
            Arch(entry.arch) if entry.arch else None,
            OS(entry.os_type) if entry.os_type else None,
            entry.os_release,
            entry.os_version,
        )
        site.add_directories(*(_directory(directory) for directory in entry.directories))
        site.add_grids(
            *(
                Grid(
                    GridType(grid.type),
                    grid.contact,
                    Scheduler(grid.scheduler),
                    SupportedJobs(grid.jobtype) if grid.jobtype else None,
                )
                for grid in entry.grids
            )
        )
        _set_profiles(site, entry.profiles)
        for tag in entry.tags:
            site.tags[tag.name] = _set_profiles(ProfileMixin(), tag.profiles)
        catalog.add_sites(site)
    return catalog


def _directory(item: model.Directory) -> Directory:
    servers = [
        _set_profiles(FileServer(server.url, Operation(server.operation)), server.profiles)
        for server in item.file_servers
    ]
    directory = Directory(DirectoryType(item.type), item.path, item.shared_file_system)
    return directory.add_file_servers(*servers)


def _replicas(item: model.ReplicaCatalog) -> ReplicaCatalog:
    catalog = ReplicaCatalog()
    for replica in item.replicas:
        entry = catalog.entries.setdefault(
            (replica.lfn, replica.regex), ReplicaEntry(replica.lfn, replica.regex)
        )
        entry.pfns.update((PFN(pfn.site, pfn.pfn), None) for pfn in replica.pfns)
        entry.checksum.update(_checksum(replica.checksum) or {})
        entry.metadata.update(replica.metadata)
    return catalog


def _transformations(item: model.TransformationCatalog) -> TransformationCatalog:
    catalog = TransformationCatalog()
    for entry in item.transformations:
        transformation = Transformation(
            entry.name, entry.namespace, entry.version, checksum=_checksum(entry.checksum)
        )
        transformation.requires.update(dict.fromkeys(entry.requires))
        for place in entry.sites:
            site = TransformationSite(
                place.name,
                place.pfn,
                place.type == "stageable",
                place.bypass,
                Arch(place.arch) if place.arch else None,
                OS(place.os_type) if place.os_type else None,
                place.os_release,
                place.os_version,
                place.container,
            )
            _set_profiles(site, place.profiles).metadata.update(place.metadata)
            transformation.add_sites(site)
        _share(transformation, entry.profiles, entry.metadata, entry.hooks)
        catalog.add_transformations(transformation)
    for image in item.containers:
        container = Container(
            image.name,
            ContainerType(image.type),
            image.image,
            None,
            image.mounts,
            image.image_site,
            _checksum(image.checksum),
            image.metadata,
            image.bypass,
        )
        catalog.add_containers(_set_profiles(container, image.profiles))
    return catalog


def _checksum(item: model.Checksum | None) -> dict[str, str] | None:
    return {"sha256": item.sha256} if item is not None and item.sha256 else None


def _share(
    thing: AbstractJob | Workflow | Transformation,
    profiles: model.Profiles,
    metadata: model.Metadata,
    hooks: model.Hooks | None,
) -> None:
    _set_profiles(thing, profiles)
    if metadata:
        thing.metadata.update(metadata)
    for hook in hooks.shell if hooks is not None else ():
        thing.add_shell_hook(EventType(hook.on), hook.cmd)


def _set_profiles(thing: Profiled, profiles: model.Profiles) -> Profiled:
    for namespace, keys in profiles.items():
        thing.profiles[namespace].update(keys)
    return thing
