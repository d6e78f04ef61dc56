"""The languages of batch systems, by the name in a site's `executor`; each is imported when a site names it.

All that is asked of a batch system travels as words of a command line, never as lines of the script: a word can have any character
without a rule of quoting, no variable of the environment overrides it, and the lines of the user, which come last, win.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from markab.executors.remote.batch_system import BatchSystem

LANGUAGES: Mapping[str, str] = {
    "slurm": "slurm:Slurm",
    "sge": "sge:GridEngine",
    "pbs": "pbs:PbsPro",
    "torque": "pbs:Torque",
    "moab": "pbs:Moab",
    "lsf": "lsf:Lsf",
    "flux": "flux:Flux",
    "cobalt": "cobalt:Cobalt",
}
"""Name → file and class."""


def language(name: str) -> BatchSystem:
    """Return the language of a batch system.

    Raises:
        KeyError: there is none of that name.
    """
    file, _, class_name = LANGUAGES[name].partition(":")
    made: BatchSystem = getattr(import_module(f"{__name__}.{file}"), class_name)()
    return made
