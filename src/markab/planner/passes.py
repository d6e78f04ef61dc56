"""The planner's table of contents: every pass, in the order in which they run.

The order is that of Pegasus, as far as the passes exist here: cycle check, choice
of sites, data movement, directories, cleanup, writing.
"""

from __future__ import annotations

from collections.abc import Callable

from markab.planner.cleanup import clean_up
from markab.planner.dependencies import find_dependencies
from markab.planner.draft import Context, Draft
from markab.planner.move_data import move_data
from markab.planner.scratch_directories import create_dirs
from markab.planner.site_selection import select_sites

Pass = Callable[[Draft, Context], None]

PASSES: tuple[tuple[str, Pass], ...] = (
    ("finding dependencies", find_dependencies),
    ("selecting sites", select_sites),
    ("moving data", move_data),
    ("creating directories", create_dirs),
    ("cleaning up", clean_up),
)
