"""The errors of builders."""

from markab.api.errors import DuplicateError, NotFoundError, PegasusError

__all__ = ["DuplicateError", "NotFoundError", "PegasusError"]
