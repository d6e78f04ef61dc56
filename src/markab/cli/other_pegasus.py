"""Whether the packages of Pegasus are installed over, or under, the modules `Pegasus` of this Markab.

Both have the same import path, and pip cannot refuse that: it writes the files of the
one over those of the other. Whichever was installed last is imported.
"""

from __future__ import annotations

import os

from markab.errors import Problem

_PACKAGES = ("pegasus-wms.api", "pegasus-wms.common", "pegasus-wms.worker", "pegasus-wms")
_OWN = frozenset(
    """
    __init__.py __pycache__ api braindump.py client json.py properties.py replica_catalog.py site_catalog.py tools
    transformation_catalog.py workflow.py yaml.py
    """.split()  # noqa: SIM905
)


def other_pegasus(directory: str | None = None) -> Problem | None:
    """Return a warning if packages of Pegasus share the directory of the modules `Pegasus`, or have replaced them.

    Without them it costs one look into the directory, and reading one short file.
    """
    directory = directory or _directory()
    is_ours = _is_ours(directory)
    if is_ours and _names(directory) <= _OWN:
        return None
    if packages := _installed(directory):
        text = f"{packages} and Markab have the same modules 'Pegasus' in {directory!r}; "
    else:
        text = f"modules in {directory!r} are not those of this Markab; "
    if is_ours:
        text += "scripts import those of Markab, until the other is installed again"
    else:
        text += "scripts import those that were installed last, which are not Markab's"
    return Problem(
        text,
        "keep each in an environment of its own; or remove the others with pip, and install Markab again with "
        "--force-reinstall",
        kind="other-pegasus",
    )


def _directory() -> str:
    import markab

    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(markab.__file__))), "Pegasus")


def _names(directory: str) -> set[str]:
    try:
        return set(os.listdir(directory))
    except OSError:
        return set()


def _is_ours(directory: str) -> bool:
    try:
        with open(os.path.join(directory, "api", "__init__.py"), encoding="utf-8", errors="replace") as file:
            return "from markab.api import" in file.read()
    except OSError:
        return False


def _installed(directory: str) -> str:
    """Return the packages of Pegasus whose files are there, with their versions."""
    from importlib import metadata

    beside = [os.path.dirname(directory)]
    found = {
        f"{package.metadata['Name']} {package.version}"
        for name in _PACKAGES
        for package in metadata.distributions(name=name, path=beside)
    }
    return ", ".join(sorted(found))
