"""Clients of the command line, and the error and the result of a failed command."""

from markab.api.client import Client, from_env, get_planner_args
from markab.api.client import PlannedWorkflow as Workflow
from markab.api.errors import PegasusClientError, Result, WorkflowInstanceError

__all__ = [
    "Client",
    "PegasusClientError",
    "Result",
    "Workflow",
    "WorkflowInstanceError",
    "from_env",
    "get_planner_args",
]
