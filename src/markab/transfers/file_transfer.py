"""Bring one file from one source to all its destinations, by the schemes of both ends."""

import os
import shutil
import tempfile
from typing import Any, Dict, List, Optional

from markab.errors import StorageError
from markab.transfers.base import Moved, Stop, handler_for, is_local, path_of, scheme_of
from markab.transfers.checksum import Verified
from markab.transfers.local import move, place


class Rules(object):
    """What holds for all files of one transfer job."""

    __slots__ = ("allow_links", "durable", "stop", "verified", "verify_links")

    def __init__(
        self,
        stop: Stop = None,
        allow_links: bool = False,
        verified: Optional[Verified] = None,
        durable: bool = True,
        verify_links: bool = True,
    ) -> None:
        self.stop = stop
        self.allow_links = allow_links
        self.verified = verified
        self.durable = durable
        self.verify_links = verify_links


def bring(item: Dict[str, Any], source: Dict[str, Any], rules: Rules) -> Moved:
    """Move one file; all destinations have it when this returns.

    What arrived first on this machine serves the further destinations. When no end is on this
    machine, the file rests in a temporary directory in between.

    Raises what the schemes raise.
    """
    targets = [one["url"] for one in item["destinations"]]
    local = [url for url in targets if is_local(url)]
    remote = [url for url in targets if not is_local(url)]
    # A move takes the file away from under the others, so it goes last.
    local.sort(key=lambda url: scheme_of(url) == "moveto")

    if is_local(source["url"]):
        path = path_of(source["url"])
        if remote:
            _check_before_sending(path, item, rules)
            sent = _put_all(path, remote, rules)
            if not local:
                return sent
        return _place_all(path, local, item, rules)
    if local:
        first = _fetch(source, path_of(local[0]), item, rules)
        _put_all(path_of(local[0]), remote, rules)
        _place_all(path_of(local[0]), local[1:], item, rules)
        return first
    try:
        resting = tempfile.mkdtemp(prefix="markab-transfer-")
    except OSError as error:
        raise StorageError(
            "no temporary directory for '%s': %s" % (item["lfn"], error.strerror),
            "export TMPDIR=/a/directory/with/space",
        ) from error
    try:
        path = os.path.join(resting, "file")
        moved = _fetch(source, path, item, rules)
        _put_all(path, remote, rules)
        return moved
    finally:
        shutil.rmtree(resting, ignore_errors=True)


def _fetch(source: Dict[str, Any], path: str, item: Dict[str, Any], rules: Rules) -> Moved:
    moved = handler_for(source["url"]).get(
        source["url"],
        path,
        stop=rules.stop,
        sha256=item.get("sha256") if rules.verified is not None else None,
        executable=bool(item.get("executable")),
        durable=rules.durable,
        site=source.get("site", ""),
    )
    if rules.verified is not None and moved.sha256:
        rules.verified.know(path, moved.sha256)
    return moved


def _put_all(path: str, urls: List[str], rules: Rules) -> Moved:
    moved = Moved(0)
    for url in urls:
        moved = handler_for(url).put(path, url, stop=rules.stop)
    return moved


def _check_before_sending(path: str, item: Dict[str, Any], rules: Rules) -> None:
    if rules.verified is not None and item.get("sha256"):
        rules.verified.verify(path, item["sha256"], rules.stop)


def _place_all(path: str, urls: List[str], item: Dict[str, Any], rules: Rules) -> Moved:
    """Put a local file to local destinations; the result is of the first of them."""
    first: Optional[Moved] = None
    for url in urls:
        way = scheme_of(url)
        link = rules.allow_links and (way == "symlink" or bool(item.get("link")))
        checked = rules.verified is not None and (rules.verify_links or not link)
        sha256 = item.get("sha256") if checked else None
        executable = bool(item.get("executable"))
        if way == "moveto":
            moved = move(
                path, path_of(url), rules.stop, sha256, executable, rules.durable, checked, rules.verified
            )
        else:
            moved = place(
                path,
                path_of(url),
                link,
                rules.stop,
                sha256,
                executable,
                rules.durable,
                checked,
                rules.verified,
            )
        first = first or moved
    return first or Moved(0)
