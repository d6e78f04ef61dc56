"""What Pegasus calls the work that a workflow manager adds; readers of its records tell it by the prefix."""

from __future__ import annotations

from markab.plan.model import Kind

CHORES: dict[str, str] = {
    Kind.STAGE_IN: "pegasus::transfer",
    Kind.STAGE_OUT: "pegasus::transfer",
    Kind.STAGE_INTER: "pegasus::transfer",
    Kind.CREATE_DIR: "pegasus::dirmanager",
    Kind.CLEANUP: "pegasus::cleanup",
    Kind.REGISTER: "pegasus::rc-client",
}
"""Kind of a job that Markab does itself → the transformation that Pegasus would run for it."""
