"""Pack the worker as one zip file that any Python 3.6 runs: `python3 worker.zip SPEC.json`."""

import os
import zipfile

_PARTS = ("errors.py", "worker", "transfers")
_START = "import runpy\nrunpy.run_module('markab.worker', run_name='__main__', alter_sys=True)\n"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the same files always give the same zip file


def pack(path: str) -> None:
    """Write the zip file to `path`, complete or not at all. Raises OSError."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    temporary = path + ".part"
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", _WHEN), _START)
        archive.writestr(zipfile.ZipInfo("markab/__init__.py", _WHEN), "")
        for part in _PARTS:
            top = os.path.join(package, part)
            names = [part] if part.endswith(".py") else sorted(part + "/" + name for name in os.listdir(top))
            for name in names:
                if name.endswith(".py"):
                    with open(os.path.join(package, name), "rb") as file:
                        archive.writestr(zipfile.ZipInfo("markab/" + name, _WHEN), file.read())
    os.rename(temporary, path)
