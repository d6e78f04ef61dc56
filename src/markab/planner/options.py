"""What a user can ask of the planner, as one plain value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(kw_only=True)
class PlanOptions:
    """The choices of one call of `markab plan`; names follow its flags."""

    workflow: Path
    conf: Path | None = None
    properties: dict[str, str] = field(default_factory=dict)
    """From `-Dkey=value`; they are stronger than every file."""
    sites: list[str] = field(default_factory=list)
    """Where jobs may run. Empty: every site of the catalog but `local`."""
    output_sites: list[str] = field(default_factory=list)
    """Where results are delivered. Empty: they stay in scratch."""
    staging_sites: dict[str, str] = field(default_factory=dict)
    """Execution site → site where its files wait. The key "" stands for all sites."""
    input_dirs: list[Path] = field(default_factory=list)
    output_dir: Path | None = None
    output_map: Path | None = None
    transformations_dir: Path | None = None
    dir: Path | None = None
    """Base of submit directories. None: `directory`."""
    relative_dir: str | None = None
    relative_submit_dir: str | None = None
    random_dir: bool | str = False
    basename: str | None = None
    job_prefix: str | None = None
    cleanup: str | None = None
    cluster: list[str] = field(default_factory=list)
    cache: list[Path] = field(default_factory=list)
    reuse: list[Path] = field(default_factory=list)
    inherited_rc_files: list[Path] = field(default_factory=list)
    force: bool = False
    force_replan: bool = False
    forward: list[str] = field(default_factory=list)
    directory: Path = field(default_factory=Path.cwd)
    """Relative paths, default catalogs and default directories start here."""
