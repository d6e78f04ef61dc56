"""Selecting sites: where each job runs, with which executables and which resources.

A site is chosen among the candidates that have an executable (`selector`
profile `execution.site` decides alone), as the property `pegasus.selector.site` says
(`site_choice.py`, `site_callout.py`); the same input gives the same plan. Executable, profiles and data configuration of a task follow from its site.

After the dependencies, before everything that moves files: they move between
sites. Guarantees to these passes: every job that runs tasks has a placement whose
staging site has a scratch directory, or a problem was noted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from markab.errors import Problem
from markab.formatting import titled
from markab.plan.model import DATA_CONFIGURATIONS, LOCAL, DataConfiguration
from markab.planner import site_callout
from markab.planner.batch_requests import (
    CONCURRENCY_LIMITS,
    batch_request,
    with_globus_requests,
    with_nodes,
)
from markab.planner.cloud_requests import cloud_request
from markab.planner.draft import Context, Draft, Reason
from markab.planner.executables import (
    check_local_executable,
    executables_at,
    find_transformation,
    no_executable,
    program_on_path,
)
from markab.planner.placement import (
    Executable,
    Placement,
    Program,
    own_images,
    staged_executables,
    staged_images,
)
from markab.planner.pool_container import is_started_by_pool, with_image
from markab.planner.site_choice import POLICIES, SiteChoice
from markab.planner.site_directories import shared_scratch, unknown_site
from markab.planner.site_executors import (
    BATCH_SYSTEMS,
    CLOUDS,
    HTCONDOR,
    PROGRAMS,
    SHARING,
    TITLES,
    contact_of,
    executor_of,
    has_htcondor,
    is_available,
    is_by_convention,
)
from markab.planner.task_container import container_of, image_of
from markab.planner.task_credentials import with_credentials
from markab.planner.task_launcher import launcher_in_container, launcher_of
from markab.spec.model import Profiles, Site, Task, Transformation, TransformationSite
from markab.spec.profiles import Resources, canonical, merge_profiles, resources
from markab.spec.suggestions import did_you_mean

POLICY = "pegasus.selector.site"
PRIORITY = "pegasus.job.priority"
_BYPASS = "transfer.bypass.input.staging"

_Key = tuple[str | None, str, str | None]
_NOWHERE = TransformationSite(name="local", type="installed", pfn="")
_NO_PROGRAM = Program(Executable(Transformation(""), _NOWHERE, None), (), {})
_NO_PLACE = Placement("local", "local", DATA_CONFIGURATIONS[0], (_NO_PROGRAM,), Resources(), False, ())


def select_sites(draft: Draft, context: Context) -> None:
    """Fill `placements`."""
    # A job without a choice keeps this: later passes go on with the others, and with its files.
    draft.placements = [_NO_PLACE] * len(draft.tasks)
    candidates = _candidates(context)
    _trace_htcondor(context)
    selector = _Selector(candidates, context, draft.workflow.name)
    possible: dict[int, dict[str, Placement]] = {}
    for job, (number,) in draft.task_jobs():
        if placements := selector.choices(draft.tasks[number]):
            possible[job] = placements
    for job, site in _chosen(draft, context, possible):
        draft.placements[job] = possible[job][site]
        if len(possible[job]) > 1:
            others = ", ".join(sorted(possible[job].keys() - {site}))
            draft.reasons.append(
                Reason(draft.name_of(job), "select_sites", "placed", f"at {site}; {others} could run it too")
            )


def _trace_htcondor(context: Context) -> None:
    """Note that it matters whether HTCondor is installed here, if it does for any site."""
    if is_available(HTCONDOR) and any(map(is_by_convention, context.sites.values())):
        program_on_path(PROGRAMS[HTCONDOR], context.trace)
        context.trace.variables.add("CONDOR_CONFIG")
        if has_htcondor():
            context.trace.saw_other()


def _chosen(
    draft: Draft, context: Context, possible: Mapping[int, Mapping[str, Placement]]
) -> Iterator[tuple[int, str]]:
    """Return each job with its site."""
    policy = context.properties.choice(POLICY, (*POLICIES, site_callout.NAME), "Random")
    if policy == site_callout.NAME:
        context.trace.saw_other()
        return site_callout.called_out(draft, context, possible)
    sites = {job: list(placements) for job, placements in possible.items()}
    choice = SiteChoice(
        sites, draft.parents, draft.levels, draft.name_of, draft.random, problems=context.problems
    )
    if policy == "Group":
        choice = replace(choice, groups=_groups(draft, possible))
    if policy == "Heft":
        runtimes = {job: next(iter(of.values())).resources.runtime_s for job, of in possible.items()}
        choice = replace(choice, runtimes_s=runtimes, processors=_processors(context))
    return POLICIES[policy](choice)


def _groups(draft: Draft, possible: Mapping[int, Mapping[str, Placement]]) -> dict[int, str]:
    found = {}
    for job, placements in possible.items():
        profiles = next(iter(placements.values())).programs[0].profiles
        if group := profiles.get("pegasus", {}).get("group", ""):
            found[job] = group
    return found


def _processors(context: Context) -> dict[str, int]:
    """Return how many cores the sites have, of those that say so."""
    found = {}
    for name, site in context.sites.items():
        text = canonical(site.profiles).get("pegasus", {}).get("slots.cores", "")
        if text.isdecimal() and int(text):
            found[name] = int(text)
    return found


def _candidates(context: Context) -> list[Site]:
    """Return the sites asked for, or the default ones; an unknown site is a problem."""
    found = []
    for name in dict.fromkeys(context.options.sites or context.default_sites):
        if site := context.sites.get(name):
            found.append(site)
        else:
            unknown_site(name, "named by --sites", context)
    return found


class _Selector:
    """Finds the placements of tasks, once for each kind of task."""

    def __init__(self, candidates: Sequence[Site], context: Context, workflow: str) -> None:
        self.workflow = workflow
        self.candidates = candidates
        self.context = context
        self.property_profiles = context.properties.profiles()
        if priority := context.properties.get(PRIORITY, "").strip():
            # As a profile of HTCondor, because the profile dagman.PRIORITY of a job wins over that.
            self.property_profiles = _overlay({"condor": {"priority": priority}}, self.property_profiles)
        self.counts_in_pool = context.properties.flag(CONCURRENCY_LIMITS, False)
        self.by_kind: dict[tuple[object, ...], dict[str, Placement]] = {}
        self.checked: dict[tuple[str, str], list[Problem]] = {}
        self.unknown_tags: set[str] = set()

    def choices(self, task: Task) -> dict[str, Placement]:
        """Return the placements that a task could have, by site; empty after noting why there is none."""
        profiles = task.profiles
        kind: tuple[object, ...] = (
            task.type,
            task.namespace,
            task.name or task.file,
            task.version,
            tuple((ns, key, value) for ns, keys in profiles.items() for key, value in keys.items())
            if profiles
            else (),
        )
        if (found := self.by_kind.get(kind)) is None:
            found = self.by_kind[kind] = {placement.site: placement for placement in self._find(task)}
        return found

    def _find(self, task: Task) -> list[Placement]:
        context = self.context
        candidates = list(self.candidates)
        pfn = canonical(task.profiles).get("selector", {}).get("pfn", "")
        requested = canonical(task.profiles).get("selector", {}).get("execution.site")
        if requested is not None:
            if requested not in context.sites:
                unknown_site(requested, f"requested by task {_title(task)}", context)
            candidates = [context.sites[requested]] if requested in context.sites else []
        if task.type != "job":
            return self._at_submit_host(task)
        key: _Key = (task.namespace, task.name or "", task.version)
        transformation = find_transformation(key, context)
        if transformation is not None and not candidates:
            return []
        placements = []
        refused: list[Problem] = []
        if transformation is not None:
            for site in candidates:
                # The first that fits is taken: installed before stageable, catalog order within each.
                if executable := next(executables_at(transformation, site, context), None):
                    before = len(context.problems)
                    if pfn:
                        executable = _with_pfn(executable, pfn)
                    placement = self._place(task, transformation, executable, site)
                    if placement is not None and len(context.problems) == before:
                        placements.append(placement)
                    refused += context.problems[before:]
                    del context.problems[before:]
        if not placements:
            # A site that cannot be used is a problem only if no other can.
            context.problems += refused
            if not refused:
                no_executable(key, [site.name for site in candidates], f"task {_title(task)}", context)
        return placements

    def _at_submit_host(self, task: Task) -> list[Placement]:
        """Return the place of a sub-workflow: its planner runs here, and its files are where that reads them."""
        profiles = merge_profiles({}, {}, task.profiles, self.property_profiles)
        program = Program(Executable(Transformation(name=task.file or ""), _NOWHERE, None), (), profiles)
        resources = self._resources(task, profiles, {})
        return [Placement("local", "local", "sharedfs", (program,), resources, False, ())]

    def _place(
        self, task: Task, transformation: Transformation, executable: Executable, site: Site
    ) -> Placement | None:
        context = self.context
        needed_by = f"task {_title(task)}"
        transformation_profiles = _overlay(transformation.profiles, executable.at.profiles)
        if executable.container is not None:
            transformation_profiles = _overlay(executable.container.profiles, transformation_profiles)
        own = _overlay(context.workflow_profiles, task.profiles)
        profiles = merge_profiles(transformation_profiles, site.profiles, own, self.property_profiles)
        if tag := profiles.get("pegasus", {}).get("tag"):
            tagged = self._tag_profiles(tag, site, needed_by)
            of_site = _overlay(canonical(site.profiles), canonical(tagged))
            profiles = merge_profiles(transformation_profiles, of_site, own, self.property_profiles)
        executor = executor_of(site)
        profiles = with_globus_requests(profiles, executor, task.id, context.problems)
        if executable.container is not None and is_started_by_pool(profiles, executor):
            profiles = with_image(executable.container, profiles, needed_by, context)
        data = _data_configuration(profiles, context, needed_by)
        if data is None:
            return None
        staging = self._staging_site(site, data)
        if staging is None:
            return None
        requires = []
        for required in transformation.requires:
            if (helper := self._required(required, site, needed_by)) is None:
                return None
            if helper.staged_as is not None:
                requires.append(helper)
        for each in (executable, *requires):
            self._check(each, needed_by)
        by_default = context.properties.flag(f"pegasus.{_BYPASS}", False)
        bypass = _flag(profiles, _BYPASS, by_default, needed_by, context)
        links = not _flag(profiles, "nosymlink", False, needed_by, context)
        program = self._program(executable, tuple(requires), profiles, site, needed_by)
        if (program.container is not None and data == "sharedfs") or executor in CLOUDS:
            links = False  # what they point to is not in the container
        staged = staged_executables([program])
        names = {"pegasus_site": site.name, "pegasus_wf_xformation": transformation.full_name}
        resources = self._resources(task, profiles, names)
        resources = with_nodes(resources, profiles, executor, task.id, context.problems)
        batch = batch_request(
            profiles,
            executor,
            task.id,
            context.problems,
            {"pegasus_wf_name": self.workflow, **names},
            counts_in_pool=self.counts_in_pool,
        )
        shared = shared_scratch(context.sites[staging])
        batch = cloud_request(batch, profiles, site, shared, executable.container, needed_by, context)
        return Placement(
            site.name,
            staging,
            data,
            (program,),
            resources,
            bypass,
            staged,
            staged_images([program]),
            links=links,
            own_images=own_images([program]),
            batch=batch,
        )

    def _program(
        self,
        executable: Executable,
        requires: tuple[Executable, ...],
        profiles: Profiles,
        site: Site,
        needed_by: str,
    ) -> Program:
        in_container = executable.container is not None
        profiles = with_credentials(profiles, site, self.context, needed_by, in_container=in_container)
        if executable.container is None or is_started_by_pool(profiles, executor_of(site)):
            launcher = launcher_of(profiles, site, self.context, needed_by)
            return Program(executable, requires, profiles, launcher)
        of_container = container_of(executable.container, profiles, site, needed_by, self.context)
        image = image_of(executable.container)
        if executor_of(site) in CLOUDS:  # it is started there, and the worker runs in it
            of_container, image = msgspec.structs.replace(of_container, is_staged=False), None
        return Program(
            executable,
            requires,
            profiles,
            launcher_in_container(profiles, self.context, needed_by),
            of_container,
            image,
        )

    def _tag_profiles(self, tag: str, site: Site, needed_by: str) -> Profiles:
        """Return the profiles that a site has under a tag; that no site has the tag is a warning."""
        known = {one.name for each in self.context.sites.values() for one in each.tags}
        if tag not in known and tag not in self.unknown_tags:
            self.unknown_tags.add(tag)
            self.context.warn(
                "unknown-tag",
                f"profile pegasus.tag = {tag!r} does nothing: no site has this tag ({needed_by})",
                did_you_mean(tag, sorted(known), "add it to `x-tags` of a site, or remove the profile"),
            )
        return next((one.profiles for one in site.tags if one.name == tag), {})

    def _check(self, executable: Executable, needed_by: str) -> None:
        """Note what is wrong with an executable of this machine; the disk is read once for each."""
        key = executable.at.pfn, executable.at.type
        if key not in self.checked:
            before = len(self.context.problems)
            check_local_executable(executable, needed_by, self.context)
            self.checked[key] = self.context.problems[before:]
            del self.context.problems[before:]
        self.context.problems += self.checked[key]

    def _resources(self, task: Task, profiles: Profiles, names: Mapping[str, str]) -> Resources:
        names = {"pegasus_wf_name": self.workflow, **names}
        return resources(profiles, task.id, self.context.problems, names)

    def _required(self, name: str, site: Site, needed_by: str) -> Executable | None:
        namespace, _, rest = name.rpartition("::")
        base, _, version = rest.partition(":")
        key: _Key = (namespace or None, base, version or None)
        transformation = find_transformation(key, self.context)
        executable = (
            next(executables_at(transformation, site, self.context), None) if transformation else None
        )
        if executable is None:
            no_executable(key, [site.name], f"{needed_by}, whose transformation requires it", self.context)
        return executable

    def _staging_site(self, site: Site, data: str) -> str | None:
        """Return the site whose scratch holds the files of jobs at `site`; None after noting a problem."""
        context, executor = self.context, executor_of(site)
        by_site = context.options.staging_sites
        requested = by_site.get(site.name, by_site.get(""))
        # A batch system brings no files to a job, as HTCondor does: they come through a directory of the site.
        default = "local" if data == "condorio" and executor not in SHARING else site.name
        if requested is not None and requested != default and data != "nonsharedfs":
            context.problem(
                "staging-site",
                f"staging site {requested!r} cannot be used for {site.name!r}: with data configuration {data!r} "
                f"it is {default!r}",
                "leave --staging-site out, or set pegasus.data.configuration = nonsharedfs",
            )
            return None
        name = requested or default
        if name not in context.sites:
            unknown_site(name, f"staging site of {site.name!r}", context)
            return None
        scratch = shared_scratch(context.sites[name])
        if scratch is None:
            if context.doubts.sites:
                return None
            why = f", because {TITLES[executor]} moves no files" if executor in SHARING else ""
            context.problem(
                "no-scratch",
                f"site {name!r} has no directory of type 'sharedScratch', "
                f"and jobs at {site.name!r} need one with data configuration {data!r}{why}",
                f"give site {name!r} a sharedScratch in sites.yml, or plan with `--staging-site {site.name}=local`"
                if data == "nonsharedfs"
                else f"give site {name!r} a sharedScratch in sites.yml"
                + (", in a directory that its nodes and this machine see" if executor != LOCAL else ""),
            )
            return None
        if executor in CLOUDS and scratch.is_local and name != site.name:
            context.problem(
                "unreachable-directory",
                f"the scratch of staging site {name!r} is a directory of this machine, {scratch.path!r}, and jobs at "
                f"{site.name!r} see only what their containers mount",
                "leave --staging-site out",
            )
            return None
        if executor in BATCH_SYSTEMS and contact_of(site) and scratch.is_local and name != site.name:
            context.problem(
                "unreachable-directory",
                f"the scratch of staging site {name!r} is a directory of this machine, {scratch.path!r}, "
                f"and jobs at {site.name!r} run behind the login node {contact_of(site)!r}",
                f"leave --staging-site out, or give site {name!r} a file server that these jobs reach",
            )
            return None
        return name


def _with_pfn(executable: Executable, pfn: str) -> Executable:
    """Return the executable that a task names by its path: installed, whatever the catalog says."""
    at = msgspec.structs.replace(executable.at, pfn=pfn, type="installed")
    return replace(executable, at=at, staged_as=None)


def _overlay(below: Profiles, above: Profiles) -> Profiles:
    """Return two sets of profiles as one; the second wins."""
    if not below or not above:
        return above or below
    merged = {namespace: dict(keys) for namespace, keys in below.items()}
    for namespace, keys in above.items():
        merged.setdefault(namespace, {}).update(keys)
    return merged


def _title(task: Task) -> str:
    """Return the id of a task, quoted, with the user's label."""
    return titled(repr(task.id), task.node_label or "")


def _flag(profiles: Profiles, key: str, default: bool, needed_by: str, context: Context) -> bool:
    """Return a profile of the namespace `pegasus` that is true or false; what is neither is a problem."""
    text = profiles.get("pegasus", {}).get(key, "").strip().lower()
    if text not in ("", "true", "false"):
        context.problem(
            "bad-profile",
            f"profile pegasus.{key} is {text!r}; it must be true or false ({needed_by})",
            "correct the profile, or leave it out",
        )
    return text == "true" if text else default


def _data_configuration(profiles: Profiles, context: Context, needed_by: str) -> DataConfiguration | None:
    name = profiles.get("pegasus", {}).get("data.configuration") or context.properties.get(
        "pegasus.data.configuration", DATA_CONFIGURATIONS[0]
    )
    for known in DATA_CONFIGURATIONS:
        if name.lower() == known:
            return known
    near = difflib.get_close_matches(name.lower(), DATA_CONFIGURATIONS, 1)
    context.problem(
        "data-configuration",
        f"data configuration {name!r} is none of {', '.join(DATA_CONFIGURATIONS)} ({needed_by})",
        f"did you mean {near[0]!r}?"
        if near
        else "correct the property or profile pegasus.data.configuration",
    )
    return None
