"""Jobs and workflows."""

from markab.api.files import File
from markab.api.job import AbstractJob, Job
from markab.api.subworkflow import SubWorkflow
from markab.api.workflow import Workflow
from markab.api.writable import DOCUMENT_VERSION as PEGASUS_VERSION

__all__ = ["PEGASUS_VERSION", "AbstractJob", "File", "Job", "SubWorkflow", "Workflow"]
