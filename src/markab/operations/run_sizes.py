"""How many bytes the directories of a run have on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markab.errors import MarkabError
from markab.transfers.mounts import mount_of
from markab.transfers.tree_removal import DIRECTORY


class RunBytes(NamedTuple):
    """What a run takes."""

    submit_dir: int
    scratch: int
    """Of the scratch directories that are marked as its own."""


def bytes_of_run(submit_dir: Path) -> RunBytes:
    """Return what a run takes, as far as its plan and its directories can be read. Takes a moment for many files."""
    scratch = sum(bytes_below(path) for path in _own_scratch(submit_dir))
    return RunBytes(bytes_below(submit_dir), scratch)


def _own_scratch(submit_dir: Path) -> list[Path]:
    """Return the scratch directories on this machine that are marked as those of the run; none if its plan cannot be read."""
    from markab.plan.braindump import read_braindump
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir
    from markab.transfers.scratch_owner import read_owner

    directory = SubmitDir(submit_dir)
    try:
        plan = PlanFile(directory.plan)
        uuid = read_braindump(directory.braindump).get("wf_uuid")
    except MarkabError:
        return []
    places = {
        site.scratch.path for site in plan.header.sites.values() if site.scratch and site.scratch.is_local
    }
    plan.close()
    return [Path(place) for place in places if uuid and read_owner(place)[:1] == [uuid]]


def bytes_below(directory: Path) -> int:
    """Return how many bytes the files below a directory have; what cannot be read has none."""
    return sum(size for _, size in files_below(directory))


def files_below(directory: Path) -> Iterator[tuple[str, int]]:
    """Yield path and size of everything below a directory but directories; links are not followed, mounts not entered."""
    left = [str(directory)]
    mount: int | None = None
    while left:
        place = left.pop()
        try:
            fd = os.open(place, DIRECTORY)
        except OSError:
            continue
        try:
            at = mount_of(fd)
            mount = at if mount is None else mount
            if at != mount:
                continue
            with os.scandir(fd) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        left.append(f"{place}/{entry.name}")
                    else:
                        yield f"{place}/{entry.name}", entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
        finally:
            os.close(fd)
