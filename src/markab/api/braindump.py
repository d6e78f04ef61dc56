"""`braindump.yml` as an object with attributes: the identity of a run, and the places of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Braindump:
    """The keys of a braindump as attributes; those that are missing are None. Keys beside these become attributes too."""

    user: str | None = None
    grid_dn: str | None = None
    submit_hostname: str | None = None
    root_wf_uuid: str | None = None
    wf_uuid: str | None = None
    dax: Path | None = None
    dax_label: str | None = None
    dax_index: str | None = None
    dax_version: str | None = None
    pegasus_wf_name: str | None = None
    timestamp: str | None = None
    basedir: Path | None = None
    submit_dir: Path | None = None
    planner: Path | None = None
    planner_version: str | None = None
    planner_arguments: str | None = None
    pegasus_build: str | None = None
    jsd: str | None = None
    rundir: str | None = None
    bindir: Path | None = None
    vogroup: str | None = None
    uses_pmc: bool | None = None
    properties: str | None = None
    condor_log: str | None = None
    dag: str | None = None
    type: str | None = None
    notify: str | None = None
    script: str | None = None
    app: str | None = None

    def to_text(self) -> str:
        """Return the file: one `key: "value"` a line."""
        from markab.plan.braindump import braindump_text

        return braindump_text({key: _as_text(value) for key, value in vars(self).items()})


def make_braindump(values: dict[str, str | None]) -> Braindump:
    """Return the Braindump of the keys and values of a file."""
    made = Braindump()
    for key, value in values.items():
        setattr(made, key, None if value is None else _typed(key, value))
    return made


def to_braindump(text: str | bytes) -> Braindump:
    """Return the Braindump of a file's content.

    Raises:
        ValueError: it is not a map of keys and values.
    """
    from markab.plan.braindump import parse_braindump

    return make_braindump(parse_braindump(text))


def _typed(key: str, value: str) -> Any:
    kind = str(Braindump.__annotations__.get(key, ""))
    if kind.startswith("Path"):
        return Path(value)
    return value.lower() == "true" if kind.startswith("bool") else value


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
