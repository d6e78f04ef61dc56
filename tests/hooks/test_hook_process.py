"""One hook while it runs."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from kit.waiting import wait_until
from markab.hooks.hook_events import HookCall, HookKey
from markab.hooks.hook_process import KEPT_BYTES, HookProcess

KEY = HookKey(0, 1, "at_end", 0)


def hook(directory: Path, *words: str, **more: Any) -> HookProcess:
    return HookProcess(HookCall(KEY, "a", words, {}, **more), directory, os.environ, 0.0)


def finished(process: HookProcess) -> HookProcess:
    wait_until(lambda: process.is_over(0.0, 0))
    return process


def test_a_hook_runs_in_the_submit_directory_with_its_variables_and_no_shell(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd(), os.environ['PEGASUS_EVENT'], sys.argv[1:]); sys.exit(3)"
    given = HookCall(KEY, "a", [sys.executable, "-c", code, "$HOME; *"], {"PEGASUS_EVENT": "at_end"})
    ended = finished(HookProcess(given, tmp_path, os.environ, 0.0))

    assert f"{tmp_path} at_end ['$HOME; *']\n" == ended.output
    assert (3, "") == (ended.status, ended.why)


def test_a_program_that_does_not_exist_is_over_at_once(tmp_path: Path) -> None:
    process = hook(tmp_path, "no-such-program")

    assert process.is_over(0.0, 0)
    assert (127, "cannot be started: No such file or directory") == (process.status, process.why)


def test_output_without_end_is_kept_in_part_and_never_waited_for(tmp_path: Path) -> None:
    process = hook(tmp_path, "sh", "-c", "trap '' TERM; yes flood")
    wait_until(lambda: process.is_over(0.0, limit_s=10) or process.output)
    began = time.monotonic()
    for now in range(20):
        process.is_over(float(now), limit_s=10)  # with SIGTERM at 10, and SIGKILL from 15 on
    assert time.monotonic() - began < 5
    wait_until(lambda: process.is_over(20.0, limit_s=10))

    assert process.is_over(21.0, limit_s=10), "asked again, it is still over"
    assert len(process.output) <= KEPT_BYTES and "flood" in process.output
    assert process.why == "it took more than 10 s, and was ended" and process.status == -9


def test_a_child_that_keeps_the_output_open_keeps_nobody_waiting(tmp_path: Path) -> None:
    process = finished(hook(tmp_path, "sh", "-c", "sleep 30 & echo $!"))

    assert process.status == 0
    os.kill(int(process.output), 9)


def test_the_output_of_the_task_is_a_file_while_the_hook_runs(tmp_path: Path) -> None:
    process = finished(
        hook(tmp_path, "sh", "-c", 'cat "$PEGASUS_STDOUT" "$PEGASUS_STDERR"', outputs=("o\n", "e\n"))
    )

    assert "o\ne\n" == process.output
    assert [] == list(tmp_path.iterdir())
