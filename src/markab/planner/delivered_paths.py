"""Where on this machine a result will lie when it is delivered, before the run has its directories."""

from __future__ import annotations

from markab.plan.model import DirectoryPlace
from markab.planner.draft import Context
from markab.planner.site_directories import output_place
from markab.transfers.base import is_local, path_of
from markab.transfers.tree_names import directory_name


class DeliveredPaths:
    """The paths of results, of the output sites and the output map of one plan."""

    def __init__(self, context: Context) -> None:
        self._map = context.output_map
        self._hashed = context.hashed
        self._directories: list[DirectoryPlace] | None = []
        if self._map is not None:
            return
        if context.properties.flag("pegasus.dir.storage.deep", False):
            self._directories = None  # each run has a directory of its own
            return
        for name in context.options.output_sites:
            site = context.sites.get(name)
            place = output_place(site, context) if site is not None else None
            if place is None:
                self._directories = None
                return
            self._directories.append(place)

    def of(self, lfn: str) -> list[str] | None:
        """Return all paths where a result will lie; None if one is elsewhere, or not known yet."""
        if self._map is not None:
            places = self._map.places(lfn)
        elif self._directories is None:
            return None
        else:
            name = directory_name(lfn)
            name = name if self._hashed is None else self._hashed.path(name)
            places = [directory.file(name) for directory in self._directories]
        return (
            [path_of(place.url) for place in places] if all(is_local(place.url) for place in places) else None
        )
