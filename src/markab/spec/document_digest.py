"""The digest of a document: of all of it but the head that says who wrote it and when, which scripts write anew each time."""

from __future__ import annotations

import hashlib
import re

from markab.spec.document_file import read_bytes

_HEAD = re.compile(rb"\Ax-pegasus:\n(?:  (?:apiLang|createdBy|createdOn): '?[\w :./+-]*'?\n)+(?=\S)")
"""As `api/writable.py` and Pegasus write it; anything else counts."""


def document_digest(data: bytes) -> str:
    """Return the sha256 of what planning can depend on in a document."""
    head = _HEAD.match(data)
    return hashlib.sha256(memoryview(data)[head.end() if head else 0 :]).hexdigest()


def digest_of_document(path: str) -> str:
    """Return the digest of a document in a file. Raises as `read_bytes`."""
    return document_digest(read_bytes(path, 1 << 40))
