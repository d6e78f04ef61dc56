"""What the planner of a sub-workflow knows of the run that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ParentRun:
    """The run of which the planned workflow is a job."""

    root_uuid: str
    """UUID of the run at the root of the tree."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Lfn → absolute path, in the scratch of the parent, of the files that the job declares as outputs."""
    promised: frozenset[str] = frozenset()
    """Lfns of files that it brings when it runs, if it does not run yet: they are somewhere then."""
    passwords: Mapping[str, str] = field(default_factory=dict)
    """Those of the parent: what it passes on has none."""
