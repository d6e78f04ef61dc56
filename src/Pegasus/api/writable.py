"""The base of catalogs and workflows."""

from markab.api.writable import Writable

__all__ = ["Writable"]
