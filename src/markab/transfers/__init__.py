"""Transferring files: one module for each URL scheme."""
