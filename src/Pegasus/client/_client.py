"""What a failed command raises, and what it left."""

from markab.api.errors import PegasusClientError, Result

__all__ = ["PegasusClientError", "Result"]
