"""The call of a script that built the document of a workflow: what is recorded of it with the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A script, and what it was given."""

    words: tuple[str, ...]
    """What stands in place of the document on a command line that plans the workflow again."""
    files: tuple[Path, ...]
    """The script, and the files of parameters."""
    parameters: Mapping[str, str]
    """All parameters that the script declares, as text."""
    arguments: str = ""
    """The script's own command line."""

    @property
    def metadata(self) -> dict[str, str]:
        """What the metadata of the workflow say of it."""
        from markab.plan.model import PARAMETER  # needs msgspec, which a script may have to do without

        said = {f"{PARAMETER}{name}": value for name, value in self.parameters.items()}
        said["script"] = str(self.files[0])
        return said | ({"script.arguments": self.arguments} if self.arguments else {})
