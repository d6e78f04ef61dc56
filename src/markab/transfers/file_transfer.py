"""Transfer files from one source each to all their destinations, by the schemes of both ends.

Several files at a time, so that a scheme whose calls are costly gets all of them in one call.
"""

import errno
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
    name_of,
    path_of,
    redact,
    scheme_of,
)
from markab.transfers.checksum import Verified
from markab.transfers.group_commit import GroupCommit
from markab.transfers.local import place
from markab.transfers.local_link import move
from markab.transfers.own_directories import Held, OwnDirectories
from markab.transfers.tree_names import is_tree
from markab.transfers.tree_removal import remove_tree
from markab.transfers.tree_transfer import deliver_tree, is_directory, stage_tree

Place = Dict[str, Any]
"""{"site", "url"}"""


class Rules(object):
    """The settings for all files of one transfer job."""

    __slots__ = ("allow_links", "durable", "own", "stop", "verified", "verify_links")

    def __init__(
        self,
        stop: Stop = None,
        allow_links: bool = False,
        verified: Optional[Verified] = None,
        durable: bool = True,
        verify_links: bool = True,
        own: Sequence[str] = (),
    ) -> None:
        self.stop = stop
        self.own = OwnDirectories(own)
        self.allow_links = allow_links
        self.verified = verified
        self.durable = durable
        self.verify_links = verify_links


class _Move(object):
    """One file on its way from one of its sources."""

    __slots__ = ("error", "has_local_source", "held", "item", "local", "moved", "path", "remote", "source")

    def __init__(self, item: Dict[str, Any], source: Place) -> None:
        self.item = item
        self.source = source
        self.has_local_source = is_local(source["url"])
        """Its source is on this machine."""
        self.local = _moves_last([one for one in item["destinations"] if is_local(one["url"])])
        self.remote = [one for one in item["destinations"] if one not in self.local]
        self.path = ""
        """Its path on this machine, temporary or final."""
        self.held: Optional[Held] = None
        """The same path, held while a scheme works with it."""
        self.moved: Optional[Moved] = None
        self.error: Optional[MarkabError] = None

    @property
    def held_path(self) -> str:
        """What a scheme is given as its path."""
        return self.held.path if self.held else self.path

    def request(self, end: Place, rules: Rules) -> FileRequest:
        """Return the request to the scheme of one of its ends."""
        sha256 = self.item.get("sha256") if rules.verified is not None else None
        return FileRequest(
            end["url"], self.held_path, sha256, bool(self.item.get("executable")), end.get("site", "")
        )


_Leg = Tuple[_Move, Place]


def place_files(wanted: Sequence[Tuple[Dict[str, Any], Place]], rules: Rules) -> List[Outcome]:
    """Transfer files whose source and destinations are all on this machine; as `transfer_files`.

    What has to be durable is so for all of them at the end.
    """
    if not rules.durable:
        return [_place_file(item, source, rules) for item, source in wanted]
    group = GroupCommit()
    failed: Dict[str, MarkabError] = {}
    try:
        outcomes = []
        for item, source in wanted:
            outcome = _place_file(item, source, rules, group)
            if _lacks_descriptors(outcome):
                failed.update(group.commit())  # that closes many
                outcome = _place_file(item, source, rules, group)
            outcomes.append(outcome)
        failed.update(group.commit())
    finally:
        group.discard()
    if failed:
        for number, (item, _) in enumerate(wanted):
            for end in item["destinations"]:
                if isinstance(outcomes[number], Moved):
                    outcomes[number] = failed.get(path_of(end["url"]), outcomes[number])
    return outcomes


def _place_file(
    item: Dict[str, Any], source: Place, rules: Rules, group: Optional[GroupCommit] = None
) -> Outcome:
    try:
        return _place_all(path_of(source["url"]), _moves_last(item["destinations"]), item, rules, group)[0]
    except Exception as error:
        return _as_markab_error(error)


def _lacks_descriptors(outcome: Outcome) -> bool:
    cause = outcome.__cause__ if isinstance(outcome, MarkabError) else None
    return isinstance(cause, OSError) and cause.errno == errno.EMFILE


def transfer_files(wanted: Sequence[Tuple[Dict[str, Any], Place]], rules: Rules) -> List[Outcome]:
    """Transfer each item from the source given with it to all its destinations; return the outcomes in order.

    The first copy on this machine is the source for the further destinations. When no end is on
    this machine, the file is in a temporary directory in between. Never raises for a file.
    """
    moves = [_Move(item, source) for item, source in wanted]
    remote = [one for one in moves if one.remote or not one.has_local_source]
    temporary: List[str] = []
    try:
        for one in moves:
            _step(one, _find_path, temporary)
        for one in remote:
            _step(one, _hold, rules.own)
        if remote:
            _fetch_all([one for one in remote if not one.has_local_source], rules)
            for one in remote:
                _step(one, _check_before_sending, rules)
            _put_all(remote, rules)
        for one in moves:
            _step(one, _place_rest, rules)
    finally:
        for one in remote:
            if one.held:
                one.held.close(one.error)
        for path in temporary:
            remove_tree(path, on_error=lambda _: None)
    return [one.error or one.moved or Moved(0) for one in moves]


def _step(one: _Move, do: Callable[[_Move, Any], None], argument: Any) -> None:
    """Take the next step of a file, unless one failed before; record its error."""
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


def _find_path(one: _Move, temporary: List[str]) -> None:
    if one.has_local_source:
        one.path = path_of(one.source["url"])
    elif one.local:
        one.path = path_of(one.local[0]["url"])
    else:
        try:
            temporary.append(tempfile.mkdtemp(prefix="markab-transfer-"))
        except OSError as error:
            raise StorageError(
                "no temporary directory for '%s': %s" % (one.item["lfn"], error.strerror),
                "export TMPDIR=/a/directory/with/space",
            ) from error
        one.path = os.path.join(temporary[-1], "file")


def _hold(one: _Move, own: OwnDirectories) -> None:
    if one.has_local_source:
        one.held = own.source(one.path, name_of(one.item["destinations"][0]["url"]))
    else:
        one.held = own.destination(one.path, name_of(one.source["url"]))


def _fetch_all(moves: List[_Move], rules: Rules) -> None:
    for scheme, legs in _calls([(one, one.source) for one in moves]):
        _call(scheme.get_many, legs, rules)
    for one in moves:
        _step(one, _remember_checksum, rules)


def _remember_checksum(one: _Move, rules: Rules) -> None:
    if rules.verified is not None and one.moved is not None and one.moved.sha256:
        rules.verified.remember(one.held_path, one.moved.sha256)


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
            unfailed = [leg for leg in group[start : start + scheme.files_a_call] if leg[0].error is None]
            if unfailed:
                yield scheme, unfailed


def _call(
    many: Callable[[List[FileRequest], Stop, bool], List[Outcome]], legs: List[_Leg], rules: Rules
) -> None:
    """Let a scheme transfer a batch of files, and record the outcome of each."""
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
    if one.has_local_source and rules.verified is not None and one.item.get("sha256"):
        rules.verified.verify(one.held_path, one.item["sha256"], rules.stop)


def _place_rest(one: _Move, rules: Rules) -> None:
    """Copy a file of this machine to the destinations on this machine that do not have it yet."""
    if not one.has_local_source:
        _place_all(one.path, one.local[1:], one.item, rules)
    elif one.local:
        one.moved = _place_all(one.path, one.local, one.item, rules)[0]


def _moves_last(destinations: List[Place]) -> List[Place]:
    """Return local destinations in their order, those last to which the file moves: the others need it until then."""
    if len(destinations) == 1:
        return destinations
    return sorted(destinations, key=lambda one: scheme_of(one["url"]) == "moveto")


def _place_all(
    path: str,
    destinations: List[Place],
    item: Dict[str, Any],
    rules: Rules,
    group: Optional[GroupCommit] = None,
) -> List[Moved]:
    """Make a local file available at local destinations; return the result of each."""
    return [_place(path, one["url"], item, rules, group) for one in destinations]


def _place(path: str, url: str, item: Dict[str, Any], rules: Rules, group: Optional[GroupCommit]) -> Moved:
    way = scheme_of(url)
    link = rules.allow_links and (way == "symlink" or bool(item.get("link")))
    checked = rules.verified is not None and (rules.verify_links or not link)
    sha256 = item.get("sha256") if checked else None
    executable = bool(item.get("executable"))
    stop, durable, verified = rules.stop, rules.durable, rules.verified
    destination = path_of(url)
    if is_tree(item["lfn"]) and (is_directory(path) or not is_tree(destination)):
        return _place_tree(path, destination, sha256, checked, rules)
    with rules.own.source(path, destination) as source, rules.own.destination(destination, path) as target:
        # What is in a directory of the run is copied: its cleanup removes it, and a link would be to where it is held.
        if way == "moveto" and source == path:
            # Not in the group: between file systems the source is removed, so the copy must be durable before that.
            return move(source, target, stop, sha256, executable, durable, checked, verified)
        is_linked = link and source == path
        if group is not None:
            group.source = path
        # Nor is what is held in a directory of the run: it has another path later.
        together = group if target == destination else None
        return place(
            source, target, is_linked, stop, sha256, executable, durable, checked, verified, together
        )


def _place_tree(path: str, destination: str, sha256: Optional[str], checked: bool, rules: Rules) -> Moved:
    """Pack a directory, or unpack it where it is delivered; a link to it is never made."""
    stop, durable = rules.stop, rules.durable
    if is_tree(destination):
        with rules.own.destination(destination, path) as target:
            return stage_tree(path, target, stop, sha256, durable, rules.verified, destination)
    if is_directory(path):
        return deliver_tree(path, destination, stop, sha256, durable, checked)
    with rules.own.source(path, destination) as source:
        return deliver_tree(source, destination, stop, sha256, durable, checked)
