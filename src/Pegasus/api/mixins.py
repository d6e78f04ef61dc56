"""Metadata, hooks and profiles."""

from markab.api.enums import EventType, ExprVar, Namespace
from markab.api.mixins import HookMixin, MetadataMixin, ProfileMixin

__all__ = ["EventType", "ExprVar", "HookMixin", "MetadataMixin", "Namespace", "ProfileMixin"]
