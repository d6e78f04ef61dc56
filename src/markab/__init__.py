"""Markab plans and runs scientific workflows."""

__version__ = "0.1.0"

PEGASUS_VERSION = "5.1.2"
"""The Pegasus whose documents, API and commands this Markab implements; printed to programs that ask for a version."""
