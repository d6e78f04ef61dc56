"""`pegasus-preflight-check`: whether this Python has what Markab needs."""

from __future__ import annotations

from importlib import import_module

from markab.cli.common_options import pegasus_command
from markab.cli.output import echo

NEEDED = {
    "yaml": "PyYAML",
    "msgspec": "msgspec",
    "ryml": "rapidyaml",
    "click": "click",
    "rich": "rich",
    "sqlalchemy": "SQLAlchemy",
}
"""Module → the package that has it."""


@pegasus_command("pegasus-preflight-check")
def pegasus_preflight_check() -> int:
    """Exit with 0 if everything that Markab needs is installed and can be loaded; else name what is not."""
    missing = [package for module, package in NEEDED.items() if not _loads(module)]
    for package in missing:
        echo(f"error: the package {package} is not installed, or cannot be loaded", err=True)
    if missing:
        echo(f"  hint: pip install --force-reinstall {' '.join(missing)}", err=True)
    return 1 if missing else 0


def _loads(module: str) -> bool:
    try:
        import_module(module)
    except Exception:
        return False
    return True
