"""The error and the result of a failed command."""

from markab.api.errors import PegasusClientError, Result

__all__ = ["PegasusClientError", "Result"]
