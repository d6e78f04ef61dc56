"""Whether each result has a place of its own that can be reached: what is checked of the places of a plan's results."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from markab.errors import TransferRefused
from markab.plan.model import DirectoryPlace, Place, local_directory
from markab.planner.draft import Context, ResultPlaces
from markab.planner.places import check_reachable, check_writable
from markab.planner.site_directories import output_place, unknown_site
from markab.spec.suggestions import did_you_mean
from markab.transfers.base import is_local, path_of, redact, scheme_of
from markab.transfers.tree_names import declared_name, directory_name

_NAMED = 5
_WITHOUT_DIRECTORIES = ("s3", "s3s", "gs")
"""Schemes at which one name may begin with another and a slash."""


def check_result_places(results: Iterable[str], context: Context, results_dir: str) -> None:
    """Note results without a place, two at one place or one below another, and places that cannot be reached.

    Args:
        results_dir: the run's directory, relative to each output directory; empty if it has none.
    """
    if not context.options.output_sites:
        return
    results = [lfn for lfn in results if lfn not in context.handed_up]
    if context.output_map is not None:
        _check_map(context.output_map, sorted(results), context)
    elif len(context.options.output_sites) > 1 or context.properties.flag("markab.lfn.absolute", False):
        who, hint = (
            "the output directories give",
            "name output sites of which none has its directory in another's",
        )
        _check_conflicts(_below_sites(sorted(results), context, results_dir), who, hint, context)


def _below_sites(results: list[str], context: Context, results_dir: str) -> Iterator[tuple[str, str]]:
    """Yield each result with each of its places, below the directories of the output sites."""
    hashed = context.hashed
    for name in context.options.output_sites:
        place = output_place(context.sites[name], context) if name in context.sites else None
        if place is None:
            continue  # noted by `check_directories`
        place = place.below(results_dir) if results_dir else place
        if place.is_local:
            place = local_directory(name, os.path.realpath(place.path))
        for lfn in results:
            file = directory_name(lfn)
            url = place.file(file if hashed is None else hashed.path(file)).url
            yield lfn, os.path.normpath(url) if place.is_local else url


def _check_map(found: ResultPlaces, results: list[str], context: Context) -> None:
    who = f"output map {str(found.file)!r}"
    places = {lfn: found.places(lfn) for lfn in results}
    if missing := [lfn for lfn in results if not places[lfn]]:
        unused = sorted(set(found.names) - {declared_name(lfn) for lfn in results})
        _note_missing(who, missing, unused, context)
    sites = dict.fromkeys(place.site for several in places.values() for place in several)
    for site in sites:
        if site not in context.sites:
            unknown_site(site, f"named by {who}", context)
    _check_conflicts(_resolved(places), f"{who} gives", "give each result a place of its own", context)
    directories: dict[str, DirectoryPlace] = {}
    for place in (place for several in places.values() for place in several):
        folder = os.path.dirname(place.url)
        directories.setdefault(folder, _directory(place.site, folder))
    for directory in directories.values():
        remedy = f"in {who}, give it a place with another scheme"
        check_reachable(directory, "output directory", ("put",), context, remedy)
        check_writable(directory, "output directory", context)


def _note_missing(who: str, missing: list[str], unused: list[str], context: Context) -> None:
    """Note results without a place; `unused` are the names of the map that no result has."""
    named = ", ".join(repr(declared_name(lfn)) for lfn in missing[:_NAMED])
    more = f", and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    otherwise = (
        'add a line `NAME PLACE site="SITE"` for each, or set stageOut to false for what is not a result'
    )
    context.problem(
        "output-map",
        f"{who} gives no place to {named}{more}",
        did_you_mean(declared_name(missing[0]), unused, otherwise),
    )


def _resolved(places: dict[str, list[Place]]) -> Iterator[tuple[str, str]]:
    """Yield each result with each of its places, in the one spelling that names it: without `..` and links."""
    folders: dict[str, str] = {}
    for lfn, several in places.items():
        for place in several:
            try:
                path = path_of(place.url).rstrip("/") if is_local(place.url) else ""
            except TransferRefused:  # on another machine
                path = ""
            if not path:
                yield lfn, place.url
                continue
            folder, name = os.path.split(path)
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            yield lfn, os.path.normpath(os.path.join(folders[folder], name))


def _check_conflicts(found: Iterable[tuple[str, str]], who: str, hint: str, context: Context) -> None:
    """Note results at the place of another, or below it, where a file will be."""
    owner: dict[str, str] = {}
    for lfn, place in found:
        if (other := owner.setdefault(place, lfn)) != lfn:
            both = f"{declared_name(other)!r} and {declared_name(lfn)!r}"
            context.problem("output-map", f"{who} {both} the same place {redact(place)!r}", hint)
    clear: set[str] = set()
    for place, lfn in owner.items():
        if above := _place_above(place, owner, clear):
            context.problem(
                "output-map",
                f"{who} {declared_name(lfn)!r} the place {redact(place)!r}, which is below that of "
                f"{declared_name(owner[above])!r}, {redact(above)!r}",
                hint,
            )


def _place_above(place: str, owner: dict[str, str], clear: set[str]) -> str:
    """Return the place of a result that a place is below; empty if there is none. `clear` remembers directories without."""
    if scheme_of(place) in _WITHOUT_DIRECTORIES:
        return ""
    passed = []
    folder = os.path.dirname(place)
    while folder not in clear and folder.strip("/"):
        if folder in owner:
            return folder
        passed.append(folder)
        folder = os.path.dirname(folder)
    clear.update(passed)
    return ""


def _directory(site: str, folder: str) -> DirectoryPlace:
    if folder.startswith("/"):
        return local_directory(site, folder)
    return DirectoryPlace(site, folder, folder, is_local=False)
