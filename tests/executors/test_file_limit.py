"""The limit of open files, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

PROGRAM = """
import json, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 300))
from markab.executors.file_limit import attempts_at_once, raise_file_limit
print(json.dumps([attempts_at_once(), raise_file_limit(), raise_file_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0]]))
"""


def test_the_soft_limit_is_raised_and_what_it_was_is_known() -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, check=True)

    assert json.loads(done.stdout) == [25, 64, 64, 300]
