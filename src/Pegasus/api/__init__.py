"""The builders and enumerations of `from Pegasus.api import *`."""

from markab.api import (
    OS,
    Arch,
    Container,
    Directory,
    EventType,
    ExprVar,
    File,
    FileServer,
    Grid,
    Job,
    Namespace,
    Operation,
    PegasusClientError,
    Properties,
    ReplicaCatalog,
    Scheduler,
    Site,
    SiteCatalog,
    SubWorkflow,
    SupportedJobs,
    Transformation,
    TransformationCatalog,
    TransformationSite,
    Workflow,
)

# Not of Pegasus, so `import *` leaves them out.
from markab.api import clean_runs as clean_runs
from markab.api import list_runs as list_runs

__all__ = [
    "OS",
    "Arch",
    "Container",
    "Directory",
    "EventType",
    "ExprVar",
    "File",
    "FileServer",
    "Grid",
    "Job",
    "Namespace",
    "Operation",
    "PegasusClientError",
    "Properties",
    "ReplicaCatalog",
    "Scheduler",
    "Site",
    "SiteCatalog",
    "SubWorkflow",
    "SupportedJobs",
    "Transformation",
    "TransformationCatalog",
    "TransformationSite",
    "Workflow",
]
