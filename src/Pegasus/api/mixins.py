"""Metadata, hooks and profiles."""

from markab.api.enums import EventType, ExprVar, Namespace
from markab.api.mixins import HookMixin, MetadataMixin, ProfileMixin
from markab.api.profiles import to_kb, to_mb

__all__ = [
    "EventType",
    "ExprVar",
    "HookMixin",
    "MetadataMixin",
    "Namespace",
    "ProfileMixin",
    "to_kb",
    "to_mb",
]
