"""Drawings of workflows and runs."""
