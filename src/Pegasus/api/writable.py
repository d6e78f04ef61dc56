"""What catalogs and workflows have in common."""

from markab.api.writable import Writable

__all__ = ["Writable"]
