"""Where Markab keeps what can be made again, for one user."""

import os
from typing import Mapping


def user_cache(environ: Mapping[str, str]) -> str:
    """Return the directory by the XDG base directories; empty: the environment names none, and there is no home."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    return os.path.join(base, "markab") if os.path.isabs(base) else ""
