"""Markab plans and runs scientific workflows."""

__version__ = "0.1.0"
