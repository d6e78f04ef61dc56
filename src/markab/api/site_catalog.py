"""The builder of site catalogs: the places where jobs run and files are kept."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from markab.api.enums import (
    OS,
    Arch,
    DirectoryType,
    GridType,
    Namespace,
    Operation,
    Scheduler,
    SupportedJobs,
    checked,
    word_or_none,
)
from markab.api.errors import DuplicateError
from markab.api.mixins import ProfileMixin, shared_data
from markab.api.writable import Writable

if TYPE_CHECKING:
    from typing_extensions import Self


class FileServer(ProfileMixin):
    """A URL by which a directory is accessed from other sites, and its operations."""

    def __init__(self, url: str, operation_type: Operation) -> None:
        """Raises TypeError if `operation_type` is not an Operation."""
        self.url = url
        self.operation_type = checked(
            operation_type, Operation, f"the operation of file server {url!r}"
        ).value

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `fileServers:`."""
        return {"url": self.url, "operation": self.operation_type, **shared_data(self, "profiles")}


class Directory:
    """A directory of a site, and its purpose. Each type has two spellings in scripts."""

    SHARED_SCRATCH = DirectoryType.SHARED_SCRATCH
    SHARED_STORAGE = DirectoryType.SHARED_STORAGE
    LOCAL_SCRATCH = DirectoryType.LOCAL_SCRATCH
    LOCAL_STORAGE = DirectoryType.LOCAL_STORAGE
    SHAREDSCRATCH = DirectoryType.SHARED_SCRATCH
    SHAREDSTORAGE = DirectoryType.SHARED_STORAGE
    LOCALSCRATCH = DirectoryType.LOCAL_SCRATCH
    LOCALSTORAGE = DirectoryType.LOCAL_STORAGE

    def __init__(
        self, directory_type: DirectoryType, path: str | Path, shared_file_system: bool = False
    ) -> None:
        """Describe a directory by its absolute path.

        Raises:
            TypeError: `directory_type` is none of the constants of this class.
            ValueError: `path` is relative.
        """
        kind = checked(directory_type, DirectoryType, f"the type of directory {str(path)!r}")
        self.directory_type = kind.value
        if not PurePath(path).is_absolute() and not os.fspath(path).startswith("$"):
            raise ValueError(f"the directory {os.fspath(path)!r} is relative: use Path(…).resolve()")
        self.path = str(Path(path))
        self.shared_file_system = shared_file_system
        self.file_servers: list[FileServer] = []

    def add_file_servers(self, *file_servers: FileServer) -> Self:
        """Add the file servers by which the directory is accessed from other sites.

        Raises:
            TypeError: an argument is not a FileServer.
        """
        for server in file_servers:
            if not isinstance(server, FileServer):
                raise TypeError(f"directory {self.path!r} takes a FileServer, not {server!r}")
            self.file_servers.append(server)
        return self

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `directories:`."""
        return {
            "type": self.directory_type,
            "path": self.path,
            "sharedFileSystem": self.shared_file_system,
            "fileServers": [server.to_data() for server in self.file_servers],
        }


class Grid:
    """A gateway through which jobs reach a site."""

    GT5 = GridType.GT5
    CONDOR = GridType.CONDOR
    CREAM = GridType.CREAM
    BATCH = GridType.BATCH
    NORDUGRID = GridType.NORDUGRID
    UNICORE = GridType.UNICORE
    EC2 = GridType.EC2
    DELTACLOUD = GridType.DELTACLOUD
    SFAPI = GridType.SFAPI

    def __init__(
        self,
        grid_type: GridType,
        contact: str,
        scheduler_type: Scheduler,
        job_type: SupportedJobs | None = None,
    ) -> None:
        """Raises TypeError if a type is not of its enumeration."""
        self.grid_type = checked(grid_type, GridType, f"the type of grid {contact!r}").value
        self.contact = contact
        self.scheduler_type = checked(scheduler_type, Scheduler, f"the scheduler of grid {contact!r}").value
        self.job_type = word_or_none(job_type, SupportedJobs, f"the job type of grid {contact!r}")

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `grids:`."""
        data = {"type": self.grid_type, "contact": self.contact, "scheduler": self.scheduler_type}
        if self.job_type is not None:
            data["jobtype"] = self.job_type
        return data


class Site(ProfileMixin):
    """A place that runs jobs or keeps files; `local` is the machine where the workflow is started."""

    def __init__(
        self,
        name: str,
        arch: Arch | None = None,
        os_type: OS | None = None,
        os_release: str | None = None,
        os_version: str | None = None,
    ) -> None:
        """Raises TypeError if `arch` or `os_type` is not of its enumeration."""
        self.name = name
        self.arch = word_or_none(arch, Arch, f"the architecture of site {name!r}")
        self.os_type = word_or_none(os_type, OS, f"the operating system of site {name!r}")
        self.os_release = os_release
        self.os_version = os_version
        self.directories: list[Directory] = []
        self.grids: list[Grid] = []
        self.tags: dict[str, ProfileMixin] = {}

    def add_directories(self, *directories: Directory) -> Self:
        """Add directories. Raises TypeError if an argument is not a Directory."""
        for directory in directories:
            if not isinstance(directory, Directory):
                raise TypeError(f"site {self.name!r} takes a Directory, not {directory!r}")
            self.directories.append(directory)
        return self

    def add_grids(self, *grids: Grid) -> Self:
        """Add gateways. Raises TypeError if an argument is not a Grid."""
        for grid in grids:
            if not isinstance(grid, Grid):
                raise TypeError(f"site {self.name!r} takes a Grid, not {grid!r}")
            self.grids.append(grid)
        return self

    def add_tag_profiles(
        self, name: str, ns: Namespace, key: str | None = None, value: object = None, **kw: object
    ) -> Self:
        """Set profiles that hold on this site for jobs whose pegasus profile `tag` is `name`."""
        self.tags.setdefault(name, ProfileMixin()).add_profiles(ns, key, value, **kw)
        return self

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `sites:`."""
        data: dict[str, Any] = {"name": self.name}
        if self.arch is not None:
            data["arch"] = self.arch
        if self.os_type is not None:
            data["os.type"] = self.os_type
        if self.os_release is not None:
            data["os.release"] = str(self.os_release)
        if self.os_version is not None:
            data["os.version"] = str(self.os_version)
        data["directories"] = [directory.to_data() for directory in self.directories]
        if self.grids:
            data["grids"] = [grid.to_data() for grid in self.grids]
        data.update(shared_data(self, "profiles"))
        if self.tags:
            data["x-tags"] = [{"name": tag, **shared_data(self.tags[tag], "profiles")} for tag in self.tags]
        return data


class SiteCatalog(Writable):
    """All sites a workflow may use."""

    _DEFAULT_FILENAME = "sites.yml"

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}

    def add_sites(self, *sites: Site) -> Self:
        """Add sites.

        Raises:
            TypeError: an argument is not a Site.
            DuplicateError: there is a site of that name.
        """
        for site in sites:
            if not isinstance(site, Site):
                raise TypeError(f"the site catalog takes a Site, not {site!r}")
            if site.name in self.sites:
                raise DuplicateError(f"the site catalog already has a site {site.name!r}")
            self.sites[site.name] = site
        return self

    def to_data(self) -> dict[str, Any]:
        """Return the body of the document."""
        return {"sites": [site.to_data() for site in self.sites.values()]}
