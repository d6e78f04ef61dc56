"""The queue of HTCondor, as data."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any


def _q(cmd: Sequence[str]) -> Any:
    """Run a command such as `condor_q -json`; return its output read as JSON, an empty list if there is none.

    Raises:
        OSError: the program is missing.
        subprocess.CalledProcessError: it failed.
    """
    output = subprocess.run(cmd, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output) if output.strip() else []
