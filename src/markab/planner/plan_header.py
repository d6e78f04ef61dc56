"""The header of a plan: the sites of the run with their directories, limits, and the settings for all jobs."""

from __future__ import annotations

import random

import msgspec

from markab.catalogs.replica_properties import is_output_elsewhere, output_catalog
from markab.plan.model import FORMAT, LOCAL, SUB_WORKFLOWS, DirectoryPlace, Header, PlanSite
from markab.planner.draft import Context, Draft
from markab.planner.executable_jobs import RunPlaces
from markab.planner.options import PlanOptions
from markab.planner.output_map import common_directories
from markab.planner.site_directories import output_place, shared_scratch
from markab.planner.site_executors import contact_of, executor_of
from markab.planner.transfer_groups import ARGUMENTS, given_arguments
from markab.spec.model import Site
from markab.transfers.base import TRANSFER_THREADS

DEFAULT_LIMITS = {"stage-in": 10, "stage-out": 10, "stage-inter": 10, "cleanup": 4, "registration": 1}
"""Category → jobs at once; the first four as Pegasus has them. `dagman.<category>.maxjobs` changes them."""


HOLD_LIMIT = "markab.hold.limit"
"""Property: seconds."""

INHERITED_REPLICAS = "inherited-replicas.yml"
"""The replicas that stand in the document itself, in `catalogs/`: sub-workflows see them, and those below these do not."""


def staging_sites(draft: Draft) -> list[str]:
    """Return the sites whose scratch the run uses, in the order of the jobs."""
    return list(dict.fromkeys(draft.placements[job].staging for job, _ in draft.task_jobs()))


def run_places(draft: Draft, context: Context, relative: str) -> RunPlaces:
    """Return the directories of a run whose relative directory is this; all sites were checked."""
    scratch_dir = scratch_directory(context.options, draft.workflow.name, relative)
    results_dir = results_directory(context, relative)
    scratch, outputs = {}, {}
    for name in staging_sites(draft):
        scratch[name] = _checked(shared_scratch(context.sites[name])).below(scratch_dir)
    for name in context.options.output_sites if context.output_map is None else ():
        place = _checked(output_place(context.sites[name], context))
        outputs[name] = place.below(results_dir) if results_dir else place
    output_map = context.output_map if context.options.output_sites else None
    return RunPlaces(scratch, outputs, output_map, context.hashed, context.handed_up, scratch_dir)


def _checked(place: DirectoryPlace | None) -> DirectoryPlace:
    assert place is not None, "a site without a directory is a problem, and then there is no plan"
    return place


def results_directory(context: Context, relative: str) -> str:
    """Return the run's directory below each output directory; empty, unless a property wants one."""
    return relative if context.properties.flag("pegasus.dir.storage.deep", False) else ""


def scratch_directory(options: PlanOptions, workflow: str, relative: str) -> str:
    """Return the run's directory below each scratch: as the submit directory, unless --randomdir was given."""
    if not options.random_dir:
        return relative
    if isinstance(options.random_dir, str):
        return options.random_dir.strip("/")
    return f"{workflow}-{random.SystemRandom().getrandbits(64):016x}"


def make_header(draft: Draft, context: Context, places: RunPlaces, name: str | None) -> Header:
    """Return the header; `name` is that of the workflow with its index."""
    properties, options = context.properties, context.options
    registered = output_catalog(properties, options.directory)
    default = None if is_output_elsewhere(properties, options.directory) else f"{name}.replicas.db"
    sites = _sites(draft, context, places)
    return Header(
        format=FORMAT,
        workflow=draft.workflow.name,
        jobs=draft.count_jobs(),
        integrity=context.integrity,
        sites=sites,
        limits=_limits(context),
        max_jobs=properties.integer("dagman.maxjobs", 0) or None,
        max_idle=properties.integer("dagman.maxidle", 0) or None,
        slots=context.slots,
        transfer_threads=properties.integer("pegasus.transfer.threads", TRANSFER_THREADS),
        transfer_attempts=given_arguments(context, ARGUMENTS).attempts or context.transfer_attempts,
        keep_failed=properties.flag("markab.keep.failed", False),
        retry_by_cause=properties.flag("markab.retry.by.cause", True),
        hold_limit_s=_hold_limit_s(context) if any(site.executor != LOCAL for site in sites.values()) else 0,
        fail_fast=properties.flag("markab.fail.fast", False),
        catalog=str(registered.resolve()) if registered else default,
        outputs=_outputs(draft, places),
        metadata={**(options.script.metadata if options.script else {}), **draft.workflow.metadata},
        reuse=context.reuse,
        scratch=draft.bounded,
        environments=draft.environments,
        hooks=draft.run_hooks,
        engine="dagman" if options.is_for_dagman else "markab",
        run_directory=places.directory if draft.children else "",
        inherited_replicas=INHERITED_REPLICAS if draft.children and draft.workflow.replica_catalog else "",
    )


def _outputs(draft: Draft, places: RunPlaces) -> dict[str, str]:
    if places.output_map is not None:
        return common_directories(map(places.of_result, sorted(draft.results)))
    delivered = {site: place.text for site, place in places.outputs.items()}
    return delivered or common_directories(map(places.of_result, sorted(places.handed_up)))


def _sites(draft: Draft, context: Context, places: RunPlaces) -> dict[str, PlanSite]:
    run = dict.fromkeys(["local", *(draft.placements[job].site for job, _ in draft.task_jobs())])
    sites = {name: _site(context.sites[name]) for name in run}
    for name, place in places.scratch.items():
        # Where only files are, no executor is needed.
        site = sites[name] if name in sites else PlanSite()
        sites[name] = msgspec.structs.replace(site, scratch=place)
    if draft.children:
        sites[SUB_WORKFLOWS] = PlanSite(SUB_WORKFLOWS)
    return sites


def _site(site: Site) -> PlanSite:
    """Return a site where jobs run."""
    if (executor := executor_of(site)) == LOCAL:
        return PlanSite()
    own = next((each.path for each in site.directories if each.type == "localScratch"), None)
    return PlanSite(executor, work=own, contact=contact_of(site))


def _hold_limit_s(context: Context) -> int:
    return max(0, context.properties.integer(HOLD_LIMIT, context.hold_limit_s))


def _limits(context: Context) -> dict[str, int]:
    limits = dict(DEFAULT_LIMITS)
    for key, value in context.properties.under("dagman.").items():
        category, dot, last = key.rpartition(".")
        if dot and last.lower() == "maxjobs":
            limits[category] = context.properties.integer(
                f"dagman.{key}", int(value) if value.isdigit() else 0
            )
    return limits
