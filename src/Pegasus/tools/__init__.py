"""Helpers of programs on nodes."""
