"""The structs of the four YAML 5.0 documents; they mirror the schema, and nothing in them is derived.

Every string keeps the text of the document: an argument written `3.10`
or `007` is handed to the task as `3.10` and `007`, never through a float.
Values that YAML writes as numbers but that mean text (versions, profile values,
metadata, arguments) are therefore `str` here; sizes in bytes are `int`.

Wire names differ from Python names only where the `rename` table of a struct lists them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Profiles = dict[str, dict[str, str]]
"""Namespace (`env`, `condor`, `dagman`, `pegasus`, `globus`, `selector`, …) → key → value."""

Metadata = dict[str, str]


class ShellHook(msgspec.Struct, rename={"on": "_on"}, omit_defaults=True):
    """A shell command to run when something happens."""

    on: Literal["never", "start", "error", "success", "end", "all"]
    cmd: str


class Hooks(msgspec.Struct, omit_defaults=True):
    """Hooks of a workflow, a task or a transformation."""

    shell: list[ShellHook] = []


class Checksum(msgspec.Struct, omit_defaults=True):
    """sha256 is the only supported kind; 64 hexadecimal digits."""

    sha256: str | None = None


# --- workflow ---------------------------------------------------------------


class Use(msgspec.Struct, rename="camel", omit_defaults=True):
    """A logical file that a task reads or writes."""

    lfn: str
    type: Literal["input", "output", "checkpoint", "inout", "none"]
    stage_out: bool | None = None
    """None: as if true. Only outputs and checkpoints have it."""
    register_replica: bool | None = None
    bypass: bool = False
    for_planning: bool = False
    optional: bool = False
    size: int | None = None
    metadata: Metadata = {}
    executable: bool = False
    namespace: str | None = None
    version: str | None = None


class Task(msgspec.Struct, rename="camel", omit_defaults=True):
    """One entry of `jobs:`, which users call a job."""

    id: str
    type: Literal["job", "pegasusWorkflow", "condorWorkflow"] = "job"
    name: str | None = None
    """Transformation name; set for `job`."""
    file: str | None = None
    """Lfn of the sub-workflow; set for the other two types."""
    namespace: str | None = None
    version: str | None = None
    arguments: list[str] = []
    uses: list[Use] = []
    node_label: str | None = None
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    profiles: Profiles = {}
    metadata: Metadata = {}
    hooks: Hooks | None = None


class Dependency(msgspec.Struct):
    """`id` must succeed before any of `children` starts."""

    id: str
    children: list[str]


class Workflow(msgspec.Struct, rename="camel", omit_defaults=True):
    """The abstract workflow: `workflow.yml`."""

    pegasus: str
    name: str
    jobs: list[Task]
    job_dependencies: list[Dependency] = []
    version: str | None = None
    profiles: Profiles = {}
    metadata: Metadata = {}
    hooks: Hooks | None = None
    site_catalog: SiteCatalog | None = None
    replica_catalog: ReplicaCatalog | None = None
    transformation_catalog: TransformationCatalog | None = None


# --- replicas ---------------------------------------------------------------


class Pfn(msgspec.Struct):
    """One physical place of a file: a URL or an absolute path, and the site it is at."""

    site: str
    pfn: str


class Replica(msgspec.Struct, omit_defaults=True):
    """Where one logical file is; or, with `regex`, every file whose name matches `lfn`."""

    lfn: str
    pfns: list[Pfn]
    regex: bool = False
    checksum: Checksum | None = None
    metadata: Metadata = {}


class ReplicaCatalog(msgspec.Struct):
    """`replicas.yml`."""

    replicas: list[Replica] = []


# --- sites ------------------------------------------------------------------


class FileServer(msgspec.Struct, omit_defaults=True):
    """How a directory is reached from elsewhere."""

    url: str
    operation: Literal["all", "get", "put"]
    profiles: Profiles = {}


class Directory(msgspec.Struct, rename="camel", omit_defaults=True):
    """A directory of a site and what it is for."""

    type: Literal["sharedScratch", "sharedStorage", "localScratch", "localStorage"]
    path: str
    shared_file_system: bool = False
    free_size: str | None = None
    total_size: str | None = None
    file_servers: list[FileServer] = []


class Grid(msgspec.Struct, rename="camel", omit_defaults=True):
    """A gateway through which jobs reach a site."""

    type: str
    contact: str
    scheduler: str
    jobtype: str | None = None
    free_mem: str | None = None
    total_mem: str | None = None
    max_count: str | None = None
    max_cpu_time: str | None = msgspec.field(default=None, name="maxCPUTime")
    running_jobs: str | None = None
    jobs_in_queue: str | None = None
    idle_nodes: str | None = None
    total_nodes: str | None = None


class SiteTag(msgspec.Struct):
    """Profiles of a site for the jobs whose profile `pegasus.tag` is `name`."""

    name: str
    profiles: Profiles = {}


class Site(
    msgspec.Struct,
    rename={"os_type": "os.type", "os_release": "os.release", "os_version": "os.version", "tags": "x-tags"},
    omit_defaults=True,
):
    """A place with directories and ways to run jobs. `local` is the submit host."""

    name: str
    arch: str | None = None
    os_type: str | None = None
    os_release: str | None = None
    os_version: str | None = None
    directories: list[Directory] = []
    grids: list[Grid] = []
    profiles: Profiles = {}
    tags: list[SiteTag] = []


class SiteCatalog(msgspec.Struct):
    """`sites.yml`."""

    sites: list[Site] = []


# --- transformations --------------------------------------------------------


class TransformationSite(
    msgspec.Struct,
    rename={"os_type": "os.type", "os_release": "os.release", "os_version": "os.version"},
    omit_defaults=True,
):
    """Where an executable is: `installed` at the site, or `stageable` to wherever it is needed."""

    name: str
    type: Literal["installed", "stageable"]
    pfn: str
    bypass: bool = False
    arch: str | None = None
    os_type: str | None = None
    os_release: str | None = None
    os_version: str | None = None
    container: str | None = None
    profiles: Profiles = {}
    metadata: Metadata = {}


class Transformation(msgspec.Struct, omit_defaults=True):
    """An executable by its logical name `namespace::name:version`."""

    name: str
    sites: list[TransformationSite] = []
    namespace: str | None = None
    version: str | None = None
    requires: list[str] = []
    profiles: Profiles = {}
    hooks: Hooks | None = None
    metadata: Metadata = {}
    checksum: Checksum | None = None

    @property
    def full_name(self) -> str:
        """`namespace::name:version`, without what is not given."""
        return transformation_name(self.namespace, self.name, self.version)


class Container(msgspec.Struct, rename={"image_site": "image.site"}, omit_defaults=True):
    """An image in which transformations run."""

    name: str
    type: Literal["docker", "singularity", "shifter"]
    image: str
    image_site: str | None = None
    mounts: list[str] = []
    bypass: bool = False
    checksum: Checksum | None = None
    profiles: Profiles = {}
    metadata: Metadata = {}


class TransformationCatalog(msgspec.Struct, omit_defaults=True):
    """`transformations.yml`."""

    transformations: list[Transformation] = []
    containers: list[Container] = []


def transformation_name(namespace: str | None, name: str, version: str | None) -> str:
    """Return `namespace::name:version`, leaving out what is not given."""
    return f"{namespace + '::' if namespace else ''}{name}{':' + version if version else ''}"
