"""Files that a transfer need not move: an earlier attempt of the job brought them, and they are still in place."""

from typing import Any, Dict, Optional

from markab.errors import MarkabError
from markab.transfers.base import Stop, handler_for, is_local, name_of, path_of
from markab.transfers.checksum import Verified
from markab.worker.attempt_spec import Spec

Item = Dict[str, Any]


def find_in_place(
    spec: Spec, item: Item, verified: Optional[Verified], stop: Stop
) -> Optional[Dict[str, Any]]:
    """Return the entry of a file that is at all its destinations, as the record has it; None: it must be moved.

    What an earlier attempt brought counts if it has the size and, where that can be read, the
    checksum that it had then. A checkpoint counts as it is: jobs write it anew.

    Args:
        verified: None: checksums are ignored.
    """
    lfn = item["lfn"]
    is_checkpoint = bool(item.get("checkpoint"))
    if not is_checkpoint and lfn not in spec["arrived"]:
        return None
    size_bytes = None if is_checkpoint else spec["arrived"][lfn]
    sha256 = None if is_checkpoint else item.get("sha256")
    try:
        for place in item["destinations"]:
            if not handler_for(place["url"]).exists(place["url"], size_bytes, stop, place["site"]):
                return None
            if verified is not None and sha256 and is_local(place["url"]):
                verified.verify(path_of(place["url"]), sha256, stop)
    except MarkabError:
        return None
    entry = {
        "lfn": lfn,
        "source": name_of(item["sources"][0]["url"]) if item["sources"] else "",
        "destination": ", ".join([name_of(place["url"]) for place in item["destinations"]]),
        "bytes": size_bytes,
        "duration_s": 0.0,
        "attempts": 0,
        "found": True,
    }
    if sha256:
        entry["sha256"] = sha256
    return entry
