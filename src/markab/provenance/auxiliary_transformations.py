"""Pegasus' names for the transformations of auxiliary jobs; tools recognise them by their prefix."""

from __future__ import annotations

from markab.plan.model import Kind

AUXILIARY_TRANSFORMATIONS: dict[str, str] = {
    Kind.STAGE_IN: "pegasus::transfer",
    Kind.STAGE_OUT: "pegasus::transfer",
    Kind.STAGE_INTER: "pegasus::transfer",
    Kind.CREATE_DIR: "pegasus::dirmanager",
    Kind.CLEANUP: "pegasus::cleanup",
    Kind.REGISTER: "pegasus::rc-client",
    Kind.NOOP: "pegasus::noop",
}
"""Kind of an auxiliary job → the transformation that Pegasus runs for it."""
