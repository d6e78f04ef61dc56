"""The packed worker with byte code beside its sources: compiling them takes a node longer than a short task."""

from __future__ import annotations

import marshal
import tempfile
import zipfile
from functools import cache
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

from markab.worker.worker_zip import pack

_WHEN = (1980, 1, 1, 0, 0, 0)  # the same files always give the same zip file


@cache
def compiled_worker() -> bytes:
    """Return the zip file. A Python of another version than this one takes the sources."""
    with tempfile.TemporaryDirectory() as top:
        path = Path(top) / "worker.zip"
        pack(str(path))
        with zipfile.ZipFile(path, "a") as packed:
            for name in packed.namelist():
                if name.endswith(".py"):
                    source = packed.read(name)
                    head = MAGIC_NUMBER + (1).to_bytes(4, "little") + source_hash(source)  # 1: unchecked
                    code = head + marshal.dumps(compile(source, name, "exec"))
                    packed.writestr(zipfile.ZipInfo(name + "c", _WHEN), code)
        return path.read_bytes()
