"""Errors and results of commands."""
