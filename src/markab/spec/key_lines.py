"""The line on which a key of a profile stands, for keys that are found to be wrong after reading.

Structs keep no lines, and the fast reader has none. So the text of the document is searched, which is cheap
because it happens only for keys that nothing knows.
"""

from __future__ import annotations

import re
from pathlib import Path


def line_of_key(document: Path, key: str) -> int:
    """Return the first line of a YAML, JSON or XML document that gives a value to `key`; 0 if none does."""
    try:
        data = document.read_bytes()
    except OSError:
        return 0
    word = re.escape(key.encode())
    yaml, xml = rb"(?:^|[\s{,])[\"']?" + word + rb"[\"']?\s*:", rb"\skey\s*=\s*[\"']" + word + rb"[\"']"
    match = re.search(yaml + rb"|" + xml, data, re.MULTILINE)
    return data.count(b"\n", 0, match.end()) + 1 if match else 0
