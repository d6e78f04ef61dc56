"""Sites."""

from markab.api.enums import OS, Arch, Operation, Scheduler, SupportedJobs
from markab.api.site_catalog import Directory, FileServer, Grid, Site, SiteCatalog
from markab.api.writable import DOCUMENT_VERSION as PEGASUS_VERSION

__all__ = [
    "OS",
    "PEGASUS_VERSION",
    "Arch",
    "Directory",
    "FileServer",
    "Grid",
    "Operation",
    "Scheduler",
    "Site",
    "SiteCatalog",
    "SupportedJobs",
]
