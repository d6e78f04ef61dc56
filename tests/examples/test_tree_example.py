"""The tree of `examples/`, whose two lower levels are written while it runs: mended in the middle of a refresh."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.test_loop_examples import EXAMPLES, script
from integration.tools import environment, markab
from kit.waiting import wait_until

pytestmark = pytest.mark.integration


def test_an_edited_input_reaches_the_grandchild_that_read_it_even_if_the_refresh_is_killed(
    tmp_path: Path,
) -> None:
    shutil.copytree(EXAMPLES / "tree/data", tmp_path / "data")
    script("tree/workflow.py", cwd=tmp_path)
    words = (
        "--input-dir",
        "data",
        "--output-dir",
        "results",
        "--dir",
        "runs",
        "--relative-submit-dir",
        "run",
    )
    markab("plan", "-s", "local", *words, "workflow.yml", cwd=tmp_path)
    run = tmp_path / "runs/run"
    assert markab("run", run, cwd=tmp_path, check=False).returncode == 14
    assert "'n/a" in markab("analyze", run, cwd=tmp_path, check=False).stdout
    lima = tmp_path / "data/lima.txt"
    lima.write_text(lima.read_text().replace("n/a", "22.0"))

    engine = subprocess.Popen(
        [sys.executable, "-m", "markab", "run", "--refresh", str(run)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(
        lambda: b'"event":"refresh"' in (run / "journal.jsonl").read_bytes() or engine.poll() is not None
    )
    os.kill(engine.pid, signal.SIGKILL)
    engine.wait()
    markab("run", run, cwd=tmp_path)

    assert (tmp_path / "results/warmest.txt").read_text() == "lima 21.50\noslo 4.17\n"
