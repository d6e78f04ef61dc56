"""Executables and containers."""

from markab.api.transformation_catalog import (
    Container,
    Transformation,
    TransformationCatalog,
    TransformationSite,
)
from markab.api.writable import DOCUMENT_VERSION as PEGASUS_VERSION

__all__ = ["PEGASUS_VERSION", "Container", "Transformation", "TransformationCatalog", "TransformationSite"]
