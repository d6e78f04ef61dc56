"""Read the input of `pegasus-transfer`: what to transfer, make and remove.

JSON (the form of today): a list of objects,

    {"type": "transfer", "id": 2, "lfn": "book.txt", "src_urls": [{"site_label", "url", "priority"?,
     "checksum"?}, …], "dest_urls": [{"site_label", "url"}, …]}
    {"type": "mkdir",  "id": 1, "target": {"site_label", "url"}}
    {"type": "remove", "id": 3, "target": {"site_label", "url", "recursive": "True"?}}

Sources of higher `priority` come first. The old text form has, for each transfer, a line
`# src <id> <site>` above each source URL and `# dst <id> <site>` above each destination.
"""

import json
import re
from typing import Any, Dict, List, Tuple

from markab.errors import DocumentError, Problem
from markab.transfers.base import redact


class Work(object):
    """The requests of one input. Transfers have the form that `move_all` takes."""

    def __init__(self) -> None:
        self.mkdirs: List[Dict[str, str]] = []
        self.transfers: List[Dict[str, Any]] = []
        self.removes: List[Dict[str, Any]] = []


def read_work(text: str, file: str = "") -> Work:
    """Return the requests of an input in either form.

    Raises:
        DocumentError: with every problem of the text.
    """
    if not text.strip():
        return Work()
    if text.lstrip()[0] in "[{":
        return _read_json(text, file)
    return _read_lines(text, file)


def _read_json(text: str, file: str) -> Work:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentError(
            Problem("not JSON: %s" % error, "python3 -m json.tool '%s'" % (file or "-"), file, kind="syntax")
        ) from error
    if isinstance(entries, dict):
        entries = [entries]
    work = Work()
    problems: List[Problem] = []
    for number, entry in enumerate(entries, start=1):
        try:
            _add(work, entry)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            name = entry.get("id", number) if isinstance(entry, dict) else number
            why = "it has no %s" % error if isinstance(error, KeyError) else str(error)
            problems.append(
                Problem("item %s is wrong: %s" % (name, why), "compare it with the other items", file)
            )
    if problems:
        raise DocumentError(*problems)
    return work


def _add(work: Work, entry: Dict[str, Any]) -> None:
    kind = entry["type"]
    if kind == "transfer":
        work.transfers.append(_transfer(entry))
    elif kind == "mkdir":
        work.mkdirs.append(_place(entry["target"]))
    elif kind == "remove":
        target: Dict[str, Any] = entry["target"]
        place: Dict[str, Any] = _place(target)
        place["recursive"] = _is_true(target.get("recursive", False))
        work.removes.append(place)
    else:
        raise ValueError("type '%s' is none of transfer, mkdir, remove" % kind)


def _transfer(entry: Dict[str, Any]) -> Dict[str, Any]:
    sources = sorted(entry["src_urls"], key=lambda one: -float(one.get("priority") or 0))
    if not sources or not entry["dest_urls"]:
        raise ValueError("it has no source or no destination")
    item = {
        "lfn": entry.get("lfn") or sources[0]["url"].rpartition("/")[2],
        "sources": [_place(one) for one in sources],
        "destinations": [_place(one) for one in entry["dest_urls"]],
    }
    for one in sources:
        checksum = one.get("checksum")
        if isinstance(checksum, dict) and checksum.get("sha256"):
            item["sha256"] = checksum["sha256"]
            break
    if any(place["url"].lower().startswith("symlink:") for place in item["destinations"]):
        item["link"] = True
    return item


def _place(entry: Dict[str, Any]) -> Dict[str, str]:
    url = entry["url"]
    if not isinstance(url, str) or not url:
        raise ValueError("a url is %r" % (redact(str(url)),))
    return {"site": str(entry.get("site_label", "")), "url": url}


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _read_lines(text: str, file: str) -> Work:
    pairs: Dict[str, Tuple[List[Dict[str, str]], List[Dict[str, str]]]] = {}
    problems: List[Problem] = []
    header = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        match = re.match(r"#\s*(src|dst)\s+(\S+)\s+(\S+)", line)
        if match:
            header = match.groups()
        elif line and not line.startswith("#"):
            if header is None:
                problems.append(
                    Problem("a URL without a line '# src ID SITE' above it", "add that line", file, number)
                )
                continue
            end, name, site = header
            pairs.setdefault(name, ([], []))[end == "dst"].append({"site": site, "url": line})
    work = Work()
    for name, (sources, destinations) in pairs.items():
        if not sources or not destinations:
            end = "src" if not sources else "dst"
            problems.append(Problem("transfer %s has no '# %s %s SITE'" % (name, end, name), "add it", file))
            continue
        lfn = sources[0]["url"].rpartition("/")[2]
        work.transfers.append({"lfn": lfn, "sources": sources, "destinations": destinations})
    if problems:
        raise DocumentError(*problems)
    return work
