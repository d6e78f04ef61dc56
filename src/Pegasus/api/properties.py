"""Properties."""

from markab.api.properties import Properties

__all__ = ["Properties"]
