"""The packed worker with byte code beside its sources: compiling them takes a node longer than a short task.

Compiling takes the submit host longer than all else that comes before a first job, so the result is kept in the user's cache,
`workers/STAMP`, a checksum of the sources and the version of byte code: 32 bytes of SHA-256 over the rest, then the zip file. One
that is not as it was written is made again; the directory may be removed at any time.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import tempfile
import time
import zipfile
from contextlib import suppress
from functools import cache
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

from markab.errors import MarkabError
from markab.plan.atomic_file import replacing
from markab.worker.user_cache import user_cache
from markab.worker.worker_zip import pack

_WHEN = (1980, 1, 1, 0, 0, 0)  # the same files always give the same zip file
_FORM = b"1"
"""Changes when `_compiled` does."""
KEPT_S = 30 * 86400
"""The workers of other versions are kept so long."""


@cache
def compiled_worker() -> bytes:
    """Return the zip file. A Python of another version than this one takes the sources."""
    with tempfile.TemporaryDirectory() as top:
        path = Path(top) / "worker.zip"
        pack(str(path))
        stamp = hashlib.sha256(_FORM + MAGIC_NUMBER + path.read_bytes()).hexdigest()
        if not (cache_directory := user_cache(os.environ)):
            return _compiled(path)
        kept = Path(cache_directory) / "workers" / stamp
        if (found := _read(kept)) is None:
            found = _compiled(path)
            _keep(kept, found)
        return found


def _compiled(path: Path) -> bytes:
    """Return a packed worker with byte code."""
    with zipfile.ZipFile(path, "a") as packed:
        for name in packed.namelist():
            if name.endswith(".py"):
                source = packed.read(name)
                head = MAGIC_NUMBER + (1).to_bytes(4, "little") + source_hash(source)  # 1: unchecked
                code = head + marshal.dumps(compile(source, name, "exec"))
                packed.writestr(zipfile.ZipInfo(name + "c", _WHEN), code)
    return path.read_bytes()


def _read(path: Path) -> bytes | None:
    """Return a kept worker; None: there is none, or it is not whole."""
    try:
        text = path.read_bytes()
    except OSError:
        return None
    checksum, content = text[:32], text[32:]
    return content if hashlib.sha256(content).digest() == checksum else None


def _keep(path: Path, content: bytes) -> None:
    """Write a worker for the next run of this user; without the place for it, that one compiles again."""
    with suppress(OSError, MarkabError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path, durable=False) as file:
            file.write(hashlib.sha256(content).digest() + content)
        for other in path.parent.iterdir():
            if other.name != path.name and time.time() - other.stat().st_mtime > KEPT_S:
                other.unlink()
