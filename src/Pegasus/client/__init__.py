"""Calls of commands."""
