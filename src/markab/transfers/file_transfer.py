"""Bring files from one source each to all their destinations, by the schemes of both ends.

Several files at a time, so that a scheme whose calls cost something gets all of them in one.
"""

import os
import tempfile
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from markab.errors import MarkabError, StorageError, TransferError
from markab.transfers.base import (
    FileRequest,
    Moved,
    Outcome,
    Scheme,
    Stop,
    handler_for,
    is_local,
    path_of,
    redact,
    scheme_of,
)
from markab.transfers.checksum import Verified
from markab.transfers.local import place
from markab.transfers.local_directory import remove_tree
from markab.transfers.local_link import move

Place = Dict[str, Any]
"""{"site", "url"}"""


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


class _Move(object):
    """One file on its way from one of its sources."""

    __slots__ = ("error", "is_here", "item", "moved", "near", "path", "remote", "source")

    def __init__(self, item: Dict[str, Any], source: Place) -> None:
        self.item = item
        self.source = source
        self.is_here = is_local(source["url"])
        """Its source is on this machine."""
        self.near = [one for one in item["destinations"] if is_local(one["url"])]
        self.remote = [one for one in item["destinations"] if one not in self.near]
        if len(self.near) > 1:
            # A move takes the file away from under the others, so it goes last.
            self.near.sort(key=lambda one: scheme_of(one["url"]) == "moveto")
        self.path = ""
        """Where it is on this machine, on its way or in the end."""
        self.moved: Optional[Moved] = None
        self.error: Optional[MarkabError] = None

    def request(self, end: Place, rules: Rules) -> FileRequest:
        """Return what the scheme of one of its ends is asked for."""
        sha256 = self.item.get("sha256") if rules.verified is not None else None
        return FileRequest(
            end["url"], self.path, sha256, bool(self.item.get("executable")), end.get("site", "")
        )


_Leg = Tuple[_Move, Place]


def bring_all(wanted: Sequence[Tuple[Dict[str, Any], Place]], rules: Rules) -> List[Outcome]:
    """Move each item from the source given with it; all its destinations have it when this returns.

    What arrived first on this machine serves the further destinations. When no end is on this
    machine, the file rests in a temporary directory in between. Never raises for a file.
    """
    moves = [_Move(item, source) for item, source in wanted]
    remote = [one for one in moves if one.remote or not one.is_here]
    resting: List[str] = []
    try:
        for one in moves:
            _step(one, _find_path, resting)
        if remote:
            _fetch_all([one for one in remote if not one.is_here], rules)
            for one in remote:
                _step(one, _check_before_sending, rules)
            _put_all(remote, rules)
        for one in moves:
            _step(one, _place_all, rules)
    finally:
        for path in resting:
            remove_tree(path, on_error=lambda _: None)
    return [one.error or one.moved or Moved(0) for one in moves]


def _step(one: _Move, do: Callable[[_Move, Any], None], argument: Any) -> None:
    """Take the next step of a file, unless one went wrong before; what goes wrong is its error."""
    if one.error is None:
        try:
            do(one, argument)
        except Exception as error:
            one.error = _as_markab_error(error)


def _as_markab_error(error: Exception) -> MarkabError:
    """Return an error as it is, or a bug in a scheme as the failed transfer that it caused."""
    if isinstance(error, MarkabError):
        return error
    return TransferError("%s: %s" % (type(error).__name__, redact(str(error))))


def _find_path(one: _Move, resting: List[str]) -> None:
    if one.is_here:
        one.path = path_of(one.source["url"])
    elif one.near:
        one.path = path_of(one.near[0]["url"])
    else:
        try:
            resting.append(tempfile.mkdtemp(prefix="markab-transfer-"))
        except OSError as error:
            raise StorageError(
                "no temporary directory for '%s': %s" % (one.item["lfn"], error.strerror),
                "export TMPDIR=/a/directory/with/space",
            ) from error
        one.path = os.path.join(resting[-1], "file")


def _fetch_all(moves: List[_Move], rules: Rules) -> None:
    for scheme, legs in _calls([(one, one.source) for one in moves]):
        _call(scheme.get_many, legs, rules)
    for one in moves:
        _step(one, _learn, rules)


def _learn(one: _Move, rules: Rules) -> None:
    if rules.verified is not None and one.moved is not None and one.moved.sha256:
        rules.verified.know(one.path, one.moved.sha256)


def _put_all(moves: List[_Move], rules: Rules) -> None:
    for scheme, legs in _calls([(one, end) for one in moves for end in one.remote]):
        _call(scheme.put_many, legs, rules)


def _calls(legs: List[_Leg]) -> Iterator[Tuple[Scheme, List[_Leg]]]:
    """Yield legs by the scheme that serves them, as many as it takes in one call."""
    groups: Dict[Scheme, List[_Leg]] = {}
    for one, end in legs:
        try:
            groups.setdefault(handler_for(end["url"]), []).append((one, end))
        except MarkabError as error:
            one.error = one.error or error
    for scheme, group in groups.items():
        for start in range(0, len(group), scheme.files_a_call):
            alive = [leg for leg in group[start : start + scheme.files_a_call] if leg[0].error is None]
            if alive:
                yield scheme, alive


def _call(
    many: Callable[[List[FileRequest], Stop, bool], List[Outcome]], legs: List[_Leg], rules: Rules
) -> None:
    """Let a scheme move a batch of files, and note what became of each."""
    try:
        outcomes = many([one.request(end, rules) for one, end in legs], rules.stop, rules.durable)
        if len(outcomes) != len(legs):
            raise TransferError("the scheme reports on %d of %d files" % (len(outcomes), len(legs)))
    except Exception as error:
        outcomes = [_as_markab_error(error)] * len(legs)
    for (one, _), outcome in zip(legs, outcomes):  # noqa: B905  Python 3.6
        if isinstance(outcome, MarkabError):
            one.error = outcome
        elif one.moved is None:
            one.moved = outcome


def _check_before_sending(one: _Move, rules: Rules) -> None:
    if one.is_here and rules.verified is not None and one.item.get("sha256"):
        rules.verified.verify(one.path, one.item["sha256"], rules.stop)


def _place_all(one: _Move, rules: Rules) -> None:
    """Put a file of this machine to the destinations on this machine that do not have it yet."""
    first: Optional[Moved] = None
    for destination in one.near if one.is_here else one.near[1:]:
        moved = _place(one.path, destination["url"], one.item, rules)
        first = first or moved
    if one.is_here and first is not None:
        one.moved = first


def _place(path: str, url: str, item: Dict[str, Any], rules: Rules) -> Moved:
    way = scheme_of(url)
    link = rules.allow_links and (way == "symlink" or bool(item.get("link")))
    checked = rules.verified is not None and (rules.verify_links or not link)
    sha256 = item.get("sha256") if checked else None
    executable = bool(item.get("executable"))
    stop, durable, verified = rules.stop, rules.durable, rules.verified
    if way == "moveto":
        return move(path, path_of(url), stop, sha256, executable, durable, checked, verified)
    return place(path, path_of(url), link, stop, sha256, executable, durable, checked, verified)
