"""Rules for logical file names: a relative path that cannot leave its directory. One with a slash at its end is a directory."""

from __future__ import annotations

import re

from markab.transfers.reserved_names import is_reserved
from markab.transfers.tree_names import SUFFIX, stored_name

_PLAIN = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,99}(?:/[A-Za-z0-9_][-A-Za-z0-9_.]{0,99})*\Z")
"""Nearly all names: valid without a further check."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
MAX_COMPONENT_BYTES = 255
"""The longest file name that Linux file systems allow."""
MAX_PATH_BYTES = 3000
"""What PATH_MAX = 4096 leaves after the path of a run's directory."""


def lfn_fault(lfn: str, absolute: bool = False) -> tuple[str, str] | None:
    """Return what is wrong with a logical file name, and a hint, or None if it is valid.

    With `absolute`, names that begin with a slash are valid too.
    """
    if _PLAIN.match(lfn) and len(lfn) <= MAX_COMPONENT_BYTES and not lfn.endswith(SUFFIX):
        return None
    if not lfn:
        return "is empty", "give the file a name"
    if found := _CONTROL.search(lfn):
        return f"has the control character 0x{ord(found[0]):02x}", "use printable characters only"
    if lfn.startswith("/") and not absolute:
        return (
            "is an absolute path",
            "use a relative name, or allow such names with markab.lfn.absolute = true",
        )
    parts = lfn.removesuffix("/").split("/")
    if ".." in parts:
        return "has '..' in it", "name the file relative to the directory of the run"
    if "." in parts:
        kept = "/".join(part for part in parts if part not in ("", "."))
        whole = "/" * lfn.startswith("/") + kept + "/" * lfn.endswith("/")
        return "has '.' as a part", f"write {whole!r}" if kept else "give the file a name"
    if "" in parts[1:] or (not absolute and "" in parts):
        return "has an empty part", "remove one of two slashes in a row"
    if is_reserved(lfn) or lfn.endswith(SUFFIX):
        return "is a name that Markab uses itself", "choose another name"
    try:
        sizes = [len(part.encode()) for part in stored_name(lfn).split("/")]
    except UnicodeEncodeError:
        return "is not valid Unicode", "use printable characters only"
    if max(sizes) > MAX_COMPONENT_BYTES:
        hint = f"file systems allow at most {MAX_COMPONENT_BYTES} bytes between two slashes"
        return f"has a part of {max(sizes)} bytes", hint
    if len(lfn.encode()) > MAX_PATH_BYTES:
        return f"is {len(lfn.encode())} bytes long", f"at most {MAX_PATH_BYTES} bytes are allowed"
    return None
