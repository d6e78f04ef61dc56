"""The planner's table of contents: every pass, in the order in which they run.

The order is that of Pegasus, as far as the passes exist here: cycle check, targets (which Pegasus has not), reuse
of results, choice of sites, clustering, data movement, directories, cleanup. What comes out is a draft, from
which `executable_jobs.py` makes the jobs of the plan while they are written.
"""

from __future__ import annotations

from collections.abc import Callable

from markab.planner.child_plans import prepare_children
from markab.planner.cleanup import clean_up
from markab.planner.clustering import cluster_jobs
from markab.planner.content_reuse import reuse_by_content
from markab.planner.dagman_profiles import read_dagman_profiles
from markab.planner.data_reuse import reuse_data
from markab.planner.dependencies import find_dependencies
from markab.planner.draft import Context, Draft
from markab.planner.empty_plan import fill_empty_plan
from markab.planner.needed_jobs import keep_needed
from markab.planner.registration import register_results
from markab.planner.scratch_directories import create_dirs
from markab.planner.shell_hooks import read_hooks
from markab.planner.site_selection import select_sites
from markab.planner.software_environments import read_environments
from markab.planner.stage_in import stage_in
from markab.planner.stage_out import stage_out

Pass = Callable[[Draft, Context], None]

PASSES: tuple[tuple[str, Pass], ...] = (
    ("finding dependencies", find_dependencies),
    ("looking for targets", keep_needed),
    ("looking for results", reuse_data),
    ("selecting sites", select_sites),
    ("reading software environments", read_environments),
    ("looking for results by content", reuse_by_content),
    ("clustering jobs", cluster_jobs),
    ("reading dagman profiles", read_dagman_profiles),
    ("reading hooks", read_hooks),
    ("preparing sub-workflows", prepare_children),
    ("staging in", stage_in),
    ("staging out", stage_out),
    ("registering results", register_results),
    ("creating directories", create_dirs),
    ("cleaning up", clean_up),
    ("looking for an empty plan", fill_empty_plan),
)
