"""The Python API: builders of documents, and methods that plan and run them."""

from markab.api.enums import OS, Arch, EventType, ExprVar, Namespace, Operation, Scheduler, SupportedJobs
from markab.api.errors import DuplicateError, NotFoundError, PegasusClientError, PegasusError
from markab.api.files import File
from markab.api.job import Job
from markab.api.properties import Properties
from markab.api.replica_catalog import ReplicaCatalog
from markab.api.run_list import clean_runs, list_runs
from markab.api.script_parameters import parameters
from markab.api.script_session import shorten_tracebacks
from markab.api.site_catalog import Directory, FileServer, Grid, Site, SiteCatalog
from markab.api.subworkflow import SubWorkflow
from markab.api.transformation_catalog import (
    Container,
    Transformation,
    TransformationCatalog,
    TransformationSite,
)
from markab.api.workflow import Workflow

shorten_tracebacks()

__all__ = [
    "OS",
    "Arch",
    "Container",
    "Directory",
    "DuplicateError",
    "EventType",
    "ExprVar",
    "File",
    "FileServer",
    "Grid",
    "Job",
    "Namespace",
    "NotFoundError",
    "Operation",
    "PegasusClientError",
    "PegasusError",
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
    "clean_runs",
    "list_runs",
    "parameters",
]
