"""What a conversion returns: a workflow with its catalogs, the programs it needs, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass, field

from markab.errors import Problem
from markab.spec.model import ReplicaCatalog, TransformationCatalog, Workflow


@dataclass(frozen=True)
class ConvertedWorkflow:
    """A workflow of another system in Markab's words."""

    workflow: Workflow
    """Without inline catalogs."""
    replicas: ReplicaCatalog
    transformations: TransformationCatalog
    programs: dict[str, str] = field(default_factory=dict)
    """Path in the project → text of a program that the transformations name by that path."""
    left_out: list[Problem] = field(default_factory=list)
    """What the workflow does not do although the original does, in reading order."""
    notes: list[Problem] = field(default_factory=list)
    """What is otherwise than in the original, or was guessed; the results are the same."""
