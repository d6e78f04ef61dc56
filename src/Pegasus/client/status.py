"""The progress of runs."""

from markab.api.client import Status

__all__ = ["Status"]
