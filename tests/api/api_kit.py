"""What the tests of the API share: documents as plain data and as structs."""

import io
from pathlib import Path
from typing import Any

import yaml

from markab.api import (
    OS,
    Arch,
    Directory,
    FileServer,
    Grid,
    Namespace,
    Operation,
    Scheduler,
    Site,
    SupportedJobs,
)
from markab.api.writable import Writable
from markab.spec import model, reader


def document(thing: Writable) -> dict[str, Any]:
    """Return what `thing` writes, without the block that says when and by whom."""
    stream = io.StringIO()
    thing.write(stream)
    data: dict[str, Any] = yaml.safe_load(stream.getvalue())
    data.pop("x-pegasus")
    return data


def struct(thing: Writable) -> Any:
    """Return what our own reader makes of what `thing` writes."""
    stream = io.StringIO()
    thing.write(stream)
    kinds = {
        "Workflow": reader.parse_workflow,
        "SiteCatalog": reader.parse_sites,
        "ReplicaCatalog": reader.parse_replicas,
        "TransformationCatalog": reader.parse_transformations,
    }
    return kinds[type(thing).__name__](stream.getvalue(), environment={})


def edges(thing: Writable) -> dict[str, list[str]]:
    """Return parent → children of the workflow that `thing` writes."""
    workflow: model.Workflow = struct(thing)
    return {dependency.id: dependency.children for dependency in workflow.job_dependencies}


def cluster() -> Site:
    """Return a site that has one of everything."""
    return (
        Site("cluster", arch=Arch.X86_64, os_type=OS.LINUX, os_release="rhel", os_version="8")
        .add_directories(
            Directory(Directory.SHARED_SCRATCH, "/scratch", shared_file_system=True).add_file_servers(
                FileServer("file:///scratch", Operation.ALL).add_pegasus_profile(style="x"),
                FileServer("http://c/scratch", Operation.GET),
            ),
            Directory(Directory.LOCALSTORAGE, Path("/out")).add_file_servers(
                FileServer("file:///out", Operation.PUT)
            ),
        )
        .add_grids(Grid(Grid.BATCH, "slurm", Scheduler.SLURM, job_type=SupportedJobs.AUXILLARY))
        .add_pegasus_profile(style="glite", auxillary_local=True)
        .add_tag_profiles("gpu", Namespace.PEGASUS, gpus=1)
    )
