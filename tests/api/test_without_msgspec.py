"""What scripts import works where only the API's own needs are installed, as beside official packages."""

from __future__ import annotations

import subprocess
import sys


def test_the_api_and_the_table_of_planner_options_need_no_msgspec() -> None:
    code = "import sys; sys.modules['msgspec'] = None; import Pegasus.api; from markab.planner.options import accepted, to_words"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
