"""The progress of runs."""

from markab.api.client import StatusReader as Status

__all__ = ["Status"]
